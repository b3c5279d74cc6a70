"""How much the decisions of a backtest had before them: bars, what was missing, posts and their scores."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

import numpy as np

from tidemill.backtest.values import BacktestPlan
from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time, from_micros, timeframe_seconds, to_micros
from tidemill.quality import expected_opens, find_missing
from tidemill.recording import Recording

TICK = timedelta(microseconds=1)


def seen_span(plan: BacktestPlan) -> tuple[datetime, datetime]:
    """From (exclusive) what was history at the first decision, to the moment at which the last one looked.

    A replay ingests just this in its steps. DataError when there is nothing to decide.
    """
    grid = plan.rules.grid
    points = grid.points(plan.start, plan.end)
    first = next(points, None)
    if first is None:
        span = f"from {format_time(plan.start)} to {format_time(plan.end)}"
        raise DataError(f"there is nothing to decide {span}")
    last = next(iter(deque(points, maxlen=1)), first)
    return grid.decided_open(first) + grid.delay / 2, last + grid.delay / 2


def count_bars(recording: Recording, plan: BacktestPlan) -> dict[str, int]:
    """``bars`` of the universe that closed in the span of the decisions, and ``gaps``: bars missing among them.

    Missing is what the calendar has between an instrument's first bar and its last one known then.
    """
    grid, (after, until) = plan.rules.grid, seen_span(plan)
    length = timedelta(seconds=timeframe_seconds(grid.timeframe))
    low, high = to_micros(after - length), to_micros(until - length)
    bars = gaps = 0
    for name in plan.rules.universe:
        opens = recording.open_times(name, grid.timeframe)
        known_opens = opens[opens <= high]
        inside = known_opens[known_opens > low]
        bars += len(inside)
        if len(known_opens):
            gaps += _count_missing(plan, inside, first=max(int(known_opens[0]), low + 1), last=int(known_opens[-1]))
    return {"bars": bars, "gaps": gaps}


def _count_missing(plan: BacktestPlan, inside: np.ndarray, *, first: int, last: int) -> int:
    grid = plan.rules.grid
    expected = expected_opens(grid.schedule, from_micros(first), from_micros(last + 1))
    return len(find_missing(expected, inside))
