"""Walk-forward: the best set of each train window, told on the test window after it; only tests are reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from tidemill.domain.errors import DataError
from tidemill.domain.market import CALENDAR_DAYS_PER_YEAR, format_time, timeframe_seconds
from tidemill.research.jobs import load_plan
from tidemill.research.parameter_sets import (
    Outcome,
    Params,
    Search,
    SetResult,
    Window,
    best_of,
    join_returns,
    make_windows,
    parameter_grid,
    read_range,
    read_values,
)
from tidemill.research.requests import BacktestRequest, Speed
from tidemill.research.sweep import Sweeper, SweepReport, run_sweep, try_sets


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLengths:
    """Lengths of the windows in days, and of the gap between them in bars.

    The gap must be as long as a forecast looks ahead, or the end of the train window knows the test's beginning.
    """

    train_days: float
    test_days: float
    purge_bars: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """Which sets a person wants tried: ``values`` as name=v,v and ``ranges`` as name=low:high.

    With ranges Optuna tries ``trials`` sets; without, every combination of the values is tried, the plan's own
    when there are none. With ``windows`` the sweep walks forward.
    """

    values: Sequence[str] = ()
    ranges: Sequence[str] = ()
    trials: int = 50
    windows: WindowLengths | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowResult:
    """One window: the set that was best on its train part, how many sets were skipped there, and its test.

    ``resumed`` of its sets had been tried before.
    """

    window: Window
    params: Params
    skipped: int
    test: SetResult
    resumed: int

    def to_json(self) -> dict[str, Any]:
        """JSON-ready.

        The test is told as out of sample: its data played no part in the choice.
        """
        window = self.window
        return {
            "train": [format_time(window.train_start), format_time(window.train_end)],
            "test": [format_time(window.test_start), format_time(window.test_end)],
            "chosen": dict(self.params),
            "skipped": self.skipped,
            "out_of_sample": self.test.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedTests:
    """All tests as one run: returns compounded, one Sharpe ratio over all marks, the deepest fall within a window.

    ``sharpe`` is annual and None where it is not defined. Returns are compounded as if each test began with the full
    account.
    """

    windows: int
    total_return: float
    sharpe: float | None
    worst_drawdown: float
    fees: str
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkForwardReport:
    """What came of walking forward: each window's choice and test, and all tests joined.

    Figures of train windows are left out: they were chosen for being good.
    """

    speed: Speed
    strategy: str
    sets: int
    purge_bars: int
    windows: tuple[WindowResult, ...]
    out_of_sample: JoinedTests

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings.

        ``resumed`` is summed over the windows.
        """
        return {
            "speed": self.speed,
            "strategy": self.strategy,
            "sets": self.sets,
            "resumed": sum(result.resumed for result in self.windows),
            "purge_bars": self.purge_bars,
            "windows": [result.to_json() for result in self.windows],
            "out_of_sample": asdict(self.out_of_sample),
        }


def run_options(sweeper: Sweeper, request: BacktestRequest, options: SweepOptions) -> SweepReport | WalkForwardReport:
    """The sweep, or the walk-forward, of ``options``; DataError names what is wrong with them.

    With windows there may be no ranges: DataError says why.
    """
    choices = dict(map(read_values, options.values))
    ranges = dict(map(read_range, options.ranges))
    if options.windows is None:
        search = Search(ranges=ranges, choices=choices, count=options.trials)
        return run_sweep(sweeper, request, search if ranges else list(parameter_grid(choices)))
    if ranges:
        raise DataError("walking forward takes values, not ranges: every window must choose among the same sets")
    return run_walk_forward(sweeper, request, list(parameter_grid(choices)), options.windows)


def run_walk_forward(
    sweeper: Sweeper, request: BacktestRequest, sets: Sequence[Params], lengths: WindowLengths
) -> WalkForwardReport:
    """Walk over the request's period; every set on every train window, and every test, is a trial.

    DataError when no window fits, or no set could be tried on a window.
    """
    results = tuple(_walk(sweeper, request, sets, window) for window in _windows(sweeper, request, lengths))
    return WalkForwardReport(
        speed=request.speed,
        strategy=request.strategy,
        sets=len(sets),
        purge_bars=lengths.purge_bars,
        windows=results,
        out_of_sample=_join([result.test for result in results if isinstance(result.test, Outcome)], sweeper, request),
    )


def _windows(sweeper: Sweeper, request: BacktestRequest, lengths: WindowLengths) -> list[Window]:
    _, plan = load_plan(sweeper.plan_loader, request)
    return make_windows(
        plan.start,
        plan.end,
        train=timedelta(days=lengths.train_days),
        test=timedelta(days=lengths.test_days),
        purge=timedelta(seconds=lengths.purge_bars * timeframe_seconds(plan.rules.grid.timeframe)),
    )


def _walk(sweeper: Sweeper, request: BacktestRequest, sets: Sequence[Params], window: Window) -> WindowResult:
    train = replace(request, start=window.train_start, end=window.train_end)
    results, resumed = try_sets(sweeper, train, sets)
    best = best_of(results)
    if best is None:
        raise DataError(f"no parameter set could be tried from {format_time(window.train_start)}; look at the sets")
    test = replace(request, start=window.test_start, end=window.test_end)
    return WindowResult(
        window=window,
        params=best.params,
        skipped=len(results) - sum(isinstance(result, Outcome) for result in results),
        # one set only: a look at the test data with any other would be another trial
        test=try_sets(sweeper, test, [best.params]).results[0],
        resumed=resumed,
    )


def _join(tests: Sequence[Outcome], sweeper: Sweeper, request: BacktestRequest) -> JoinedTests:
    if not tests:
        raise DataError("no test window could be run; look at the sets that were chosen")
    _, plan = load_plan(sweeper.plan_loader, request)
    points = sum(1 for _ in plan.rules.grid.points(plan.start, plan.end))
    years = (plan.end - plan.start) / timedelta(days=CALENDAR_DAYS_PER_YEAR)
    return JoinedTests(
        windows=len(tests),
        total_return=math.prod(1 + test.total_return for test in tests) - 1,
        sharpe=join_returns([test.returns for test in tests], points / years),
        worst_drawdown=max(test.max_drawdown for test in tests),
        fees=f"{sum(test.fees for test in tests):.8f}",
        orders=sum(test.orders for test in tests),
    )
