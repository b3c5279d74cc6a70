"""The table of an order's moves, for every pair of states, and the values that go with an order."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import DataError, TradingError
from tidemill.domain.trading import (
    LEGAL_MOVES,
    LIVE,
    RESTING,
    TERMINAL,
    UNRESOLVED,
    Forecast,
    OrderIntent,
    OrderState,
    OrderType,
    Placement,
    Side,
    TimeInForce,
    VenueOrder,
    check_move,
    decision_id,
    intent_id,
    replacement_id,
)

S = OrderState
AT = datetime(2021, 4, 19, 3, 1, 30, tzinfo=UTC)
# Written again by hand, a line a state: a move that enters the table by accident is seen here.
MOVES = {
    S.PLANNED: "submitting not_placed",
    S.SUBMITTING: "unknown open partly_filled filled expired cancelled rejected not_placed",
    S.UNKNOWN: "submitting open partly_filled filled expired cancelled rejected not_placed",
    S.OPEN: "partly_filled filled expired cancelled",
    S.PARTLY_FILLED: "filled expired cancelled",
    S.FILLED: "",
    S.EXPIRED: "partly_filled filled",
    S.CANCELLED: "partly_filled filled",
    S.REJECTED: "",
    S.NOT_PLACED: "",
}
PAIRS = list(product(OrderState, OrderState))
NEVER_THERE = {S.REJECTED, S.NOT_PLACED}
AT_THE_VENUE = {S.OPEN, S.PARTLY_FILLED, S.FILLED, S.EXPIRED, S.CANCELLED}


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=[f"{before}-{after}" for before, after in PAIRS])
def test_a_pair_of_states_moves_as_the_table_says_and_in_no_other_way(before: OrderState, after: OrderState) -> None:
    if after in MOVES[before].split():
        check_move(before, after)
        return
    with pytest.raises(TradingError, match=f"cannot move from {before} to {after}"):
        check_move(before, after)


def test_the_table_is_held_by_the_pairs() -> None:
    loosened = {**LEGAL_MOVES, S.FILLED: frozenset({S.CANCELLED})}
    different = [(a, b) for a, b in PAIRS if (b in loosened[a]) != (b in MOVES[a].split())]
    assert different == [(S.FILLED, S.CANCELLED)]


def reachable(state: OrderState) -> set[OrderState]:
    """All states that may follow ``state``, however many moves later."""
    reached, waiting = set(), [state]
    while waiting:
        for after in LEGAL_MOVES[waiting.pop()] - reached:
            reached.add(after)
            waiting.append(after)
    return reached


def test_every_state_but_the_first_is_reached_from_planned() -> None:
    assert reachable(S.PLANNED) == set(OrderState) - {S.PLANNED}


@pytest.mark.parametrize("state", OrderState)
def test_no_way_leads_back_to_before_the_order_was_sent(state: OrderState) -> None:
    assert S.PLANNED not in reachable(state)
    assert (S.SUBMITTING in reachable(state)) == (state in {S.PLANNED, *UNRESOLVED})


@pytest.mark.parametrize("state", sorted(AT_THE_VENUE))
def test_an_order_that_the_venue_had_is_never_said_to_be_unplaced(state: OrderState) -> None:
    assert not reachable(state) & (NEVER_THERE | UNRESOLVED)


@pytest.mark.parametrize("state", sorted(NEVER_THERE))
def test_nothing_follows_an_order_that_the_venue_never_had(state: OrderState) -> None:
    assert not reachable(state)


def test_each_state_is_waited_for_or_over() -> None:
    assert set(OrderState) == LIVE | TERMINAL
    assert not LIVE & TERMINAL
    assert not RESTING & UNRESOLVED
    assert {S.PLANNED} == LIVE - RESTING - UNRESOLVED


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_only_a_late_fill_follows_an_end(state: OrderState) -> None:
    assert LEGAL_MOVES[state] <= {S.FILLED, S.PARTLY_FILLED}


@given(st.lists(st.sampled_from(sorted(OrderState)), max_size=30))
def test_a_walk_along_the_table_rejects_at_most_once_and_fills_at_most_once(targets: list[OrderState]) -> None:
    state, history = S.PLANNED, [S.PLANNED]
    for target in targets:
        try:
            check_move(state, target)
        except TradingError:
            continue
        state = target
        history.append(state)
    assert history.count(S.FILLED) <= 1
    assert sum(history.count(end) for end in NEVER_THERE) <= 1
    assert not (AT_THE_VENUE & set(history) and NEVER_THERE & set(history))


def intent(**changes: object) -> OrderIntent:
    values = {
        "intent_id": "s1",
        "decision_id": "d1",
        "account": "main",
        "instrument": "BTC-USDT.BINANCE",
        "leg": 0,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.IOC,
        "quantity": Decimal(1),
        "limit_price": Decimal(100),
        "client_order_id": "s1",
        "expires_at": AT,
    }
    return OrderIntent(**{**values, **changes})


@pytest.mark.parametrize("quantity", [Decimal(0), Decimal(-1)])
def test_an_intent_asks_for_more_than_nothing(quantity: Decimal) -> None:
    with pytest.raises(DataError, match="must be > 0"):
        intent(quantity=quantity)


@pytest.mark.parametrize("order_type", [kind for kind in OrderType if kind is not OrderType.MARKET])
@pytest.mark.parametrize("limit", [None, Decimal(0), Decimal(-1)])
def test_whatever_is_no_market_order_has_a_price(order_type: OrderType, limit: Decimal | None) -> None:
    with pytest.raises(DataError, match=f"{order_type} order without a positive limit price"):
        intent(order_type=order_type, limit_price=limit)
    assert intent(order_type=OrderType.MARKET, limit_price=None).limit_price is None


def test_an_intent_expires_at_a_moment_with_a_zone() -> None:
    with pytest.raises(DataError, match="expires_at"):
        intent(expires_at=AT.replace(tzinfo=None))


ORDER = VenueOrder(
    venue_order_id="7",
    client_order_id="s1",
    instrument="BTC-USDT.BINANCE",
    side=Side.BUY,
    state=S.OPEN,
    quantity=Decimal(1),
    filled=Decimal(0),
    limit_price=Decimal(100),
    placed_at=AT,
)


@pytest.mark.parametrize("outcome", ["acked", "rejected", "unknown"])
@pytest.mark.parametrize("order", [None, ORDER], ids=["no order", "an order"])
def test_a_placement_shows_the_order_exactly_when_the_venue_took_it(outcome: str, order: VenueOrder | None) -> None:
    if (outcome == "acked") == (order is not None):
        assert Placement(outcome=outcome, evidence="e", order=order).order is order
        return
    with pytest.raises(TradingError, match="exactly when it is acked"):
        Placement(outcome=outcome, evidence="e", order=order)


@given(st.floats())
def test_a_forecast_lies_between_minus_one_and_one_or_is_refused(strength: float) -> None:
    values = {"instrument": "A-B.V", "horizon_seconds": 1, "made_at": AT, "expires_at": AT}
    if -1 <= strength <= 1:
        assert Forecast(strength=strength, **values).strength == strength
        return
    with pytest.raises(DataError, match="outside"):
        Forecast(strength=strength, **values)


KEY = {"account": "main", "strategy": "trend", "as_of": AT, "attempt": 0}
LEG = {**KEY, "instrument": "BTC-USDT.BINANCE", "leg": 0}
CHANGES = {
    "account": "other",
    "strategy": "reversion",
    "as_of": AT.replace(hour=4),
    "attempt": 1,
    "instrument": "ETH-USDT.BINANCE",
    "leg": 1,
}


@pytest.mark.parametrize("name", LEG)
def test_each_part_of_an_intent_counts_in_its_id(name: str) -> None:
    assert intent_id(**{**LEG, name: CHANGES[name]}) != intent_id(**LEG) == intent_id(**LEG)


@pytest.mark.parametrize("name", KEY)
def test_each_part_of_a_decision_counts_in_its_id(name: str) -> None:
    assert decision_id(**{**KEY, name: CHANGES[name]}) != decision_id(**KEY) == decision_id(**KEY)


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30), st.integers(0, 2000))
def test_an_id_is_eighteen_letters_and_digits_whatever_it_names(account: str, strategy: str, leg: int) -> None:
    name = intent_id(**{**LEG, "account": account, "strategy": strategy, "leg": leg})
    again = replacement_id(name)
    for short in (name, again):
        assert len(short) == 18
        assert short.isascii()
        assert short.isalnum()
    assert again != name
    assert replacement_id(name) == again


@given(st.text("ab", max_size=6), st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_moving_a_letter_from_one_part_to_the_next_is_another_id(head: str, letters: str, tail: str) -> None:
    first = decision_id(**{**KEY, "account": head + letters, "strategy": tail})
    second = decision_id(**{**KEY, "account": head, "strategy": letters + tail})
    assert (first == second) == (letters == "")


def test_ids_are_the_ones_that_ledgers_hold_already() -> None:
    assert decision_id(**KEY) == "deb2ce498f715390c3"
    assert intent_id(**LEG) == "s44e373cc4671b2f30"
