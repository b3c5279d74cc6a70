"""How far equity fell from its peak, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """One fall: from the ``peak`` to the ``trough`` and back to the peak's equity (``recovered`` None: not yet).

    ``depth`` is 1 - equity/peak at the trough, a fraction >= 0; ``length`` runs from the peak to the recovery, or to
    the last mark.
    """

    depth: float
    peak: datetime
    trough: datetime
    recovered: datetime | None
    length: timedelta


def drawdown_curve(curve: pd.Series[float]) -> pd.Series[float]:
    """1 - equity/peak at each mark, >= 0, the peak being the highest mark so far."""
    return 1.0 - curve / curve.cummax()


def find_drawdowns(curve: pd.Series[float]) -> tuple[Drawdown, ...]:
    """Every fall below a peak in order of time; none for a curve that never falls."""
    values = curve.to_numpy(dtype="float64")
    times = [one.to_pydatetime() for one in curve.index]
    under = np.flatnonzero(values < np.maximum.accumulate(values))
    if not len(under):
        return ()
    runs = np.split(under, np.flatnonzero(np.diff(under) > 1) + 1)
    return tuple(_describe(values, times, int(run[0]), int(run[-1])) for run in runs)


def _describe(values: np.ndarray, times: list[datetime], first: int, last: int) -> Drawdown:
    peak = first - 1
    trough = first + int(np.argmin(values[first : last + 1]))
    recovered = times[last + 1] if last + 1 < len(times) else None
    return Drawdown(
        depth=1.0 - float(values[trough] / values[peak]),
        peak=times[peak],
        trough=times[trough],
        recovered=recovered,
        length=(recovered or times[-1]) - times[peak],
    )


def worst_drawdown(curve: pd.Series[float]) -> Drawdown | None:
    """The deepest fall (the first of equals), or None."""
    return max(find_drawdowns(curve), key=lambda one: one.depth, default=None)


def longest_drawdown(curve: pd.Series[float]) -> Drawdown | None:
    """The fall that lasted longest from peak to recovery, or None."""
    return max(find_drawdowns(curve), key=lambda one: one.length, default=None)
