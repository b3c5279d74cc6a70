"""Walk-forward: the best set of each train window, told on the test window after it; only tests are reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from tidemill.bootstrap.sweep_jobs import SweepRequest, sweep_plan
from tidemill.bootstrap.sweeping import Sweeper, run_sweep, try_all
from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time, timeframe_seconds
from tidemill.research.sweeps import (
    Found,
    Outcome,
    Params,
    Search,
    Window,
    best_of,
    join_returns,
    make_windows,
    parameter_grid,
    read_range,
    read_values,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkForward:
    """Lengths of the windows in days, and of the gap between them in bars."""

    train_days: float
    test_days: float
    purge_bars: int = 24


def run_wanted(
    sweeper: Sweeper,
    request: SweepRequest,
    values: Sequence[str],
    ranges: Sequence[str],
    trials: int,
    lengths: WalkForward | None,
) -> dict[str, Any]:
    """What a person asked for: ``values`` as name=v,v, ``ranges`` as name=low:high, ``lengths`` to walk forward.

    With ranges Optuna tries ``trials`` sets; without, every combination of the values is tried, the plan's own
    when there are none. DataError names what is wrong.
    """
    chosen = dict(map(read_values, values))
    ends = dict(map(read_range, ranges))
    if lengths is None:
        search = Search(ranges=ends, choices=chosen, count=trials)
        return run_sweep(sweeper, request, search if ends else list(parameter_grid(chosen)))
    if ends:
        raise DataError("walking forward takes values, not ranges: every window must choose among the same sets")
    return run_walk_forward(sweeper, request, list(parameter_grid(chosen)), lengths)


def run_walk_forward(
    sweeper: Sweeper, request: SweepRequest, wanted: Sequence[Params], lengths: WalkForward
) -> dict[str, Any]:
    """Walk over the request's period; every set on every train window, and every test, is a trial.

    DataError when no window fits, or no set could be tried on a window.
    """
    walked = [_walk(sweeper, request, wanted, window) for window in _windows(sweeper, request, lengths)]
    tests = [tested for _, _, tested in walked if isinstance(tested, Outcome)]
    return {
        "speed": request.speed,
        "strategy": request.strategy,
        "sets": len(wanted),
        "resumed": sum(resumed for _, resumed, _ in walked),
        "purge_bars": lengths.purge_bars,
        "windows": [told for told, _, _ in walked],
        "out_of_sample": _join(tests, sweeper, request),
    }


def _windows(sweeper: Sweeper, request: SweepRequest, lengths: WalkForward) -> list[Window]:
    _, plan = sweep_plan(sweeper.text, request)
    return make_windows(
        plan.start,
        plan.end,
        train=timedelta(days=lengths.train_days),
        test=timedelta(days=lengths.test_days),
        purge=timedelta(seconds=lengths.purge_bars * timeframe_seconds(plan.rules.grid.timeframe)),
    )


def _walk(
    sweeper: Sweeper, request: SweepRequest, wanted: Sequence[Params], window: Window
) -> tuple[dict[str, Any], int, Found]:
    """One window: what is told of it, how many of its sets had been tried before, and its test."""
    train = replace(request, start=window.train_start, end=window.train_end)
    found, resumed = try_all(sweeper, train, wanted)
    chosen = best_of(found)
    if chosen is None:
        raise DataError(f"no parameter set could be tried from {format_time(window.train_start)}; look at the sets")
    test = replace(request, start=window.test_start, end=window.test_end)
    tested = try_all(sweeper, test, [chosen.params])[0][0]
    told = {
        "train": [format_time(window.train_start), format_time(window.train_end)],
        "test": [format_time(window.test_start), format_time(window.test_end)],
        "chosen": dict(chosen.params),
        "skipped": len(found) - sum(isinstance(one, Outcome) for one in found),
        "out_of_sample": tested.as_dict(),
    }
    return told, resumed, tested


def _join(tests: Sequence[Outcome], sweeper: Sweeper, request: SweepRequest) -> dict[str, Any]:
    """All tests as one: returns compounded, one Sharpe ratio over all marks, the deepest fall within a window."""
    if not tests:
        raise DataError("no test window could be run; look at the sets that were chosen")
    _, plan = sweep_plan(sweeper.text, request)
    points = sum(1 for _ in plan.rules.grid.points(plan.start, plan.end))
    years = (plan.end - plan.start) / timedelta(days=365)
    return {
        "windows": len(tests),
        "total_return": math.prod(1 + one.total_return for one in tests) - 1,
        "sharpe": join_returns([one.returns for one in tests], points / years),
        "worst_drawdown": max(one.max_drawdown for one in tests),
        "fees": f"{sum(one.fees for one in tests):.8f}",
        "orders": sum(one.orders for one in tests),
    }
