"""One intent, placed once, whatever the wire does: the evidence is the venue's own record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tidemill.adapters.clocks import ManualClock
from tidemill.adapters.memory_broker import MemoryBroker
from tidemill.adapters.memory_ledger import MemoryLedger
from tidemill.domain.errors import LeaseLost, TransientError
from tidemill.domain.market import Bar, Instrument
from tidemill.domain.portfolio import Account
from tidemill.domain.trading import (
    Decision,
    OrderIntent,
    OrderRequest,
    OrderState,
    OrderTiming,
    OrderType,
    Placement,
    Side,
    TimeInForce,
)
from tidemill.execution import (
    Desk,
    await_fills,
    compare_account,
    freeze_differences,
    place_order,
    settle_account,
)
from tidemill.matching import Exchange, FillRules, ListTape, Ticket

START = datetime(2021, 1, 1, tzinfo=UTC)
BTC = Instrument(venue="T", base="BTC", quote="USD", price_step=Decimal("0.01"), lot_step=Decimal("0.001"))
RULES = FillRules(
    slippage=Decimal(0),
    participation=Decimal(1),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)
TIMING = OrderTiming(window_ms=5000, settle_seconds=17.0)


class LossyBroker(MemoryBroker):
    """A broker whose wire loses answers: before or after the venue took the order, or delivers late."""

    lose: str = ""
    late: OrderRequest | None = None
    blind_queries: int = 0
    sends: int = 0
    late_trades: int = 0
    """How often the list of trades is asked before it knows any."""
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

    def fetch_fills(self, instrument, after_trade_id):
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

    def __init__(self) -> None:
        self.market, self.wall = ManualClock(START + timedelta(seconds=60)), ManualClock(START)
        bars = [
            Bar(
                open_time=START + timedelta(hours=hour),
                close_time=START + timedelta(hours=hour + 1),
                open=Decimal(100),
                high=Decimal(101),
                low=Decimal(99),
                close=Decimal(100),
                volume=Decimal(50),
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

    def record(self, tif: TimeInForce = TimeInForce.IOC, limit: str = "101", number: int = 0) -> None:
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
            expires_at=START + timedelta(hours=1),
        )
        assert self.ledger.record_decision(decision, (intent,), epoch=self.epoch)

    def place(self, name: str = "i0"):
        return place_order(self.desk, name, epoch=self.epoch)

    def venue_orders(self) -> int:
        return len(self.exchange.orders("a"))


@pytest.fixture
def table() -> Table:
    return Table()


def test_a_good_answer_is_an_order(table: Table) -> None:
    assert table.place().state is OrderState.FILLED
    await_fills(table.desk, "d0", Side.BUY, wait_seconds=0)
    assert table.ledger.load_portfolio("a").assets == {"USD": Decimal(800), "BTC": Decimal("1.998")}
    assert not compare_account(table.desk, [BTC.id], since=START)


@pytest.mark.parametrize("lost", ["before", "after", "late"])
def test_a_lost_answer_never_makes_two_orders(table: Table, lost: str) -> None:
    table.broker.lose = lost
    assert table.place().state is OrderState.FILLED
    assert table.venue_orders() == 1
    await_fills(table.desk, "d0", Side.BUY, wait_seconds=0)
    assert not compare_account(table.desk, [BTC.id], since=START)


def test_trades_that_are_told_late_are_waited_for(table: Table) -> None:
    table.place()
    table.broker.late_trades = 3
    (order,) = await_fills(table.desk, "d0", Side.BUY, wait_seconds=0)
    assert order.filled == 2
    assert not compare_account(table.desk, [BTC.id], since=START)


def test_trades_that_are_told_later_still_are_taken_in_by_the_next_run(table: Table) -> None:
    table.place()
    table.broker.late_trades = 10**6
    (order,) = await_fills(table.desk, "d0", Side.BUY, wait_seconds=0)
    assert (order.state, order.filled) == (OrderState.FILLED, 0)
    table.broker.late_trades = 0
    settle_account(table.desk, epoch=table.epoch)
    assert not compare_account(table.desk, [BTC.id], since=START)


def test_an_order_that_a_hand_cancelled_is_known_by_its_shape(table: Table) -> None:
    """The cancel took its name away; to send it again would make two of one intent."""
    table.record(TimeInForce.GTC, limit="90", number=1)
    table.broker.lose = "cancelled by hand"
    assert place_order(table.desk, "i1", epoch=table.epoch).state is OrderState.CANCELLED
    assert (table.broker.sends, table.venue_orders()) == (1, 1)
    assert not compare_account(table.desk, [BTC.id], since=START)


def test_when_two_orders_could_be_it_a_person_decides(table: Table) -> None:
    table.record(TimeInForce.GTC, limit="90", number=1)
    table.broker.lose = "cancelled by hand twice"
    assert place_order(table.desk, "i1", epoch=table.epoch).state is OrderState.UNKNOWN
    assert table.broker.sends == 1
    found = compare_account(table.desk, [BTC.id], since=START)
    assert [one.kind for one in found] == ["unknown order", "unknown order"]


def test_a_fee_that_the_venue_corrected_is_named_and_freezes(table: Table) -> None:
    table.place()
    await_fills(table.desk, "d0", Side.BUY, wait_seconds=0)
    table.broker.corrected = Decimal("0.0001")
    found = compare_account(table.desk, [BTC.id], since=START)
    assert [(one.kind, one.scope, one.ledger, one.venue) for one in found] == [
        ("fee", BTC.id, Decimal("0.002"), Decimal("0.0021"))
    ]
    assert freeze_differences(table.desk, found) == 1


def test_absence_is_believed_only_after_the_settle_time(table: Table) -> None:
    table.broker.lose = "before"
    table.place()
    assert table.wall.now() - START >= timedelta(seconds=TIMING.settle_seconds)
    assert table.broker.sends == 2


def test_resending_at_the_first_not_found_would_make_two_orders(table: Table) -> None:
    """The control: the same late order, with the rule that a naive client follows."""
    table.broker.lose = "late"
    sent = table.ledger.begin_submit("i0", epoch=table.epoch, window_ms=5000, stamp=table.desk.stamp())
    request = OrderRequest(
        client_order_id="i0",
        instrument=BTC.id,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(2),
        limit_price=Decimal(101),
        sent_at=sent.sent_at,
        window_ms=5000,
    )
    table.broker.place_order(request)
    if table.broker.fetch_order(BTC.id, "i0", None) is None:
        table.broker.place_order(request)
    assert table.venue_orders() == 2


def test_an_expired_intent_that_is_absent_is_not_placed(table: Table) -> None:
    table.broker.lose = "before"
    table.market.move_to(START + timedelta(minutes=59, seconds=55))
    order = table.place()
    assert order.state is OrderState.NOT_PLACED
    assert "proven absent" in order.reason
    assert table.venue_orders() == 0


def test_a_venue_that_stays_silent_leaves_the_order_in_doubt(table: Table) -> None:
    table.broker.lose, table.broker.blind_queries = "after", 10**6
    assert table.place().state is OrderState.UNKNOWN
    table.broker.blind_queries = 0
    assert not settle_account(table.desk, epoch=table.epoch)
    assert table.desk.order("i0").state is OrderState.FILLED
    assert table.venue_orders() == 1


def test_a_crash_after_the_send_is_resolved_by_the_next_run(table: Table) -> None:
    stamp = table.desk.stamp()
    sent = table.ledger.begin_submit("i0", epoch=table.epoch, window_ms=5000, stamp=stamp)
    ticket = Ticket(
        client_order_id="i0",
        instrument=BTC.id,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=sent.quantity,
        limit_price=Decimal(101),
    )
    table.exchange.place("a", ticket, market=stamp.market, wall=stamp.wall)
    assert table.place().state is OrderState.FILLED
    assert table.broker.sends == 0
    assert table.venue_orders() == 1


def test_placing_again_changes_nothing(table: Table) -> None:
    assert table.place() == table.place()
    assert table.broker.sends == 1


def test_a_process_that_wakes_up_late_is_refused_by_the_venue(table: Table) -> None:
    clock = table.desk.wall_clock
    original = table.broker.place_order

    def slow(request: OrderRequest) -> Placement:
        clock.move_to(clock.now() + timedelta(seconds=6))
        return original(request)

    table.broker.place_order = slow
    assert table.place().state is OrderState.REJECTED
    assert table.venue_orders() == 0


def test_a_lost_lease_sends_nothing(table: Table) -> None:
    table.ledger.release("a", "me", table.epoch)
    table.ledger.acquire("a", "other", ttl_seconds=100, now=START)
    with pytest.raises(LeaseLost):
        table.place()
    assert table.venue_orders() == 0


def test_a_freeze_ends_the_intent_with_its_reason(table: Table) -> None:
    table.ledger.freeze("*", "drill", stamp=table.desk.stamp())
    order = table.place()
    assert order.state is OrderState.NOT_PLACED
    assert "drill" in order.reason


def test_reconcile_names_and_freezes_what_differs(table: Table) -> None:
    table.place()
    await_fills(table.desk, "d0", Side.BUY, wait_seconds=0)
    stranger = Ticket(
        client_order_id="by-hand",
        instrument=BTC.id,
        side=Side.SELL,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal("0.5"),
        limit_price=Decimal(90),
    )
    table.exchange.place("a", stranger, market=table.market.now(), wall=table.wall.now())
    found = compare_account(table.desk, [BTC.id], since=START)
    assert {(one.kind, one.scope) for one in found} == {
        ("unknown order", BTC.id),
        ("balance", BTC.id),
        ("balance", "a"),
    }
    assert freeze_differences(table.desk, found) == 2
