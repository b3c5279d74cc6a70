"""P1 and P2 through the exact backtest: the stages that `trade` calls, and matching, in Decimal.

The bars are told with the price at which the next one opens as their close, since the workloads size at the
price that they fill at; what the strategies know is made of the arrays' own closes. Steps are so fine, and volumes
so large, that rounding is all that differs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.backtest import BacktestPlan, BacktestResult, run_backtest
from tidemill.bootstrap import make_backtest_plan
from tidemill.domain.market import DecisionGrid, Instrument, to_micros
from tidemill.domain.trading import Side
from tidemill.forecasting import Targets, View
from tidemill.kernels import inverse_volatility, sma_cross
from tidemill.recording import RecordedSeries, Recording
from tidemill.risk import Limits
from tidemill.settings import load_settings

Arrays = dict[str, np.ndarray]
STEP = Decimal("0.00000001")
CASH = Decimal(100_000)
STAKE = Decimal(1000)
DAY, WEEK = 24, 168
NO_LIMIT = Decimal(10**6)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """A strategy whose signals are made before: ``rows`` (micros -> index) are the points at which it speaks."""

    name: str
    rows: dict[int, int]
    values: np.ndarray
    code_hash: str = ""
    source: str = ""

    def needs(self, grid: DecisionGrid, champion: object) -> tuple[str, ...]:
        return ()

    def horizon_bars(self, grid: DecisionGrid, champion: object) -> int:
        return 1

    def speaks_at(self, bars: pd.DataFrame, points: pd.DatetimeIndex) -> np.ndarray:
        return np.isin(points.as_unit("us").asi8, np.fromiter(self.rows, np.int64))

    def decide(self, view: View) -> Targets:
        row = self.rows.get(to_micros(view.as_of - view.grid.delay))
        return Targets(quantities={} if row is None else self.wanted(view, row))

    def wanted(self, view: View, row: int) -> dict[str, Decimal]:
        return {}


class Cross(Known):
    """P1: in for a stake, out again."""

    __slots__ = ()

    def wanted(self, view: View, row: int) -> dict[str, Decimal]:
        ((name, price),) = view.prices.items()
        if self.values[row] > 0:
            return {name: STAKE / price}
        return {name: Decimal(0)} if view.portfolio.held[name] else {}


class Rebalance(Known):
    """P2: each instrument at its weight."""

    __slots__ = ()

    def wanted(self, view: View, row: int) -> dict[str, Decimal]:
        names = list(view.prices)
        weights = [Decimal(repr(one)) for one in self.values[row].tolist()]
        equity = view.portfolio.equity
        return {name: weight * equity / view.prices[name] for name, weight in zip(names, weights, strict=True)}


def moments(arrays: Arrays) -> np.ndarray:
    """Open times in micros."""
    made: np.ndarray = arrays["ts"].astype("datetime64[ms]").astype("datetime64[us]").astype(np.int64)
    return made


def record(arrays: Arrays, timeframe: str) -> Recording:
    """The arrays as a recording; each bar closes at the next one's open."""
    times = pd.DatetimeIndex(moments(arrays).astype("datetime64[us]")).tz_localize("UTC")
    close = np.concatenate([arrays["o"][1:], arrays["c"][-1:]])
    high = np.maximum.reduce([arrays["h"], close, arrays["o"]])
    low = np.minimum.reduce([arrays["l"], close, arrays["o"]])
    series = []
    for column in range(close.shape[1]):
        one = Instrument(venue="T", base=f"A{column:02d}", quote="USD", price_step=STEP, lot_step=STEP)
        told = {"open": arrays["o"], "high": high, "low": low, "close": close}
        frame = pd.DataFrame({"open_time": times} | {name: values[:, column] for name, values in told.items()})
        series.append(
            RecordedSeries(instrument=one, timeframe=timeframe, bars=frame.assign(volume=1e12 + np.arange(len(frame))))
        )
    return Recording(title="bench", calendar="24x7", series=tuple(series))


def make_plan(recording: Recording, strategy: Known, delay: int) -> BacktestPlan:
    """Costs of the workloads, and limits that never act."""
    timeframe = recording.series[0].timeframe
    universe = tuple(one.instrument.id for one in recording.series)
    settings = load_settings(
        universe=universe, timeframe=timeframe, strategy="trend", start_cash=CASH, fee_asset="quote",
        slippage=Decimal(0), participation=Decimal(1), fee_maker=Decimal("0.001"), fee_taker=Decimal("0.001"),
    )  # fmt: skip
    grid = DecisionGrid(timeframe=timeframe, delay_seconds=delay)
    plan = make_backtest_plan(settings, recording, grid, start=recording.first_open, end=recording.last_close)
    limits = Limits(
        max_gross_fraction=NO_LIMIT,
        max_position_fraction=NO_LIMIT,
        max_order_fraction=NO_LIMIT,
        max_volume_fraction=NO_LIMIT,
        max_drawdown=Decimal(1),
    )
    rules = replace(plan.rules, strategy=strategy.name, own=strategy, limits=limits)
    return replace(plan, rules=rules, start=recording.first_open + timedelta(seconds=grid.spacing.total_seconds()))


def prepare_p1(m1: Arrays) -> tuple[Recording, BacktestPlan]:
    """A cross at a close is decided there, and filled at the next open."""
    crosses = sma_cross(np.ascontiguousarray(m1["c"][:, 0]), 20, 100)
    rows = np.flatnonzero(crosses[:-1])
    ends = moments(m1)[rows + 1].tolist()
    strategy = Cross(name="cross", rows=dict(zip(ends, range(len(rows)), strict=True)), values=crosses[rows])
    recording = record(m1, "1m")
    return recording, make_plan(recording, strategy, 30)


def prepare_p2(h1: Arrays) -> tuple[Recording, BacktestPlan]:
    """At the end of each day from the eighth on."""
    rows = np.arange(8, len(h1["c"]) // DAY) * DAY
    weights = inverse_volatility(h1["c"], rows, WEEK, 0.95)
    ends = moments(h1)[rows].tolist()
    strategy = Rebalance(name="rebalance", rows=dict(zip(ends, range(len(rows)), strict=True)), values=weights)
    recording = record(h1, "1h")
    return recording, make_plan(recording, strategy, 90)


def equity_and_orders(result: BacktestResult) -> tuple[float, int, int]:
    """Final equity, orders that filled, and buys among them."""
    filled = [one for one in result.orders if one.filled]
    return float(result.equity[-1][1]), len(filled), sum(one.intent.side is Side.BUY for one in filled)


def run(prepared: tuple[Recording, BacktestPlan]) -> BacktestResult:
    return run_backtest(*prepared)


if __name__ == "__main__":
    import cProfile
    import pstats
    import sys
    import time
    from pathlib import Path

    name = sys.argv[2]
    with np.load(Path(sys.argv[1]) / ("m1.npz" if name == "P1" else "h1.npz")) as stored:
        arrays = {
            key: stored[key][: int(sys.argv[3]) if len(sys.argv) > 3 else None] for key in ("ts", "o", "h", "l", "c")
        }
    prepared = (prepare_p1 if name == "P1" else prepare_p2)(arrays)
    profile = cProfile.Profile()
    if len(sys.argv) > 4:
        profile.enable()
    began = time.perf_counter()
    made = run(prepared)
    profile.disable()
    print(time.perf_counter() - began, equity_and_orders(made), len(made.decisions), made.passed)
    if len(sys.argv) > 4:
        pstats.Stats(profile).sort_stats(sys.argv[4]).print_stats(60)
