"""The ledger's invariants after any sequence of calls: both adapters side by side, and a plain model beside them."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.ledger_story import BTC, NOW, STAMP, decision, intent

from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.domain.errors import LeaseLost, TidemillError, TradingError, TradingStopped
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import Account, CashEvent
from tidemill.domain.trading import LEGAL_MOVES, RESTING, UNRESOLVED, Fill, OrderState, Side, VenueOrder
from tidemill.memory.ledger import MemoryLedger

ACCOUNT = Account(account="a", venue="T", currency="USDT", opened_at=NOW)
OPENING = Decimal(1000)
OWNERS = st.sampled_from(["one", "two"])
LEGS = st.integers(0, 2)
STATES = st.sampled_from(sorted(OrderState))
MONEY = st.decimals("-500", "500", places=8, allow_nan=False)
QUANTITY = st.decimals("0.00000001", "2", places=8)
PRICE = st.decimals("0.01", "200", places=2)
SCOPES = st.sampled_from(["*", "a", BTC])
SECONDS = st.integers(1, 90)
BACK = st.integers(0, 2)


class LedgerMachine(RuleBasedStateMachine):
    """Every rule does the same to both ledgers, which must answer alike, and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.ledgers: list[Any] = [MemoryLedger(), SqlLedger(f"sqlite:///{Path(self._folder.name) / 'ops.db'}")]
        for one in self.ledgers:
            one.open_account(ACCOUNT, {"USDT": OPENING}, stamp=STAMP)
        self.wall = NOW
        self.owner, self.epoch = "one", 0
        self.decisions = 0
        self.recorded: set[int] = set()
        self.moved = {"USDT": OPENING}
        self.stories: dict[str, list[Any]] = {}
        self.sequence = 1
        self.trades = 0
        self.stops: set[str] = set()
        self.earlier: dict[str, Any] = {}
        self.epochs = [0]

    def teardown(self) -> None:
        for one in self.ledgers:
            one.close()
        self._folder.cleanup()

    def both(self, name: str, *args: Any, **named: Any) -> Any:
        """Call both; the same answer, or the same kind of error, which is raised."""
        answers, errors = [], []
        for one in self.ledgers:
            try:
                answers.append(getattr(one, name)(*args, **named))
            except TidemillError as error:
                errors.append(error)
        assert not (answers and errors), (name, answers, errors)
        if errors:
            assert type(errors[0]) is type(errors[1]), errors
            raise errors[0]
        first, second = ([*one] if isinstance(one, (list, tuple)) else one for one in answers)
        assert first == second, (name, first, second)
        return first

    @property
    def stamp(self) -> Stamp:
        return Stamp(market=NOW, wall=self.wall)

    def names(self) -> list[str]:
        return [one.intent.intent_id for one in self.both("load_orders", account="a")]

    def pick(self, back: int, leg: int) -> str:
        return f"i{max(0, self.decisions - back)}l{leg}"

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.wall += timedelta(seconds=seconds)

    @rule(owner=OWNERS)
    def take_the_lease(self, owner: str) -> None:
        epoch = self.both("acquire", "a", owner, ttl_seconds=60, now=self.wall)
        if epoch is not None:
            assert epoch > max(self.epochs)
            self.epochs.append(epoch)
            self.owner, self.epoch = owner, epoch

    @rule(renew=st.booleans())
    def keep_or_give_back(self, *, renew: bool) -> None:
        if renew:
            self.both("renew", "a", self.owner, self.epoch, ttl_seconds=60, now=self.wall)
        else:
            self.both("release", "a", self.owner, self.epoch)

    @rule(legs=st.integers(0, 3), again=st.booleans(), side=st.sampled_from(Side), stale=st.booleans())
    def decide(self, legs: int, side: Side, *, again: bool, stale: bool) -> None:
        number = self.decisions if again else self.decisions + 1
        made = replace(decision(number), market_time=NOW, wall_time=self.wall)
        intents = [replace(intent(number, leg, side=side), expires_at=NOW + timedelta(days=9)) for leg in range(legs)]
        doubtful = [one for one in self.both("load_orders", account="a") if one.state in UNRESOLVED]
        before = {name: self.state(name) for name in self.names()}
        try:
            new = self.both("record_decision", made, intents, epoch=self.epoch - stale)
        except LeaseLost:
            assert stale or not self.both("is_held", "a", self.epoch, now=self.wall)
            return
        except TradingError:
            assert doubtful
            assert intents
            return
        assert new == (number not in self.recorded)
        if new:
            self.decisions = number
            self.recorded.add(number)
            for name, state in before.items():
                wanted = OrderState.NOT_PLACED if state is OrderState.PLANNED else state
                assert self.state(name) is wanted

    def state(self, name: str) -> OrderState | None:
        found = self.both("load_orders", intent_id=name)
        return found[0].state if found else None

    @rule(back=BACK, leg=LEGS, stale=st.booleans(), old=st.booleans())
    def send(self, back: int, leg: int, *, stale: bool, old: bool) -> None:
        name = self.pick(back, leg)
        state = self.state(name)
        if state is None:
            return
        held = self.both("is_held", "a", self.epoch, now=self.wall)
        known = self.both("load_orders", intent_id=name)[0]
        absent = None if state is OrderState.PLANNED else self.earlier.get(name, known) if old else known
        self.earlier[name] = known
        told = {"window_ms": 500, "stamp": self.stamp, "absent": absent}
        may = state is OrderState.PLANNED or (state is OrderState.UNKNOWN and absent.sent_at == known.sent_at)
        try:
            sent = self.both("begin_submit", name, epoch=self.epoch - stale, **told)
        except LeaseLost:
            assert stale or not held
        except TradingStopped:
            assert self.stops
        else:
            assert (sent is not None) is may
            if sent is None:
                assert self.state(name) is state
                return
            assert held
            assert not stale
            assert not self.stops
            assert (sent.state, sent.sent_at) == (OrderState.SUBMITTING, self.wall)

    @rule(back=BACK, leg=LEGS, state=STATES, told=st.booleans(), old=st.booleans())
    def collect_page(self, back: int, leg: int, state: OrderState, *, told: bool, old: bool) -> None:
        name = self.pick(back, leg)
        before = self.state(name)
        if before is None:
            return
        known = self.both("load_orders", intent_id=name)[0]
        seen = self.earlier.get(name) if old else known
        order = self.venue_order(name, state) if told and state not in UNRESOLVED else None
        try:
            self.both("record_state", name, state, stamp=self.stamp, reason="told", order=order, expected=seen)
        except TradingError:
            assert state not in LEGAL_MOVES[before]
            assert state is not before
        else:
            stale = seen is not None and seen.sent_at != known.sent_at
            legal = state in LEGAL_MOVES[before] or state is before
            assert self.state(name) is (before if stale or not legal else state)

    def venue_order(self, name: str, state: OrderState) -> VenueOrder:
        return VenueOrder(
            venue_order_id=f"v{name}",
            client_order_id=name,
            instrument=BTC,
            side=Side.BUY,
            state=state,
            quantity=Decimal(2),
            filled=Decimal(0),
            limit_price=Decimal("100.5"),
            placed_at=NOW,
        )

    @rule(back=BACK, leg=LEGS, quantity=QUANTITY, price=PRICE, side=st.sampled_from(Side), again=st.booleans())
    def fill(self, back: int, leg: int, quantity: Decimal, price: Decimal, side: Side, *, again: bool) -> None:
        self.trades += not again
        made = Fill(
            trade_id=str(max(1, self.trades)),
            venue_order_id=f"v{self.pick(back, leg)}",
            instrument=BTC,
            side=side,
            price=price,
            quantity=quantity,
            fee=quantity / 1000,
            fee_asset="BTC",
            traded_at=NOW,
        )
        known = {one.trade_id for one in self.both("load_fills", "a")}
        added = self.both("record_fills", "a", [made, made], stamp=self.stamp)
        assert added == (made.trade_id not in known)
        if added:
            sign = 1 if side is Side.BUY else -1
            self.move("BTC", sign * quantity - quantity / 1000)
            self.move("USDT", -sign * quantity * price)

    @rule(amount=MONEY, number=st.integers(0, 5))
    def cash(self, amount: Decimal, number: int) -> None:
        event = CashEvent(
            event_id=f"e{number}", account="a", asset="USDT", amount=amount, kind="adjustment", because="x"
        )
        if self.both("record_cash_event", event, stamp=self.stamp):
            self.move("USDT", amount)

    def move(self, asset: str, amount: Decimal) -> None:
        self.moved[asset] = self.moved.get(asset, Decimal(0)) + amount

    @rule(quantity=QUANTITY, stale=st.booleans())
    def reduce(self, quantity: Decimal, *, stale: bool) -> None:
        name = f"d{self.decisions}"
        before = {one.intent.intent_id: one.quantity for one in self.both("load_orders", decision_id=name)}
        with suppress(LeaseLost):
            allowed = dict.fromkeys(before, quantity)
            done = self.both("reduce_buys", name, allowed, epoch=self.epoch - stale, stamp=self.stamp)
            assert all(one.quantity <= before[one.intent.intent_id] for one in done)

    @rule(scope=SCOPES, lift=st.booleans())
    def stop(self, scope: str, *, lift: bool) -> None:
        done = self.both("resume" if lift else "freeze", scope, "drill", stamp=self.stamp)
        assert done is ((scope in self.stops) is lift)
        (self.stops.discard if lift else self.stops.add)(scope)

    @invariant()
    def money_adds_up(self) -> None:
        """Opening + cash events + fills - fees, to the last unit."""
        portfolio = self.both("load_portfolio", "a")
        assert portfolio.assets == {asset: amount for asset, amount in self.moved.items() if amount}
        assert portfolio.ledger_sequence >= self.sequence
        self.sequence = portfolio.ledger_sequence

    @invariant()
    def stories_only_grow(self) -> None:
        """Each order stands where its story ends, by legal moves alone, and no line of it ever changes."""
        for order in self.both("load_orders", account="a"):
            name = order.intent.intent_id
            story = self.both("load_order_events", name)
            before = self.stories.get(name, [])
            assert story[: len(before)] == before
            self.stories[name] = story
            moves = [OrderState(one.state) for one in story if one.state != "reduced"]
            assert moves[0] is OrderState.PLANNED
            assert moves[-1] is order.state
            assert all(b is a or b in LEGAL_MOVES[a] for a, b in itertools.pairwise(moves))

    @invariant()
    def only_what_may_be_at_the_venue_ties_up(self) -> None:
        portfolio = self.both("load_portfolio", "a")
        at_venue = [one for one in self.both("load_orders", account="a") if one.state in RESTING | UNRESOLVED]
        assert bool(portfolio.reserved) <= bool(at_venue)
        assert all(amount > 0 for amount in portfolio.reserved.values())


LedgerMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestLedgerMachine = LedgerMachine.TestCase
