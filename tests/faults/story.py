"""What one process of a case does: the stages of `trade` from the decision on, then those of `reconcile`.

The functions are the ones that the flows call; only Prefect is left out, which decides nothing here.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from breaking import ForgetfulBroker, MortalBroker, MortalLedger, OpenLedger, Striker

from tidemill import execution
from tidemill.adapters.ccxt.exchange import Connection
from tidemill.adapters.clocks import WallClock
from tidemill.adapters.venues.capabilities import capability
from tidemill.domain.errors import LeaseLost, TransientError
from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import (
    REPLACEMENT_LEGS,
    Decision,
    OrderIntent,
    OrderTiming,
    OrderType,
    Side,
    TimeInForce,
    intent_id,
)
from tidemill.execution import DecisionKey, Desk, hold_lease
from tidemill.memory.clocks import ManualClock

MARKET_TIME = datetime(2013, 2, 13, 0, 0, 45, tzinfo=UTC)
AS_OF = datetime(2013, 2, 13, 0, 0, 30, tzinfo=UTC)
EXPIRES = AS_OF + timedelta(days=1)
VENUE = "SAMPLE"
OPENING = {"USD": Decimal(100_000), "AAPL": Decimal(50)}
LEGS = (
    ("AAPL", Side.SELL, TimeInForce.IOC, Decimal(10), Decimal(440)),
    ("IBM", Side.BUY, TimeInForce.IOC, Decimal(5), Decimal(220)),
    ("MSFT", Side.BUY, TimeInForce.IOC, Decimal(20), Decimal(30)),
    ("GOOG", Side.BUY, TimeInForce.GTC, Decimal(1), Decimal(100)),
)
UNIVERSE = tuple(f"{base}-USD.{VENUE}" for base, *_ in LEGS)
INSTRUMENTS = tuple(
    Instrument(
        venue=VENUE,
        base=base,
        quote="USD",
        price_step=Decimal("0.0001"),
        lot_step=Decimal(1),
        min_notional=Decimal(1),
    )
    for base, *_ in LEGS
)
SHORT_ROW = replace(capability("paper"), exchange="paper, in a hurry", window_ms=500)
LEASE_SECONDS = 0.6
LEASE_WAIT_SECONDS = 6.0
TASK_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process: where it works, how it dies, what it repeats."""

    rest: str
    ledger_url: str
    account: str
    folder: Path
    attempt: int = 0
    instant: str = ""
    nth: int = 1
    signal: int = 9
    send_delay: float = 0.002
    task_retry: bool = False
    flow_runs: int = 1
    full_disk_pages: int | None = None
    busy_ms: int = 15_000
    production: bool = False
    control: str = ""
    trades: bool = True
    reconciles: int = 1

    @property
    def timing(self) -> OrderTiming:
        """Waits of the venue's row: the short one, or what Binance's row says."""
        if self.control == "settle":
            return OrderTiming(window_ms=500, visibility_seconds=0.05, absence_queries=1, first_poll_seconds=0.01)
        row = capability("binance") if self.production else SHORT_ROW
        told = row.timing()
        if self.production:
            return told
        return OrderTiming(
            window_ms=told.window_ms,
            visibility_seconds=told.visibility_seconds,
            first_poll_seconds=0.02,
            last_poll_seconds=0.2,
        )


def open_desk(part: Part) -> tuple[Desk, MortalBroker]:
    """The real ledger and the real client, armed as the case says."""
    striker = Striker(part.instant, part.nth, part.signal)
    ledger_kind = OpenLedger if part.control == "lease" else MortalLedger
    broker_kind = ForgetfulBroker if part.control == "guard" else MortalBroker
    ledger = ledger_kind(part.ledger_url, striker, full_disk_pages=part.full_disk_pages, busy_ms=part.busy_ms)
    broker = broker_kind(
        "binance",
        Connection(
            rest_url=part.rest,
            key=part.account,
            secret=f"secret{part.account}",
            timeout_seconds=10.0 if part.production else 1.0,
        ),
        venue=VENUE,
        instruments=INSTRUMENTS,
        capability=SHORT_ROW,
    )
    broker.arm(striker, part.send_delay)
    desk = Desk(
        account=part.account,
        ledger=ledger,
        broker=broker,
        market_clock=ManualClock(MARKET_TIME),
        wall_clock=WallClock(),
        timing=part.timing,
        sleep=time.sleep,
    )
    return desk, broker


def run_part(part: Part) -> None:
    """Trade, then reconcile; errors that may pass leave it to the next process, as Prefect would."""
    desk, broker = open_desk(part)
    for _ in range(part.flow_runs):
        if part.trades:
            _with_lease(desk, lambda epoch: trade(desk, part, epoch))
    broker.reconciling = True
    for _ in range(part.reconciles):
        _with_lease(desk, lambda epoch: reconcile(desk, epoch))


def _with_lease(desk: Desk, work: Callable[[int], None]) -> None:
    """Wait for the account as a late run does, then work under its lease."""
    end = time.monotonic() + LEASE_WAIT_SECONDS
    owner = uuid.uuid4().hex
    while True:
        try:
            with hold_lease(
                desk.ledger,  # type: ignore[arg-type]
                desk.account,
                owner,
                ttl_seconds=LEASE_SECONDS,
                clock=desk.wall_clock,
            ) as epoch:
                work(epoch)
            return
        except LeaseLost as lost:
            if "another run" not in str(lost) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def trade(desk: Desk, part: Part, epoch: int) -> None:
    """A decision recorded once, its intents placed once, sells before buys; then what rests is cancelled."""
    key = DecisionKey(account=desk.account, strategy="trend", as_of=AS_OF, attempt=part.attempt, expires_at=EXPIRES)
    ledger = desk.ledger
    known = ledger.load_decision(key.decision_id) if part.control != "intent" else None
    if known is None:
        doubtful = execution.resolve_open_orders(desk, epoch=epoch)
        portfolio = ledger.load_portfolio(desk.account)
        if doubtful:
            raise TransientError("an order is still in doubt")
        if part.control == "intent":
            key = replace(key, attempt=uuid.uuid4().int % 1_000_000 + 2)  # an identity of its own for every run
        intents = make_intents(key)
        if part.control == "lease":
            time.sleep(1.5)  # long enough for both to have read the same account
        decision = make_decision(key, portfolio)
        ledger.record_decision(decision, intents, epoch=epoch)
        known = ledger.load_decision(key.decision_id)
    carry_out(desk, known.decision_id, part, epoch)
    replace_resting(desk, known.decision_id, epoch)
    execution.cancel_resting(desk, epoch=epoch)


def carry_out(desk: Desk, decision: str, part: Part, epoch: int) -> None:
    """Sells, then the buys that the cash then free allows; a recorded decision goes on where it stood."""
    execution.resolve_open_orders(desk, epoch=epoch)
    for side in (Side.SELL, Side.BUY):
        if side is Side.BUY:
            execution.reduce_to_cash(desk, decision, {one.id: one for one in INSTRUMENTS}, Decimal(0), epoch=epoch)
        for order in desk.ledger.load_orders(decision_id=decision):
            if order.intent.side is side:
                submit(desk, order.intent.intent_id, part, epoch)
        execution.await_fills(desk, decision, side, wait_seconds=0)


def replace_resting(desk: Desk, decision: str, epoch: int) -> None:
    """Move the order that rests to another limit; in a second run, find that done."""
    for order in desk.ledger.load_orders(decision_id=decision):
        if order.intent.time_in_force is TimeInForce.GTC and order.intent.leg < REPLACEMENT_LEGS:
            execution.replace_order(desk, order.intent.intent_id, limit_price=Decimal(101), epoch=epoch)


def submit(desk: Desk, intent: str, part: Part, epoch: int) -> None:
    """Place one intent as the task does: tried again on what may pass, and once more for nothing."""
    for left in reversed(range(TASK_TRIES)):
        try:
            execution.place_order(desk, intent, epoch=epoch)
            break
        except TransientError:
            if not (part.task_retry and left):
                raise
    if part.task_retry:
        execution.place_order(desk, intent, epoch=epoch)


def reconcile(desk: Desk, epoch: int) -> None:
    """Resolve, compare, freeze."""
    execution.resolve_open_orders(desk, epoch=epoch)
    found = execution.compare_account(desk, UNIVERSE, since=desk.wall_clock.now() - timedelta(days=1))
    desk.check_lease(epoch)
    execution.freeze_differences(desk, found)


def make_intents(key: DecisionKey) -> list[OrderIntent]:
    """Four legs: a sell and two buys that fill, and a buy that rests."""
    made = []
    for leg, (base, side, time_in_force, quantity, limit) in enumerate(LEGS):
        instrument = f"{base}-USD.{VENUE}"
        identity = intent_id(
            account=key.account,
            strategy=key.strategy,
            instrument=instrument,
            as_of=key.as_of,
            attempt=key.attempt,
            leg=leg,
        )
        made.append(
            OrderIntent(
                intent_id=identity,
                decision_id=key.decision_id,
                account=key.account,
                instrument=instrument,
                leg=leg,
                side=side,
                order_type=OrderType.LIMIT,
                time_in_force=time_in_force,
                quantity=quantity,
                limit_price=limit,
                client_order_id=identity,
                expires_at=key.expires_at,
            )
        )
    return made


def make_decision(key: DecisionKey, portfolio: Portfolio) -> Decision:
    """A decision with just what the ledger asks for."""
    return Decision(
        decision_id=key.decision_id,
        account=key.account,
        strategy=key.strategy,
        as_of=key.as_of,
        attempt=key.attempt,
        mode="paper",
        outcome="decided",
        reason="",
        model="trend",
        model_version="",
        limits_version="1",
        ledger_sequence=portfolio.ledger_sequence,
        store_watermark=0,
        market_time=MARKET_TIME,
        wall_time=datetime.now(UTC),
        record={"equity": "100000"},
    )
