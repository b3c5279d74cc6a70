"""The fast speed on recordings: decision for decision beside the exact one, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.views import make_view

from tidemill.backtest import BacktestPlan, BacktestResult, run_backtest
from tidemill.bootstrap import keep_compiled_code, make_backtest_plan
from tidemill.bootstrap.plans import recorded_settings
from tidemill.decision import load_recorded_portfolio
from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument
from tidemill.domain.trading import Decision, Side
from tidemill.features import build_features
from tidemill.forecasting import find_shipped, make_forecasts
from tidemill.kernels import State, open_state
from tidemill.recording import RecordedSeries, Recording
from tidemill.recording.traded import make_grid
from tidemill.research.fast_backtest import (
    DenseMarket,
    FastResult,
    build_dense,
    make_bounds,
    make_costs,
    make_sizing,
    run_dense,
    run_fast_backtest,
)
from tidemill.settings import Settings, load_settings

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
BARS = 200
POINTS = 14
BTC = Instrument(
    venue="T", base="BTC", quote="USD", price_step=Decimal("0.01"), lot_step=Decimal("0.001"), min_notional=Decimal(5)
)
ETH = replace(BTC, base="ETH", price_step=Decimal("0.1"), lot_step=Decimal("0.0001"))
SOL = replace(BTC, base="SOL", price_step=Decimal("0.0001"), lot_step=Decimal("0.1"))


def make_series(instrument: Instrument, random: np.random.Generator, *, holes: bool) -> RecordedSeries:
    """A random walk on the instrument's steps, 1h; some bars missing near its end when ``holes``."""
    step = float(instrument.price_step)
    closes = 100 * np.exp(np.cumsum(random.normal(0.0, 0.02, BARS)))
    opens = np.concatenate([[100.0], closes[:-1]]) * np.exp(random.normal(0, 0.003, BARS))
    opens, closes = (np.round(np.rint(one / step) * step, 8) for one in (opens, closes))
    bars = pd.DataFrame(
        {
            "open_time": pd.DatetimeIndex([START + HOUR * number for number in range(BARS)]).as_unit("us"),
            "open": opens,
            "high": np.maximum(opens, closes),
            "low": np.minimum(opens, closes),
            "close": closes,
            "volume": np.round(np.exp(random.uniform(3, 9, BARS)), 3),
        }
    )
    if holes:
        gone = random.choice(np.arange(BARS - POINTS - 4, BARS - 2), size=3, replace=False)
        bars = bars.drop(index=gone).reset_index(drop=True)
    return RecordedSeries(instrument=instrument, timeframe="1h", bars=bars)


def make_recording(seed: int) -> Recording:
    random = np.random.default_rng(seed)
    series = tuple(make_series(one, random, holes=bool(seed % 2)) for one in (BTC, ETH, SOL))
    return Recording(title="random", calendar="24x7", series=series)


def make_plan(
    recording: Recording, strategy: str = "trend", every: str | None = None, **changes: object
) -> BacktestPlan:
    chosen = load_settings(**changes)
    grid = make_grid(recording, every, chosen.decision_delay_seconds)
    plain = recorded_settings(chosen, recording, strategy)
    end = START + HOUR * (BARS - 4)
    return make_backtest_plan(plain, recording, grid, start=end - HOUR * POINTS, end=end)


def points_of(plan: BacktestPlan) -> list[datetime]:
    return list(plan.rules.grid.points(plan.start, plan.end))


def orders_by_instrument(result: BacktestResult, decision: Decision) -> dict[str, tuple[Decimal, Decimal]]:
    """Signed quantities sent and filled."""
    found = {}
    for order in result.orders:
        if order.intent.decision_id == decision.decision_id:
            sign = 1 if order.intent.side is Side.BUY else -1
            sent = Decimal(0) if order.state == "not_placed" else order.quantity
            found[order.intent.instrument] = (sign * sent, sign * order.filled)
    return found


def recorded_state(decision: Decision, dense: DenseMarket, plan: BacktestPlan) -> State:
    portfolio = load_recorded_portfolio(decision)
    held = [float(portfolio.quantity(plan.rules.instruments[name].base)) for name in dense.names]
    money = [float(portfolio.quantity("USD")), float(portfolio.peak_equity), 0.0]
    return State(money=np.array(money), held=np.array(held))


# -- beside the exact speed


@given(
    st.integers(0, 10**6),
    st.sampled_from(["trend", "reversion"]),
    st.sampled_from([None, "2h"]),
    st.sampled_from(["received", "quote"]),
)
@settings(max_examples=12)
def test_every_decision_from_the_recorded_state_has_the_same_orders(
    seed: int, strategy: str, every: str | None, fee_asset: str
) -> None:
    recording = make_recording(seed)
    plan = make_plan(recording, strategy, every, fee_asset=fee_asset)
    exact = run_backtest(recording, plan)
    dense = build_dense(recording, plan, points_of(plan))
    assert [one.reason for one in exact.decisions] == list(dense.reasons)
    rules = {"costs": make_costs(plan), "sizing": make_sizing(plan), "bounds": make_bounds(plan)}
    for row, decision in enumerate(exact.decisions):
        if decision.outcome == "refused":
            continue
        fast = run_dense(dense.part(row, row + 1), recorded_state(decision, dense, plan), **rules)
        wanted = orders_by_instrument(exact, decision)
        for s, name in enumerate(dense.names):
            sent, filled = wanted.get(name, (Decimal(0), Decimal(0)))
            lot = float(plan.rules.instruments[name].lot_step) * 1.000001
            same = (
                abs(fast.trail.sent[0, s] - float(sent)) <= lot and abs(fast.trail.filled[0, s] - float(filled)) <= lot
            )
            assert same or fast.near_threshold, (row, name)


@pytest.mark.parametrize("seed", range(4))
def test_a_whole_run_tells_the_same_figures(seed: int) -> None:
    recording = make_recording(seed)
    plan = make_plan(recording)
    exact, fast = run_backtest(recording, plan).to_json("trend"), run_fast_backtest(recording, plan).to_json("trend")
    assert exact.keys() <= fast.keys()
    for name in ("steps", "strategy", "model", "forecasts", "vetoed", "dropped", "orders", "refusals"):
        assert fast[name] == exact[name], name
    for name in ("fees", "equity_start", "equity_end", "max_drawdown"):
        assert float(fast[name]) == pytest.approx(float(exact[name]), rel=1e-9), name
    assert fast["orders"]["filled"] > 0


@given(st.integers(0, 10**6), st.sampled_from(["trend", "reversion"]))
@settings(max_examples=15)
def test_forecasts_are_those_of_the_stage_functions(seed: int, strategy: str) -> None:
    recording = make_recording(seed)
    plan = make_plan(recording, strategy)
    points, grid = points_of(plan), plan.rules.grid
    dense = build_dense(recording, plan, points)
    bars = recording.as_bars(None, recording.first_open, plan.end, timeframe="1h")
    scores = pd.DataFrame(
        {"event_time": pd.DatetimeIndex([], tz="UTC"), "knowledge_time": [], "score": [], "subjects": []}
    )
    table = build_features(bars, scores, grid=grid, points=points, universe=plan.rules.universe)
    for row, point in enumerate(points):
        if pd.Timestamp(point) not in table.index.get_level_values("point"):
            assert np.isnan(dense.strength[row]).all()
            continue
        rows = table.xs(pd.Timestamp(point), level="point")
        made = make_forecasts(find_shipped(strategy), make_view(rows, grid, point))
        known = {one.instrument: one for one in made.forecasts}
        for s, name in enumerate(dense.names):
            one = known.get(name)
            strength, volatility = dense.strength[row, s], dense.volatility[row, s]
            assert math.isnan(strength) == (one is None)
            if one is not None:
                assert strength == pytest.approx(one.strength, abs=1e-9)
                assert volatility == pytest.approx(one.volatility_annual, rel=1e-9)


# -- what always holds


ALL = ("open", "high", "low", "close", "volume")


def altered(recording: Recording, after: datetime, fields: tuple[str, ...] = ALL) -> Recording:
    """Every bar that opens at or after ``after`` has other prices and another volume, or some of them."""
    changed = []
    for series in recording.series:
        later = series.bars["open_time"] >= pd.Timestamp(after)
        bars = series.bars.copy()
        for name in fields:
            bars.loc[later, name] = bars.loc[later, name] * 2
        changed.append(replace(series, bars=bars))
    return Recording(title=recording.title, calendar=recording.calendar, series=tuple(changed))


def same_runs(left: FastResult, right: FastResult) -> bool:
    return np.array_equal(left.trail.orders, right.trail.orders) and np.array_equal(left.equity, right.equity)


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_altering_any_bar_after_the_end_changes_nothing(seed: int) -> None:
    recording = make_recording(seed)
    plan = make_plan(recording)
    assert same_runs(run_fast_backtest(recording, plan), run_fast_backtest(altered(recording, plan.end), plan))


def same_orders_whatever_comes(run: Callable[[Recording, BacktestPlan], FastResult], seed: int) -> bool:
    """Whether the orders stay when all bars not closed at the last decision end otherwise."""
    recording = make_recording(seed)
    plan = make_plan(recording)
    other = altered(recording, plan.end - HOUR, ("high", "close"))
    return np.array_equal(run(recording, plan).trail.orders, run(other, plan).trail.orders)


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_a_bar_that_has_not_closed_changes_no_order(seed: int) -> None:
    assert same_orders_whatever_comes(run_fast_backtest, seed)


def run_peeking(recording: Recording, plan: BacktestPlan) -> FastResult:
    """What must not be: each row decides with the forecasts of the row after it."""
    longer = replace(plan, end=plan.end + HOUR)
    dense = build_dense(recording, longer, points_of(longer))
    shifted = replace(dense.part(0, len(dense.as_of) - 1), strength=dense.strength[1:], volatility=dense.volatility[1:])
    rules = {"costs": make_costs(plan), "sizing": make_sizing(plan), "bounds": make_bounds(plan)}
    return run_dense(shifted, open_state(float(plan.start_cash), len(dense.names)), **rules)


def test_a_kernel_that_peeks_one_bar_ahead_is_caught() -> None:
    """Control of the two properties above."""
    assert not any(same_orders_whatever_comes(run_peeking, seed) for seed in range(0, 10, 2))


@given(st.integers(0, 10**6), st.permutations(range(3)))
@settings(max_examples=20)
def test_the_order_of_the_recording_changes_nothing(seed: int, order: list[int]) -> None:
    recording = make_recording(seed)
    shuffled = Recording(title="random", calendar="24x7", series=tuple(recording.series[one] for one in order))
    left, right = (run_fast_backtest(one, make_plan(one)) for one in (recording, shuffled))
    assert same_runs(left, right)


@given(st.integers(0, 10**6), st.integers(1, POINTS - 1))
@settings(max_examples=20)
def test_two_periods_joined_are_the_whole(seed: int, cut: int) -> None:
    recording = make_recording(seed)
    plan = make_plan(recording)
    middle = plan.start + HOUR * cut
    whole = run_fast_backtest(recording, plan)
    first = run_fast_backtest(recording, replace(plan, end=middle))
    second = run_fast_backtest(recording, replace(plan, start=middle), state=first.state)
    assert np.array_equal(np.concatenate([first.trail.orders, second.trail.orders]), whole.trail.orders)
    assert np.array_equal(second.state.money, whole.state.money)
    assert second.equity[-1] == whole.equity[-1]
    assert first.fees + second.fees == pytest.approx(whole.fees)


def test_other_bars_or_an_empty_opening_are_seen() -> None:
    """Control of the two properties above."""
    recording = make_recording(1)
    plan = make_plan(recording)
    whole = run_fast_backtest(recording, plan)
    assert not same_runs(whole, run_fast_backtest(altered(recording, plan.end - 3 * HOUR), plan))
    middle = plan.start + HOUR * 7
    first, second = (
        run_fast_backtest(recording, one) for one in (replace(plan, end=middle), replace(plan, start=middle))
    )
    assert not np.array_equal(np.concatenate([first.trail.orders, second.trail.orders]), whole.trail.orders)


# -- what lies outside


def refused(plan: BacktestPlan, recording: Recording) -> str:
    with pytest.raises(DataError) as caught:
        run_fast_backtest(recording, plan)
    return str(caught.value)


def test_what_lies_outside_is_refused_by_name() -> None:
    recording = make_recording(0)
    plan = make_plan(recording)
    assert "no strategy 'model'" in refused(make_plan(recording, "model"), recording)
    wide = replace(plan, rules=replace(plan.rules, price_cap_fraction=Decimal(1)))
    assert "price cap of 1" in refused(wide, recording)
    assert "nothing to decide" in refused(replace(plan, start=plan.end), recording)


def test_two_cash_pools_and_an_asset_twice_are_refused() -> None:
    first, second = make_recording(0).series[:2]
    euro = replace(second, instrument=replace(ETH, quote="EUR"))
    mixed = Recording(title="two pools", calendar="24x7", series=(first, euro))
    assert "one cash pool, not EUR, USD" in refused(make_plan(mixed), mixed)
    twin = replace(second, instrument=replace(BTC, venue="U"))
    twice = Recording(title="twice", calendar="24x7", series=(first, twin))
    assert "BTC is there twice" in refused(make_plan(twice), twice)


def test_a_price_off_its_step_is_told_as_the_exact_speed_tells_it() -> None:
    recording = make_recording(0)
    bars = recording.series[0].bars.copy()
    bars.loc[150, "close"] += 0.003
    broken = Recording(
        title="off", calendar="24x7", series=(replace(recording.series[0], bars=bars), *recording.series[1:])
    )
    assert "is not a multiple of the step 0.01" in refused(make_plan(broken), broken)


def test_machine_code_is_kept_in_home(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    chosen: Settings = load_settings(home=tmp_path)
    keep_compiled_code(chosen)
    import os

    assert os.environ["NUMBA_CACHE_DIR"] == f"{tmp_path}/numba"
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/elsewhere")
    keep_compiled_code(chosen)
    assert os.environ["NUMBA_CACHE_DIR"] == "/elsewhere"
    monkeypatch.delenv("NUMBA_CACHE_DIR")


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"spread": "0.001"}, "no spread"), ({"impact": "0.1"}, "no impact"), ({"latency_seconds": 5}, "no latency")],
)
def test_costs_that_the_kernels_do_not_know_are_refused_by_name(changes: dict[str, object], told: str) -> None:
    recording = make_recording(1)
    with pytest.raises(DataError, match=told):
        run_fast_backtest(recording, make_plan(recording, **changes))
