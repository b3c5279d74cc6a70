"""One intent, placed once, whatever the wire does: the evidence is the venue's own record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from support.lossy_desk import BTC, START, TIMING, Crash, Table

from tidemill.domain.errors import LeaseLost, TradingError, TransientError
from tidemill.domain.portfolio import CashEvent
from tidemill.domain.trading import (
    OrderRequest,
    OrderState,
    OrderType,
    Placement,
    Side,
    TimeInForce,
    VenueOrder,
)
from tidemill.execution import (
    Desk,
    accept_differences,
    await_fills,
    compare_account,
    freeze_differences,
    place_order,
    resolve_open_orders,
    sync_fills,
)
from tidemill.matching import Ticket


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
    resolve_open_orders(table.desk, epoch=table.epoch)
    assert not compare_account(table.desk, [BTC.id], since=START)


def lagging(table: Table) -> Desk:
    """Filled at the venue and acknowledged, but its lists know of nothing for ten seconds more."""
    table.place()
    table.broker.lags_until = table.wall.now() + timedelta(seconds=10)
    await_fills(replace(table.desk, timing=replace(TIMING, visibility_seconds=0.0)), "d0", Side.BUY, wait_seconds=0)
    return table.desk


def test_lists_that_lag_are_no_difference(table: Table) -> None:
    assert not compare_account(lagging(table), [BTC.id], since=START)
    assert table.ledger.load_portfolio("a").assets == {"USD": Decimal(800), "BTC": Decimal("1.998")}


def test_control_two_comparisons_at_once_take_a_lag_for_a_difference(table: Table) -> None:
    hasty = replace(lagging(table), timing=replace(TIMING, visibility_seconds=0.0))
    found = compare_account(hasty, [BTC.id], since=START)
    assert {one.kind for one in found} == {"missing order", "balance"}


def test_an_order_that_a_hand_cancelled_is_known_by_its_shape(table: Table) -> None:
    """The cancel took its name away; to send it again would make two of one intent."""
    table.record(TimeInForce.GTC, limit="90", number=1)
    table.broker.lose = "cancelled by hand"
    assert place_order(table.desk, "i1", epoch=table.epoch).state is OrderState.CANCELLED
    assert (table.broker.sends, table.venue_orders()) == (1, 1)
    assert not compare_account(table.desk, [BTC.id], since=START)


def test_an_order_of_another_instrument_with_the_same_number_is_another_order(table: Table) -> None:
    """A venue may number the orders of each instrument for itself; nothing is sent again for that."""
    table.record(TimeInForce.GTC, limit="90", number=1)
    intent = table.desk.order("i1").intent
    other = replace(intent, intent_id="i9", client_order_id="i9", instrument="ETH-USD.T", leg=9)
    stamp = table.desk.stamp()
    table.ledger.add_intent(other, epoch=table.epoch, stamp=stamp)
    table.ledger.begin_submit("i9", epoch=table.epoch, window_ms=5000, stamp=stamp)
    ended = VenueOrder(
        venue_order_id="1",
        client_order_id="i9",
        instrument=other.instrument,
        side=other.side,
        state=OrderState.EXPIRED,
        quantity=other.quantity,
        filled=Decimal(0),
        limit_price=other.limit_price,
        placed_at=START,
    )
    table.ledger.record_state("i9", OrderState.EXPIRED, stamp=stamp, order=ended)
    table.broker.lose = "cancelled by hand"
    placed = place_order(table.desk, "i1", epoch=table.epoch)
    assert (placed.state, placed.venue_order_id) == (OrderState.CANCELLED, "1")
    assert table.broker.sends == 1


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
    assert table.wall.now() - START >= timedelta(seconds=TIMING.visibility_seconds)
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
    assert not resolve_open_orders(table.desk, epoch=table.epoch)
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
    strange_trade(table)
    found = compare_account(table.desk, [BTC.id], since=START)
    assert {(one.kind, one.scope) for one in found} == {
        ("unknown order", BTC.id),
        ("balance", BTC.id),
        ("balance", "a"),
    }
    assert freeze_differences(table.desk, found) == 2


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("lost", ["", "before", "after", "late"])
def test_a_crash_at_any_step_leaves_one_order(lost: str, *, after: bool) -> None:
    """Every call of ledger and broker is once the last of a process; the next one ends what it began."""
    died_in = set()
    for step in range(1, 200):
        table = Table()
        table.broker.lose = lost
        desk, dying = table.dying(step, after=after)
        try:
            place_order(desk, "i0", epoch=table.epoch)
        except Crash:
            died_in.add(dying.died_in)
        assert table.place().state is OrderState.FILLED
        await_fills(table.desk, "d0", Side.BUY, wait_seconds=0)
        assert table.venue_orders() == 1
        assert not compare_account(table.desk, [BTC.id], since=START)
        if not dying.died_in:
            break
    assert died_in >= {"begin_submit", "place_order", "record_state"}


def test_what_an_older_send_came_to_says_nothing_of_a_newer_one(table: Table) -> None:
    """A holder stopped before its request left; another proved absence and sent; the first wakes, refused."""
    sent = table.ledger.begin_submit("i0", epoch=table.epoch, window_ms=5000, stamp=table.desk.stamp())
    table.sleep(60)
    table.broker.lose = "after"
    place = table.broker.place_order

    def place_while_the_first_wakes(request: OrderRequest) -> Placement:
        placed = place(request)
        for state in (OrderState.REJECTED, OrderState.NOT_PLACED, OrderState.UNKNOWN):
            table.ledger.record_state("i0", state, stamp=table.desk.stamp(), reason="-1021", expected=sent)
        return placed

    table.broker.place_order = place_while_the_first_wakes
    assert table.place().state is OrderState.FILLED
    assert table.venue_orders() == 1


def test_without_that_rule_a_placed_order_would_count_as_rejected(table: Table) -> None:
    """The control: the older send's refusal written over the newer send."""
    table.ledger.begin_submit("i0", epoch=table.epoch, window_ms=5000, stamp=table.desk.stamp())
    table.sleep(60)
    place = table.broker.place_order

    def place_while_the_first_wakes(request: OrderRequest) -> Placement:
        placed = place(request)
        table.ledger.record_state("i0", OrderState.REJECTED, stamp=table.desk.stamp(), reason="-1021")
        return placed

    table.broker.place_order = place_while_the_first_wakes
    with pytest.raises(TradingError):
        table.place()
    assert table.venue_orders() == 1
    assert table.desk.order("i0").state is OrderState.REJECTED


def test_an_order_that_fills_while_it_is_compared_is_no_difference() -> None:
    """A resting order meets a bar between what was taken in and what is compared."""
    table = Table(next_low=80, next_volume="500")
    table.record(TimeInForce.GTC, limit="90", number=1, hours=4)
    place_order(table.desk, "i1", epoch=table.epoch)
    resolve_open_orders(table.desk, epoch=table.epoch)
    table.sleep(2 * 3600)
    table.exchange.advance(table.market.now(), table.wall.now())
    assert not compare_account(table.desk, [BTC.id], since=START)
    assert table.desk.order("i1").filled == 2


def test_an_account_that_never_stands_still_is_not_frozen(table: Table) -> None:
    """Another hand writes to the ledger during every comparison: nothing is proven, so nothing is said."""
    numbers = iter(range(100))
    balances = table.broker.fetch_balances

    def fetch_while_another_writes():
        event = CashEvent(
            event_id=f"e{next(numbers)}", account="a", asset="USD", amount=Decimal(1), kind="deposit", because="x"
        )
        table.ledger.record_cash_event(event, stamp=table.desk.stamp())
        return balances()

    table.broker.fetch_balances = fetch_while_another_writes
    with pytest.raises(TransientError, match="moves while it is compared"):
        compare_account(table.desk, [BTC.id], since=START)


def strange_trade(table: Table) -> None:
    """Somebody sells half a coin by hand."""
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


def test_what_a_person_takes_over_differs_no_more(table: Table) -> None:
    table.place()
    await_fills(table.desk, "d0", Side.BUY, wait_seconds=0)
    strange_trade(table)
    sync_fills(table.desk, [BTC.id])
    found = compare_account(table.desk, [BTC.id], since=START)
    assert [one.kind for one in found] == ["unknown order"]  # its trade is in the ledger, so the balances agree
    assert accept_differences(table.desk, found, "I sold by hand") == 1
    assert accept_differences(table.desk, found, "again") == 0
    assert not compare_account(table.desk, [BTC.id], since=START)
    assert "I sold by hand (unknown order" in table.ledger.load_cash_events("a")[-1].because
    table.record(number=1)
    place_order(table.desk, "i1", epoch=table.epoch)
    await_fills(table.desk, "d1", Side.BUY, wait_seconds=0)
    assert not compare_account(table.desk, [BTC.id], since=START)


def test_another_difference_than_the_one_taken_over_is_told(table: Table) -> None:
    table.ledger.record_cash_event(
        CashEvent(event_id="e", account="a", asset="ETH", amount=Decimal(2), kind="deposit", because="x"),
        stamp=table.desk.stamp(),
    )
    found = compare_account(table.desk, [BTC.id], since=START)
    assert [(one.kind, one.scope, one.subject, one.ledger, one.venue) for one in found] == [
        ("balance", "a", "ETH", Decimal(2), Decimal(0))
    ]
    assert accept_differences(table.desk, found, "booked in error") == 1
    assert not compare_account(table.desk, [BTC.id], since=START)
    assert table.ledger.load_portfolio("a").quantity("ETH") == 0
    table.ledger.record_cash_event(
        CashEvent(event_id="f", account="a", asset="ETH", amount=Decimal(2), kind="deposit", because="x"),
        stamp=table.desk.stamp(),
    )
    assert compare_account(table.desk, [BTC.id], since=START)


def test_an_order_that_the_venue_lost_is_missing(table: Table) -> None:
    """Acknowledged, and gone: no wait can heal that, so a person decides."""
    table.place()
    await_fills(table.desk, "d0", Side.BUY, wait_seconds=0)
    told = table.broker.fetch_orders
    table.broker.fetch_orders = lambda instrument, since: told(instrument, since)[:0]
    found = compare_account(table.desk, [BTC.id], since=START)
    assert [(one.kind, one.scope, one.subject, one.ledger, one.venue) for one in found] == [
        ("missing order", BTC.id, "i0", Decimal(2), Decimal(0))
    ]


def test_a_trade_that_the_venue_took_back_is_a_difference_in_fills(table: Table) -> None:
    table.place()
    await_fills(table.desk, "d0", Side.BUY, wait_seconds=0)
    table.broker.late_trades = 10**6
    found = compare_account(table.desk, [BTC.id], since=START)
    assert [(one.kind, one.subject, one.ledger, one.venue) for one in found] == [
        ("fill", "trade 1", Decimal(2), Decimal(0))
    ]
