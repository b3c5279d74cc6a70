"""Cancel and cancel-replace, as safe to do again as placing: at every crash, race and lost answer one order is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from support.lossy_desk import BTC, START, Crash, Table

from tidemill.domain.errors import LeaseLost, TransientError
from tidemill.domain.trading import LedgerOrder, OrderState, TimeInForce, replacement_id
from tidemill.execution import Desk, cancel_order, compare_account, place_order, replace_order, resolve_open_orders

NEW = replacement_id("i1")


@pytest.fixture
def table() -> Table:
    return resting_table()


def resting_table(**next_bar) -> Table:
    """An order of 2 that rests far below the market; the next bar may trade through it."""
    made = Table(**next_bar)
    made.record(TimeInForce.GTC, limit="90", number=1, hours=4)
    assert place_order(made.desk, "i1", epoch=made.epoch).state is OrderState.OPEN
    return made


def swap(table: Table, desk: Desk | None = None, limit: str = "91") -> LedgerOrder:
    return replace_order(desk or table.desk, "i1", limit_price=Decimal(limit), epoch=table.epoch)


def end(table: Table, desk: Desk | None = None) -> LedgerOrder:
    return cancel_order(desk or table.desk, "i1", epoch=table.epoch)


def states(table: Table) -> list[str]:
    return sorted(str(one.state) for one in table.exchange.orders("a"))


def agreed(table: Table) -> None:
    resolve_open_orders(table.desk, epoch=table.epoch)
    assert not compare_account(table.desk, [BTC.id], since=START)


def test_a_resting_order_is_cancelled_once(table: Table) -> None:
    assert end(table).state is OrderState.CANCELLED
    story = table.ledger.load_order_events("i1")
    assert end(table).state is OrderState.CANCELLED
    assert table.ledger.load_order_events("i1") == story
    agreed(table)


def test_an_order_not_sent_yet_is_never_sent() -> None:
    table = Table()
    assert cancel_order(table.desk, "i0", epoch=table.epoch).state is OrderState.NOT_PLACED
    assert table.place().state is OrderState.NOT_PLACED
    assert table.broker.sends == 0


@pytest.mark.parametrize(("lost", "ends"), [("before", OrderState.NOT_PLACED), ("after", OrderState.CANCELLED)])
def test_an_order_in_doubt_is_resolved_first_and_never_sent_again(lost: str, ends: OrderState) -> None:
    table = Table()
    table.record(TimeInForce.GTC, limit="90", number=1)
    table.broker.lose, table.broker.blind_queries = lost, 10**6
    assert place_order(table.desk, "i1", epoch=table.epoch).state is OrderState.UNKNOWN
    table.broker.blind_queries = 0
    assert end(table).state is ends
    assert table.broker.sends == 1
    agreed(table)


def filled_meanwhile(volume: str) -> Table:
    table = resting_table(next_low=80, next_volume=volume)
    table.sleep(2 * 3600)
    table.exchange.advance(table.market.now(), table.wall.now())
    return table


def test_an_order_that_filled_meanwhile_stays_filled() -> None:
    table = filled_meanwhile("500")
    assert end(table).state is OrderState.FILLED
    assert table.desk.order("i1").filled == 2
    agreed(table)


def test_a_silent_venue_leaves_it_resting_for_the_next_try(table: Table) -> None:
    table.broker.silent_cancels = 1
    with pytest.raises(TransientError):
        end(table)
    assert end(table).state is OrderState.CANCELLED
    agreed(table)


def test_a_cancel_whose_answer_is_lost_is_found_done(table: Table) -> None:
    """The venue took our id away with the cancel; the order is asked for by the venue's own id."""
    table.broker.lost_cancels = 1
    with pytest.raises(TransientError):
        end(table)
    assert end(table).state is OrderState.CANCELLED
    agreed(table)


def test_the_rest_is_placed_at_the_new_limit(table: Table) -> None:
    new = swap(table)
    assert (new.intent.intent_id, new.state, new.quantity) == (NEW, OrderState.OPEN, Decimal(2))
    assert new.intent.limit_price == 91
    assert table.desk.order("i1").state is OrderState.CANCELLED
    assert states(table) == ["cancelled", "open"]
    agreed(table)


def test_replacing_again_is_the_same_order_at_the_first_limit(table: Table) -> None:
    first = swap(table)
    again = swap(table, limit="95")
    assert again == first
    assert states(table) == ["cancelled", "open"]


def test_a_replacement_can_be_replaced(table: Table) -> None:
    swap(table)
    third = replace_order(table.desk, NEW, limit_price=Decimal(92), epoch=table.epoch)
    assert third.intent.leg > table.desk.order(NEW).intent.leg
    assert states(table) == ["cancelled", "cancelled", "open"]
    agreed(table)


def test_only_what_is_left_is_placed_anew() -> None:
    """The order was partly filled before the cancel came, and its trade is told late."""
    table = filled_meanwhile("0.5")
    table.broker.late_trades = 2
    with pytest.raises(TransientError, match="not all told"):
        swap(table)
    new = swap(table)
    assert new.quantity == Decimal("1.5")
    assert table.desk.order("i1").filled == Decimal("0.5")
    agreed(table)


def test_nothing_left_is_nothing_placed() -> None:
    table = filled_meanwhile("500")
    assert swap(table).intent.intent_id == "i1"
    assert states(table) == ["filled"]


def test_while_the_old_order_is_in_doubt_no_new_one_is_made() -> None:
    table = Table()
    table.record(TimeInForce.GTC, limit="90", number=1)
    table.broker.lose, table.broker.blind_queries = "after", 10**6
    place_order(table.desk, "i1", epoch=table.epoch)
    with pytest.raises(TransientError, match="not known yet"):
        swap(table)
    assert table.broker.sends == 1


def test_an_order_that_never_was_at_the_venue_is_not_replaced() -> None:
    """A later decision ended it, or this call did: what was not placed is decided anew, not brought back."""
    table = Table()
    ended = replace_order(table.desk, "i0", limit_price=Decimal(91), epoch=table.epoch)
    assert (ended.intent.intent_id, ended.state) == ("i0", OrderState.NOT_PLACED)
    assert table.broker.sends == 0


def test_a_stop_ends_the_replacement(table: Table) -> None:
    table.ledger.freeze("*", "drill", stamp=table.desk.stamp())
    new = swap(table)
    assert (new.state, "drill" in new.reason) == (OrderState.NOT_PLACED, True)
    assert states(table) == ["cancelled"]


def test_a_lost_lease_places_nothing(table: Table) -> None:
    table.ledger.release("a", "me", table.epoch)
    table.ledger.acquire("a", "other", ttl_seconds=100, now=START)
    with pytest.raises(LeaseLost):
        swap(table)
    assert states(table) == ["open"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("lost", ["", "before", "after", "late"])
@pytest.mark.parametrize("work", [swap, end])
def test_a_crash_at_any_step_is_ended_by_the_next_run(
    work: Callable[[Table, Desk], LedgerOrder], lost: str, *, after: bool
) -> None:
    """Whatever call of ledger or broker was the last of a process: never two orders, never none."""
    died_in = set()
    for step in range(1, 200):
        table = resting_table()
        table.broker.lose = lost
        desk, dying = table.dying(step, after=after)
        try:
            work(table, desk)
        except Crash:
            died_in.add(dying.died_in)
        done = work(table, table.desk)
        assert done == work(table, table.desk)
        assert states(table) == (["cancelled", "open"] if work is swap else ["cancelled"])
        agreed(table)
        if not dying.died_in:
            break
    wanted = {"load_orders", "cancel_order", "record_state"}
    assert died_in >= (wanted | {"add_intent", "begin_submit", "place_order"} if work is swap else wanted)


def test_a_replacement_under_an_id_of_its_own_would_be_two(table: Table) -> None:
    """The control: a client that takes a new id for each try has two orders after one crash."""
    swap(table)
    other = replace(table.desk.order(NEW).intent, intent_id="own", client_order_id="own", leg=7)
    table.ledger.add_intent(other, epoch=table.epoch, stamp=table.desk.stamp())
    place_order(table.desk, "own", epoch=table.epoch)
    assert states(table) == ["cancelled", "open", "open"]
