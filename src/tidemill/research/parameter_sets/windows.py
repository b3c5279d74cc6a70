"""Walk-forward: chosen on one window, told on the next, with a gap between so that nothing is seen twice."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.domain.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Sets are chosen on [``train_start``, ``train_end``) and told on [``test_start``, ``test_end``).

    Moments are decided closes in UTC. Between train and test lies the gap that is purged.
    """

    train_start: datetime
    train_end: datetime
    test_start: datetime
    test_end: datetime


def make_windows(
    start: datetime, end: datetime, *, train: timedelta, test: timedelta, purge: timedelta
) -> list[Window]:
    """Windows that roll on by ``test``; tests follow one another without overlap, each ``purge`` after its train.

    What a strategy forecasts in the last bars before ``train_end`` comes true in the gap, never in the test. A last
    test that would not be whole is left out. DataError when not even one fits.
    """
    if min(train, test) <= timedelta(0) or purge < timedelta(0):
        raise DataError("train and test windows must be longer than nothing, and the gap between them not negative")
    windows = []
    first = start
    while first + train + purge + test <= end:
        test_start = first + train + purge
        windows.append(
            Window(train_start=first, train_end=first + train, test_start=test_start, test_end=test_start + test)
        )
        first += test
    if not windows:
        raise DataError(
            f"{_days(train + purge + test)} of train, gap and test do not fit into {_days(end - start)}; "
            "make them shorter"
        )
    return windows


def _days(length: timedelta) -> str:
    return f"{length / timedelta(days=1):.4g} days"


def join_returns(parts: Iterable[tuple[int, float, float]], periods: float) -> float | None:
    """Annual Sharpe ratio of all returns together, from (count, sum, sum of squares) of each part.

    mean / sample standard deviation x sqrt(``periods`` per year); None where it is not defined.
    """
    count, total, squares = (sum(values) for values in zip(*parts, strict=True))
    if count < 2:
        return None
    mean = total / count
    # from sums alone, so that the marks of every window need not be kept
    variance = (squares - count * mean * mean) / (count - 1)
    return mean / math.sqrt(variance) * math.sqrt(periods) if variance > 1e-18 else None
