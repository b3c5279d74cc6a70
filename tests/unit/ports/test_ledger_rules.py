"""The arithmetic that both ledgers share: what a fill moves, what open orders tie up, what may be sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ledger_steps import fill
from support.ledger_story import BTC, NOW, intent

from tidemill.domain.errors import OrderExpired
from tidemill.domain.trading import RESTING, UNRESOLVED, LedgerOrder, OrderState, Side
from tidemill.ports.ledger_rules import (
    check_unexpired,
    is_new,
    marked_equity,
    may_begin,
    movements,
    opening_events,
    reserved_amounts,
)

AT_THE_VENUE = RESTING | UNRESOLVED
amounts = st.decimals("0.00000001", 10**4, places=8)


@st.composite
def orders(draw: st.DrawFn) -> LedgerOrder:
    """An order of either side in any state, filled in any part."""
    quantity = draw(st.integers(1, 50))
    side = draw(st.sampled_from(sorted(Side)))
    return LedgerOrder(
        intent=intent(0, draw(st.integers(0, 9)), side, str(quantity)),
        state=draw(st.sampled_from(sorted(OrderState))),
        quantity=Decimal(quantity),
        filled=Decimal(draw(st.integers(0, quantity))),
    )


@given(amounts, amounts, st.decimals(0, 1, places=8), st.sampled_from(["BTC", "USDT", "BNB"]))
def test_a_purchase_and_the_same_sale_cancel_out_but_for_the_fees(
    quantity: Decimal, price: Decimal, fee: Decimal, asset: str
) -> None:
    trade = replace(fill(), quantity=quantity, price=price, fee=fee, fee_asset=asset)
    totals: dict[str, Decimal] = {}
    for own in (trade, replace(trade, side=Side.SELL)):
        for name, amount in movements(own):
            totals[name] = totals.get(name, Decimal(0)) + amount
    assert totals[asset] == -2 * fee
    assert all(amount == 0 for name, amount in totals.items() if name != asset)


@given(amounts, amounts)
def test_a_purchase_gives_cash_for_units_at_its_price(quantity: Decimal, price: Decimal) -> None:
    moved = movements(replace(fill(), quantity=quantity, price=price, fee=Decimal(0), fee_asset="BNB"))
    assert moved == [("BTC", quantity), ("USDT", -quantity * price), ("BNB", Decimal(0))]


@given(st.lists(orders(), max_size=15))
def test_orders_tie_up_what_is_left_of_them_and_only_while_they_may_trade(run: list[LedgerOrder]) -> None:
    reserved = reserved_amounts(run)
    live = [order for order in run if order.state in AT_THE_VENUE]
    cash = sum((order.quantity - order.filled) * Decimal("100.5") for order in live if order.intent.side is Side.BUY)
    units = sum(order.quantity - order.filled for order in live if order.intent.side is Side.SELL)
    assert reserved == {name: amount for name, amount in (("USDT", cash), ("BTC", units)) if amount}


@given(orders())
def test_an_order_filled_beyond_its_quantity_ties_up_nothing_below_zero(order: LedgerOrder) -> None:
    assert not reserved_amounts([replace(order, filled=order.quantity + 1)])


def test_doubtful_orders_that_tied_up_nothing_would_be_caught() -> None:
    doubtful = LedgerOrder(intent=intent(), state=OrderState.UNKNOWN, quantity=Decimal(2))
    assert reserved_amounts([doubtful]) == {"USDT": Decimal(201)}
    assert reserved_amounts([replace(doubtful, state=OrderState.NOT_PLACED)]) == {}


@pytest.mark.parametrize("state", OrderState)
def test_only_a_planned_order_is_sent_for_the_first_time(state: OrderState) -> None:
    order = LedgerOrder(intent=intent(), state=state, quantity=Decimal(2))
    assert may_begin(order, None) == (state is OrderState.PLANNED)


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("later", [0, 1])
def test_an_order_is_sent_again_only_after_that_send_was_proven_absent(state: OrderState, later: int) -> None:
    absent = LedgerOrder(intent=intent(), state=OrderState.UNKNOWN, quantity=Decimal(2), sent_at=NOW)
    order = replace(absent, state=state, sent_at=NOW + timedelta(seconds=later))
    assert may_begin(order, absent) == (state is OrderState.UNKNOWN and later == 0)


@given(st.integers(-(10**7), 10**7))
def test_an_intent_is_too_old_from_the_moment_at_which_it_expires(micros: int) -> None:
    own = intent()
    moment = own.expires_at + timedelta(microseconds=micros)
    if micros < 0:
        check_unexpired(own, moment)
        return
    with pytest.raises(OrderExpired, match="expired before it was sent"):
        check_unexpired(own, moment)


@given(orders(), st.sampled_from(sorted(OrderState)), st.sampled_from([None, "7", "8"]), st.integers(0, 60))
def test_what_is_told_twice_is_news_once(
    order: LedgerOrder, state: OrderState, venue_id: str | None, part: int
) -> None:
    order = replace(order, venue_order_id="7")
    reported = Decimal(part)
    if not is_new(order, state, venue_id, reported):
        assert state is order.state
        assert venue_id in {None, "7"}
    after = replace(
        order, state=state, venue_order_id=venue_id or order.venue_order_id, filled=max(order.filled, reported)
    )
    assert not is_new(after, state, venue_id, reported)


def test_more_of_a_part_is_news_and_less_is_not() -> None:
    order = LedgerOrder(
        intent=intent(), state=OrderState.PARTLY_FILLED, quantity=Decimal(2), filled=Decimal(1), venue_order_id="7"
    )
    news = [
        is_new(order, OrderState.PARTLY_FILLED, "7", reported)
        for reported in (None, Decimal("0.5"), Decimal(1), Decimal("1.5"))
    ]
    assert news == [False, False, False, True]


@given(st.dictionaries(st.sampled_from(["BTC", "USDT", "ETH"]), amounts))
def test_an_account_opens_with_one_event_an_asset_that_is_the_same_each_time(balances: dict[str, Decimal]) -> None:
    events = opening_events("a", balances)
    assert {event.asset: event.amount for event in events} == balances
    assert {event.kind for event in events} <= {"opening"}
    assert [event.event_id for event in opening_events("a", balances)] == [event.event_id for event in events]
    assert not {event.event_id for event in opening_events("b", balances)} & {event.event_id for event in events}


@pytest.mark.parametrize(
    ("record", "equity"),
    [({"equity": "1000.10"}, "1000.10"), ({"equity": None}, "0"), ({"equity": ""}, "0"), ({}, "0")],
)
def test_equity_counts_where_it_was_marked(record: dict[str, object], equity: str) -> None:
    assert marked_equity(record) == Decimal(equity)


def test_a_fill_of_another_instrument_moves_other_assets() -> None:
    assert BTC == "BTC-USDT.T"
    assert [name for name, _ in movements(replace(fill(), instrument="ETH-EUR.T"))] == ["ETH", "EUR", "BTC"]
