"""A thousand parameter sets of `trend` over a year of hours of twenty instruments: fast, on two threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from benchmarks.timing import Options, Row
from tidemill.bootstrap import keep_compiled_code, make_backtest_plan
from tidemill.domain.market import DecisionGrid, Instrument
from tidemill.recording import RecordedSeries, Recording
from tidemill.research.parameter_sets import Outcome, parameter_grid
from tidemill.settings import load_settings

TITLE = "Sweeps"
INSTRUMENTS, HOURS = 20, 24 * 365
START = datetime(2021, 1, 1, tzinfo=UTC)
CENT = Decimal("0.01")


def make_recording() -> Recording:
    """Random walks of a fixed seed."""
    random = np.random.default_rng(7)
    times = pd.DatetimeIndex([START + timedelta(hours=hour) for hour in range(HOURS)]).as_unit("us")
    made = []
    for number in range(INSTRUMENTS):
        close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.005, HOURS))), 2)
        opened = np.concatenate([[100.0], close[:-1]])
        prices = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
        bars = pd.DataFrame({"open_time": times, **prices, "volume": np.round(random.uniform(1e4, 1e6, HOURS), 2)})
        one = Instrument(venue="T", base=f"A{number:02d}", quote="USD", price_step=CENT, lot_step=Decimal("0.001"))
        made.append(RecordedSeries(instrument=one, timeframe="1h", bars=bars))
    return Recording(title="sweep", calendar="24x7", series=tuple(made))


def rows(_options: Options) -> list[Row]:
    recording = make_recording()
    universe = tuple(one.instrument.id for one in recording.series)
    settings = load_settings(universe=universe, timeframe="1h", strategy="trend")
    keep_compiled_code(settings)
    from tidemill.research.parameter_sets.engines import open_engine, try_params

    grid = DecisionGrid(timeframe="1h", delay_seconds=90)
    plan = make_backtest_plan(settings, recording, grid, start=recording.first_open, end=recording.last_close)
    plan = replace(plan, start=recording.first_open + timedelta(hours=1))
    values = {
        "volatility_target_annual": np.linspace(0.05, 0.5, 10).tolist(),
        "buffer_fraction": np.linspace(0.0, 0.5, 10).tolist(),
        "max_instrument_fraction": np.linspace(0.05, 0.5, 10).tolist(),
    }
    sets = list(parameter_grid(values))
    began, worked = time.perf_counter(), time.process_time()
    engine = open_engine(recording, plan, speed="fast", days_per_year=365.0)
    made = time.perf_counter() - began
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(lambda one: try_params(engine, one), sets))
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    assert all(isinstance(one, Outcome) for one in found)
    return [
        Row(f"{len(sets):,} sets, {INSTRUMENTS} instruments, {HOURS:,} hours", f"{seconds:.1f} s", "60 s, 1 GB"),
        Row("of which the arrays that all sets share", f"{made:.1f} s"),
        Row("processor seconds of both threads", f"{processor:.1f} s"),
    ]
