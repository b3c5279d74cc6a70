"""A desk whose venue loses answers, tells late and is used by other hands; and one that dies in mid-call."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tidemill.domain.errors import TransientError
from tidemill.domain.market import Bar, Instrument
from tidemill.domain.portfolio import Account
from tidemill.domain.trading import (
    Decision,
    OrderIntent,
    OrderRequest,
    OrderTiming,
    OrderType,
    Placement,
    Side,
    TimeInForce,
)
from tidemill.execution import Desk, place_order
from tidemill.matching import Exchange, FillRules, ListTape
from tidemill.memory.broker import MemoryBroker
from tidemill.memory.clocks import ManualClock
from tidemill.memory.ledger import MemoryLedger

START = datetime(2021, 1, 1, tzinfo=UTC)
BTC = Instrument(venue="T", base="BTC", quote="USD", price_step=Decimal("0.01"), lot_step=Decimal("0.001"))
RULES = FillRules(
    slippage=Decimal(0),
    participation=Decimal(1),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)
TIMING = OrderTiming(window_ms=5000, visibility_seconds=17.0)


class LossyBroker(MemoryBroker):
    """A broker whose wire loses answers: before or after the venue took the order, or delivers late."""

    lose: str = ""
    late: OrderRequest | None = None
    blind_queries: int = 0
    sends: int = 0
    silent_cancels: int = 0
    lost_cancels: int = 0
    late_trades: int = 0
    """How often the list of trades is asked before it knows any."""
    lags_until: datetime = START
    """Until then the lists of orders and trades, not the balances, are those of before."""
    corrected: Decimal = Decimal(0)
    """What the venue adds to each fee afterwards."""
    exchange_of_test: Exchange

    def place_order(self, request: OrderRequest) -> Placement:
        self.sends += 1
        lost, self.lose = self.lose, ""
        if lost == "before":
            return Placement(outcome="unknown", evidence="cut before")
        if lost == "late":
            self.late = request
            return Placement(outcome="unknown", evidence="no answer yet")
        done = super().place_order(request)
        if lost.startswith("cancelled by hand") and done.order is not None:
            self.cancel_by_hand(done.order.venue_order_id)
            if lost.endswith("twice"):  # and one more of the same shape, which is not ours
                other = super().place_order(replace(request, client_order_id="by-hand"))
                self.cancel_by_hand(other.order.venue_order_id)
            return Placement(outcome="unknown", evidence="cut after")
        if lost == "after":
            return Placement(outcome="unknown", evidence="cut after")
        return done

    def cancel_by_hand(self, order_id: str) -> None:
        """As a person does at the venue: the order gets another client order id."""
        exchange, wall = self.exchange_of_test, START + timedelta(seconds=1)
        name = f"web{order_id}"
        done = exchange.cancel(
            "a", BTC.id, order_id=int(order_id), client_order_id=None, new_client_order_id=name, wall=wall
        )
        assert done.client_order_id == name

    def cancel_order(self, instrument, client_order_id, venue_order_id):
        if self.silent_cancels:
            self.silent_cancels -= 1
            raise TransientError("no answer")
        done = super().cancel_order(instrument, client_order_id, venue_order_id)
        if self.lost_cancels:
            self.lost_cancels -= 1
            raise TransientError("cut after")
        return done

    def fetch_orders(self, instrument, since):
        return [] if self._wall.now() < self.lags_until else super().fetch_orders(instrument, since)

    def fetch_fills(self, instrument, after_trade_id):
        if self._wall.now() < self.lags_until:
            return []
        if self.late_trades:
            self.late_trades -= 1
            return []
        fills = super().fetch_fills(instrument, after_trade_id)
        return [replace(one, fee=one.fee + self.corrected) for one in fills]

    def fetch_order(self, instrument, client_order_id, venue_order_id):
        if self.late is not None:
            request, self.late = self.late, None
            super().place_order(request)  # the zombie arrives just after the first question
            return None
        if self.blind_queries:
            self.blind_queries -= 1
            raise TransientError("no answer")
        return super().fetch_order(instrument, client_order_id, venue_order_id)


class Table:
    """A desk with a lossy broker, whose sleep moves both clocks."""

    def __init__(self, *, next_low: int = 99, next_volume: str = "50") -> None:
        self.market, self.wall = ManualClock(START + timedelta(seconds=60)), ManualClock(START)
        bars = [
            Bar(
                open_time=START + timedelta(hours=hour),
                close_time=START + timedelta(hours=hour + 1),
                open=Decimal(100),
                high=Decimal(101),
                low=Decimal(next_low if hour == 1 else 99),
                close=Decimal(100),
                volume=Decimal(next_volume if hour == 1 else 50),
            )
            for hour in range(4)
        ]
        self.exchange = Exchange({BTC.id: BTC}, RULES, ListTape({BTC.id: bars}), start=START)
        self.exchange.open_account("a", {"USD": Decimal(1000)})
        self.broker = LossyBroker(self.exchange, "a", self.market, self.wall)
        self.broker.exchange_of_test = self.exchange
        self.ledger = MemoryLedger()
        self.desk = Desk(
            account="a",
            ledger=self.ledger,
            broker=self.broker,
            market_clock=self.market,
            wall_clock=self.wall,
            timing=TIMING,
            sleep=self.sleep,
        )
        account = Account(account="a", venue="T", currency="USD", opened_at=START)
        self.ledger.open_account(account, {"USD": Decimal(1000)}, stamp=self.desk.stamp())
        self.epoch = self.ledger.acquire("a", "me", ttl_seconds=10**6, now=START)
        self.record()

    def sleep(self, seconds: float) -> None:
        for clock in (self.market, self.wall):
            clock.move_to(clock.now() + timedelta(seconds=seconds))

    def record(self, tif: TimeInForce = TimeInForce.IOC, limit: str = "101", number: int = 0, hours: int = 1) -> None:
        stamp = self.desk.stamp()
        decision = Decision(
            decision_id=f"d{number}",
            account="a",
            strategy="t",
            as_of=START + timedelta(seconds=number),
            attempt=0,
            mode="paper",
            outcome="decided",
            reason="",
            model="",
            model_version="",
            limits_version="",
            ledger_sequence=0,
            store_watermark=0,
            market_time=stamp.market,
            wall_time=stamp.wall,
        )
        intent = OrderIntent(
            intent_id=f"i{number}",
            decision_id=f"d{number}",
            account="a",
            instrument=BTC.id,
            leg=0,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=tif,
            quantity=Decimal(2),
            limit_price=Decimal(limit),
            client_order_id=f"i{number}",
            expires_at=START + timedelta(hours=hours),
        )
        assert self.ledger.record_decision(decision, (intent,), epoch=self.epoch)

    def place(self, name: str = "i0"):
        return place_order(self.desk, name, epoch=self.epoch)

    def venue_orders(self) -> int:
        return len(self.exchange.orders("a"))

    def dying(self, at: int, *, after: bool) -> tuple[Desk, Dying]:
        """The desk of a process that dies in the call number ``at``."""
        dying = Dying(at, after=after)
        return replace(self.desk, ledger=dying.around(self.ledger), broker=dying.around(self.broker)), dying


class Crash(BaseException):
    """The process ends here; nothing catches it."""


class Dying:
    """Counts the calls of several parts together and dies before or after one of them."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left, self.after = at, after
        self.died_in = ""

    def around(self, part: Any) -> Any:
        """The part with every call counted."""
        return _Mortal(part, self)

    def passes(self, name: str) -> bool:
        """Whether the process dies in this call."""
        self.left -= 1
        if self.left == 0:
            self.died_in = name
        return self.left == 0


class _Mortal:
    def __init__(self, part: Any, dying: Dying) -> None:
        self._part, self._dying = part, dying

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._part, name)

        def counted(*args: Any, **named: Any) -> Any:
            dies = self._dying.passes(name)
            if dies and not self._dying.after:
                raise Crash
            answer = call(*args, **named)
            if dies:
                raise Crash
            return answer

        return counted
