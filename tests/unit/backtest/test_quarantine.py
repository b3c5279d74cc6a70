"""A doubted bar is out of a backtest from the moment a run would have refused it, and not before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exact_runs import BARS, HOUR, START, make_recording, plan_of

from tidemill.backtest import run_backtest
from tidemill.backtest.history import History
from tidemill.decision import PlainSteps, load_market
from tidemill.domain.market import to_micros
from tidemill.features import SENTIMENT_FEATURES
from tidemill.ingest import SeriesJob, store_checked
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.quality import OutlierRules, find_outliers, may_be_outlier
from tidemill.recording import Recording

SPIKED = BARS - 16
OLD_SPIKE = 60


def spoil(recording: Recording, *rows: int) -> Recording:
    """Make one bar of AAA at each row stand far above its neighbours."""
    series = recording.series[0]
    bars = series.bars.copy()
    for row in rows:
        bars.loc[row, ["open", "high", "low", "close"]] *= 2
    return replace(recording, series=(replace(series, bars=bars), *recording.series[1:]))


def test_a_spike_counts_until_its_neighbours_are_known() -> None:
    recording = spoil(make_recording(8), SPIKED, OLD_SPIKE)
    plan = plan_of(recording)
    points = list(plan.rules.grid.points(plan.start, plan.end))
    history = History(recording, plan, points, recording.tape())
    spike, old = START + HOUR * SPIKED, START + HOUR * OLD_SPIKE
    stood = {point: set(history.bars_at(plan.rules.grid.as_of(point))["open_time"]) for point in points}
    name = plan.rules.universe[0]
    assert history.refused is not None
    assert {one.instrument for one in history.refused.read_quarantine().itertuples()} == {name}
    first = START + HOUR * (SPIKED + 1)
    assert spike in set(history.bars_at(plan.rules.grid.as_of(first)).query("instrument == @name")["open_time"])
    later = history.bars_at(plan.rules.grid.as_of(first + 3 * HOUR)).query("instrument == @name")["open_time"]
    assert spike not in set(later)
    assert old not in set(history.bars_at(plan.rules.grid.as_of(points[0])).query("instrument == @name")["open_time"])
    assert len(stood) == len(points)


@pytest.mark.parametrize("every", [1, 4])
def test_each_decision_sees_what_a_run_would_see(every: int) -> None:
    recording = spoil(make_recording(8), SPIKED, OLD_SPIKE)
    plan = plan_of(recording, every=f"{every}h")
    rules, grid = plan.rules, plan.rules.grid
    points = list(grid.points(plan.start, plan.end))
    history = History(recording, plan, points, recording.tape())
    store, ledger = MemoryMarketStore(), MemoryGapLedger()
    bars = recording.as_bars(None, START, plan.end)
    told = grid.decided_open(points[0]) + grid.delay / 2
    done = START - HOUR
    for now, point in [(told, None), *((point + grid.delay / 2, point) for point in points)]:
        new = bars[(bars["open_time"] > done) & (bars["open_time"] <= now - HOUR)]
        for name, some in new.groupby("instrument"):
            store_checked(
                some.reset_index(drop=True),
                store,
                ledger,
                SeriesJob(instrument=rules.instruments[str(name)], timeframe="1h", outliers=plan.outliers),
                now=now,
                after=done if point else None,
            )
        done = new["open_time"].max().to_pydatetime() if len(new) else done
        if point:
            market = load_market(rules, grid.as_of(point), store, store, quarantine=ledger)
            expected = PlainSteps(rules).build_features(grid.as_of(point), market)
            seen = history.features.at(point).frame
            pd.testing.assert_frame_equal(seen, expected[seen.columns], check_exact=True)
            assert set(expected) - set(seen) == set(SENTIMENT_FEATURES)


def test_with_every_bar_trusted_the_forecasts_would_be_others() -> None:
    recording = spoil(make_recording(8), SPIKED)
    plan = plan_of(recording)
    trusting = replace(plan, outliers=OutlierRules(spike_fraction=50.0))
    seen, blind = (run_backtest(recording, one).decisions for one in (plan, trusting))
    assert [one.record["forecasts"] for one in seen] != [one.record["forecasts"] for one in blind]


def test_training_reads_no_doubted_bar() -> None:
    recording = spoil(make_recording(8), OLD_SPIKE)
    plan = plan_of(recording)
    points = list(plan.rules.grid.points(plan.start, plan.end))
    history = History(recording, plan, points, recording.tape())
    assert history.refused is not None
    stood = history.refused.read_quarantine(stored_until=to_micros(points[0]))
    assert stood["open_time"].tolist() == [START + HOUR * OLD_SPIKE]


@given(st.integers(0, 10**6), st.floats(0.01, 0.8), st.integers(0, 2))
def test_what_may_not_be_doubted_never_is(seed: int, wild: float, repeats: int) -> None:
    random = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(random.normal(0, wild, 30)))
    opens = closes * np.exp(random.normal(0, wild / 2, 30))
    bars = pd.DataFrame(
        {
            "open_time": pd.DatetimeIndex([START + HOUR * number for number in range(30)]),
            "open": opens,
            "high": np.maximum(opens, closes),
            "low": np.minimum(opens, closes),
            "close": closes,
            "volume": random.uniform(1, 9, 30),
        }
    )
    for _ in range(repeats):
        row = int(random.integers(1, 30))
        bars.iloc[row, 1:] = bars.iloc[row - 1, 1:]
    rules = OutlierRules()
    may = may_be_outlier(bars, rules=rules)
    for end in range(2, 31):
        assert may[:end][find_outliers(bars.iloc[:end], rules=rules) != ""].all()
    assert timedelta(hours=1) == HOUR
