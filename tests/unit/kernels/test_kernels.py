"""The compiled loops against the stage functions from the same state, and what always holds of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from support.dense_cases import Case, decide_exact, decide_fast, differences, random_case
from support.dense_rules import FREE, PAID, SPOT

from tidemill.kernels import (
    WEIGHT,
    Costs,
    State,
    Trail,
    make_market,
    make_steps,
    make_trail,
    open_state,
    run_targets,
)

# -- order for order from the same state


@example(random_case(1823))  # an order limit rounded across dust that is held
@given(st.integers(0, 2**32 - 1).map(random_case))
@settings(max_examples=300)
def test_fast_and_exact_differ_by_at_most_one_lot(case: Case) -> None:
    fast, exact = decide_fast(case), decide_exact(case)
    event("near a threshold" if fast.near else "clear")
    found = differences(case, fast, exact)
    assert fast.near or not found, found
    if not fast.near:
        assert (fast.vetoed, fast.dropped) == (exact.vetoed, exact.dropped)


def test_close_calls_are_few_and_nearly_all_decisions_are_the_same() -> None:
    near = other = apart = 0
    for seed in range(1500):
        case = random_case(seed)
        fast, exact = decide_fast(case), decide_exact(case)
        near += fast.near > 0
        other += any(
            abs(fast.outcomes[name].sent - one.sent) > 1e-9 * max(1.0, abs(one.sent))
            or abs(fast.outcomes[name].filled - one.filled) > 1e-9 * max(1.0, abs(one.filled))
            or abs(fast.outcomes[name].price - one.price) > 1e-9 * max(1.0, one.price)
            or fast.outcomes[name].state != one.state
            for name, one in exact.outcomes.items()
        )
        apart += bool(differences(case, fast, exact))
    assert near < 1500 * 0.15
    assert other < 1500 * 0.01
    assert apart == 0


@pytest.mark.parametrize("seed", range(20))
def test_the_comparison_sees_a_wrong_rule(seed: int) -> None:
    """Control: without slippage and with half the order limit, orders differ somewhere."""
    found = 0
    for number in range(seed * 40, seed * 40 + 40):
        case = random_case(number)
        half = replace(case.limits, max_order_fraction=case.limits.max_order_fraction / 2)
        found += bool(differences(case, decide_fast(replace(case, limits=half)), decide_exact(case)))
    assert found > 0


# -- what always holds

prices = st.lists(st.floats(0.5, 500.0), min_size=12, max_size=12).map(lambda one: np.array(one).reshape(4, 3))
weights = st.lists(st.floats(0.0, 0.6), min_size=12, max_size=12).map(lambda one: np.array(one).reshape(4, 3))
lots = st.sampled_from([0.0, 0.001, 1.0])
costs = st.sampled_from([FREE, PAID, SPOT, PAID._replace(slippage=0.01, participation=0.2)])


def simulate(price: np.ndarray, target: np.ndarray, lot: float, chosen: Costs) -> tuple[Trail, State]:
    state, trail = open_state(1000.0, price.shape[1]), make_trail(*price.shape)
    steps = make_steps(
        np.full(price.shape[1], 0.01 * (lot > 0)), np.full(price.shape[1], lot), np.zeros(price.shape[1])
    )
    run_targets(target, WEIGHT, 0.0, make_market(price=price), steps, chosen, state, trail)
    return trail, state


@given(prices, weights, lots, costs)
def test_equity_is_cash_and_positions_at_every_step(
    price: np.ndarray, target: np.ndarray, lot: float, chosen: Costs
) -> None:
    trail, state = simulate(price, target, lot, chosen)
    in_base = np.zeros_like(price)
    if not chosen.fee_in_quote:
        in_base = np.where(trail.filled > 0, trail.fee / np.where(trail.price > 0, trail.price, 1.0), 0.0)
    held = np.cumsum(trail.filled - in_base, axis=0)
    paid = np.cumsum((trail.filled * trail.price).sum(axis=1) + (trail.fee * (in_base == 0)).sum(axis=1))
    assert trail.cash == pytest.approx(1000.0 - paid, abs=1e-6)
    assert trail.equity == pytest.approx(trail.cash + (held * price).sum(axis=1), abs=1e-6)
    assert state.held == pytest.approx(held[-1], abs=1e-8)


@example(
    price=np.array([[1.0, 1.0, 1.0], [1.5, 1.0, 34.0], [372.0, 1.0, 1.0], [1.0, 1.0, 1.0]]),
    target=np.array([[0.0, 0.0, 0.5], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.5]]),
    lot=0.0,
    chosen=PAID,
)
@given(prices, weights, lots, costs)
def test_cash_is_never_negative_and_nothing_is_short(
    price: np.ndarray, target: np.ndarray, lot: float, chosen: Costs
) -> None:
    trail, _ = simulate(price, target * 3, lot, chosen)
    # All the cash may be spent: what is left then is the rounding of the sums that made it, a few last places.
    held = np.cumsum(trail.filled, axis=0)
    assert trail.cash.min() >= -8 * np.spacing(np.abs(trail.equity).max())
    assert held.min() >= -8 * np.spacing(max(1.0, np.abs(trail.filled).sum()))


def test_the_check_of_cash_sees_a_fee_that_nothing_was_kept_for() -> None:
    """Control: orders that keep nothing back for their fee overdraw the account by far more than rounding."""
    price = np.random.default_rng(3).uniform(1.0, 400.0, (4, 3))
    trail, _ = simulate(price, np.ones((4, 3)), 0.0, PAID._replace(cash_rate=0.0, lock_rate=0.0))
    assert trail.cash.min() < -0.1


@given(prices, weights, lots, costs, st.permutations(range(3)))
def test_permuting_instruments_changes_nothing(
    price: np.ndarray, target: np.ndarray, lot: float, chosen: Costs, order: list[int]
) -> None:
    """As long as the cash reaches for all: where it does not, the order of the legs decides who is served."""
    trail, _ = simulate(price, target * 0.5, lot, chosen)
    other, _ = simulate(
        np.ascontiguousarray(price[:, order]), np.ascontiguousarray(target[:, order]) * 0.5, lot, chosen
    )
    assert other.filled == pytest.approx(trail.filled[:, order], abs=1e-9 + lot * 1.001)
    if lot == 0.0:
        assert other.equity == pytest.approx(trail.equity, rel=1e-9)


@given(prices, weights, lots, costs, st.integers(1, 3))
def test_a_period_cut_in_two_and_joined_is_the_same(
    price: np.ndarray, target: np.ndarray, lot: float, chosen: Costs, cut: int
) -> None:
    whole, state = simulate(price, target, lot, chosen)
    steps = make_steps(np.full(3, 0.01 * (lot > 0)), np.full(3, lot), np.zeros(3))
    half, parts = open_state(1000.0, 3), []
    for rows in (slice(0, cut), slice(cut, 4)):
        trail = make_trail(len(price[rows]), 3)
        run_targets(target[rows], WEIGHT, 0.0, make_market(price=price[rows]), steps, chosen, half, trail)
        parts.append(trail)
    assert np.array_equal(np.concatenate([one.orders for one in parts]), whole.orders)
    assert np.array_equal(np.concatenate([one.curve for one in parts]), whole.curve)
    assert np.array_equal(half.money, state.money)
    assert np.array_equal(half.held, state.held)


def test_a_part_that_starts_with_cash_alone_is_seen() -> None:
    """Control of the cut: without the first part's state the second is another run; and other columns are others."""
    random = np.random.default_rng(11)
    price, target = random.uniform(10, 20, (4, 3)), random.uniform(0, 0.3, (4, 3))
    whole, _ = simulate(price, target, 0.001, PAID)
    second, _ = simulate(price[2:], target[2:], 0.001, PAID)
    assert not np.array_equal(second.orders, whole.orders[2:])
    turned, _ = simulate(price, np.ascontiguousarray(target[:, [1, 0, 2]]), 0.001, PAID)
    assert turned.filled != pytest.approx(whole.filled, abs=0.01)


def test_a_trail_of_one_row_tallies_all() -> None:
    random = np.random.default_rng(5)
    price, target = random.uniform(10, 20, (50, 3)), random.uniform(0, 0.3, (50, 3))
    steps, short = np.zeros((3, 3)), make_trail(1, 3)
    whole, state = simulate(price, target, 0.0, PAID)
    last = open_state(1000.0, 3)
    run_targets(target, WEIGHT, 0.0, make_market(price=price), steps, PAID, last, short)
    assert np.array_equal(last.money, state.money)
    assert short.equity[0] == whole.equity[-1]
    assert np.array_equal(short.tally[0], whole.tally.sum(axis=0))
