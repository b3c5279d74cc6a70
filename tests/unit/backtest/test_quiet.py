"""Points that a strategy says it has nothing to decide at: passing them by changes nothing, and it is checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.backtest import BacktestPlan, BacktestResult, run_backtest
from tidemill.bootstrap import make_backtest_plan
from tidemill.bootstrap.plans import recorded_settings
from tidemill.domain.errors import StrategyError
from tidemill.domain.market import Instrument
from tidemill.forecasting import Targets, View
from tidemill.recording import RecordedSeries, Recording
from tidemill.recording.traded import make_grid
from tidemill.settings import load_settings

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
BARS, FIRST = 420, 200
ONE = Instrument(venue="T", base="BTC", quote="USD", price_step=Decimal("0.01"), lot_step=Decimal("0.001"))
TWO = replace(ONE, base="ETH")


@dataclass(frozen=True, kw_only=True)
class Jumpy:
    """In when the last bar rose by a percent, out when it fell by one: known from two bars."""

    name: str = "jumpy"
    code_hash: str = ""
    source: str = ""

    def needs(self, grid: object, champion: object) -> tuple[str, ...]:
        return ()

    def horizon_bars(self, grid: object, champion: object) -> int:
        return 1

    def decide(self, view: View) -> Targets:
        bars, wanted = view.bars, {}
        for name in view.features.index:
            closes = bars.loc[bars["instrument"] == name, "close"].to_numpy()[-2:]
            if abs(closes[1] / closes[0] - 1) > 0.01:
                rose = closes[1] > closes[0]
                wanted[str(name)] = view.portfolio.equity / 4 / view.prices[str(name)] if rose else Decimal(0)
        return Targets(quantities=wanted)


class Foretelling(Jumpy):
    """The same, and it says when."""

    def speaks_at(self, bars: pd.DataFrame, points: pd.DatetimeIndex) -> np.ndarray:
        spoken = np.zeros(len(points), dtype=bool)
        for _, some in bars.groupby("instrument"):
            jumps = some.loc[(some["close"].pct_change().abs() > 0.009).to_numpy(), "open_time"] + HOUR
            spoken |= points.isin(pd.DatetimeIndex(jumps))
        return spoken


class Silent(Jumpy):
    """It says that it never decides, and does."""

    def speaks_at(self, bars: pd.DataFrame, points: pd.DatetimeIndex) -> np.ndarray:
        return np.zeros(len(points), dtype=bool)


class Peeking(Foretelling):
    """It speaks only where the bar after the decided one rises."""

    def speaks_at(self, bars: pd.DataFrame, points: pd.DatetimeIndex) -> np.ndarray:
        some = bars[bars["instrument"] == ONE.id]
        rises = some.loc[(some["close"].shift(-1) > some["close"]).to_numpy(), "open_time"] + HOUR
        return points.isin(pd.DatetimeIndex(rises))


def make_recording(seed: int) -> Recording:
    random = np.random.default_rng(seed)
    series = []
    for one in (ONE, TWO):
        closes = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.006, BARS))), 2)
        opens = np.concatenate([[100.0], closes[:-1]])
        bars = pd.DataFrame(
            {
                "open_time": pd.DatetimeIndex([START + HOUR * number for number in range(BARS)]).as_unit("us"),
                "open": opens,
                "high": np.maximum(opens, closes) + 1,
                "low": np.minimum(opens, closes) - 1,
                "close": closes,
                "volume": random.uniform(1e3, 1e5, BARS).round(3),
            }
        )
        # now and then one bar is missing, and once a day of both
        gone = {*random.choice(np.arange(FIRST, BARS - 3), 3).tolist(), *range(300, 312)} if seed % 2 else set()
        kept = bars.drop(index=sorted(gone)).reset_index(drop=True)
        series.append(RecordedSeries(instrument=one, timeframe="1h", bars=kept))
    return Recording(title="random", calendar="24x7", series=tuple(series))


def plan_of(recording: Recording, strategy: Jumpy) -> BacktestPlan:
    chosen = load_settings()
    grid = make_grid(recording, None, chosen.decision_delay_seconds)
    plain = recorded_settings(chosen, recording, "trend")
    plan = make_backtest_plan(plain, recording, grid, start=START + FIRST * HOUR, end=START + (BARS - 2) * HOUR)
    return replace(plan, rules=replace(plan.rules, strategy=strategy.name, own=strategy))


def run(recording: Recording, strategy: Jumpy) -> BacktestResult:
    return run_backtest(recording, plan_of(recording, strategy))


@given(st.integers(0, 10**6))
@settings(max_examples=6, deadline=None)
def test_passing_by_what_is_quiet_changes_nothing(seed: int) -> None:
    recording = make_recording(seed)
    whole, quick = run(recording, Jumpy()), run(recording, Foretelling())
    assert quick.passed > 30 or seed % 2
    assert whole.passed == 0
    assert len(quick.decisions) + quick.passed == len(whole.decisions)
    assert quick.orders == whole.orders
    assert quick.fills == whole.fills
    assert quick.equity == whole.equity
    assert quick.to_json("jumpy") == whole.to_json("jumpy")


def test_the_drawdown_knows_a_peak_between_two_decisions() -> None:
    recording = make_recording(4)
    whole, quick = run(recording, Jumpy()), run(recording, Foretelling())
    peaks = {one.as_of: one.record["portfolio"]["peak_equity"] for one in whole.decisions if one.outcome == "decided"}
    for one in quick.decisions:
        assert Decimal(one.record["portfolio"]["peak_equity"]) == Decimal(peaks[one.as_of])


def test_a_strategy_that_speaks_where_it_said_it_would_not_is_named() -> None:
    with pytest.raises(StrategyError, match=r"'jumpy' decides at 2021-.*, where its speaks_at said that it would not"):
        run(make_recording(2), Silent())


def test_a_strategy_that_chooses_its_points_by_what_follows_is_named() -> None:
    with pytest.raises(StrategyError, match="'jumpy' peeks: what speaks_at says"):
        run(make_recording(2), Peeking())
