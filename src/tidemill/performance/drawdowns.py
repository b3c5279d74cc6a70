"""How far equity fell from its peak, and for how long.

A fall begins at the last mark before equity is below its peak, and ends at the first mark that is as high again.
"""

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
    """1 - equity/peak at each mark, >= 0, the peak being the highest mark so far.

    ``curve`` is of :func:`~tidemill.performance.returns.make_curve`; the result has its index. No NaN, as equity is
    above 0.
    """
    return 1.0 - curve / curve.cummax()


class Falls:
    """Every fall of a curve below a peak, looked for once and kept as arrays: a year of minutes has many.

    ``first`` and ``last``: rows of the first and last mark below each peak; ``depth`` and ``length``: as in
    :class:`Drawdown`, the length in microseconds.
    """

    def __init__(self, curve: pd.Series[float]) -> None:
        self._curve = curve
        values = curve.to_numpy(dtype="float64")
        # 1 where equity is below its peak; a fall begins where that rises to 1 and ends where it is 0 again
        under = (values < np.maximum.accumulate(values)).astype(np.int8)
        edges = np.diff(np.concatenate([[0], under, [0]]))
        self.first, self.last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
        # what lies between two falls is higher than either, so the lowest up to the next fall is that of this one
        lowest = np.minimum.reduceat(values, self.first) if len(self.first) else np.empty(0)
        self.depth = 1.0 - lowest / values[self.first - 1]
        times = curve.index.to_numpy("datetime64[us]").astype(np.int64)
        self.length = times[np.minimum(self.last + 1, len(times) - 1)] - times[self.first - 1]

    def all(self) -> tuple[Drawdown, ...]:
        """Each fall in order of time; none for a curve that never falls.

        A value for each: of a year of minutes ask for the deepest and the longest instead.
        """
        return tuple(self._tell(place) for place in range(len(self.first)))

    def deepest(self) -> Drawdown | None:
        """The deepest fall (the first of equals), or None."""
        return self._tell(int(np.argmax(self.depth))) if len(self.first) else None

    def longest(self) -> Drawdown | None:
        """The fall that lasted longest from peak to recovery, or None."""
        return self._tell(int(np.argmax(self.length))) if len(self.first) else None

    def _tell(self, place: int) -> Drawdown:
        first, last = int(self.first[place]), int(self.last[place])
        peak, recovered = first - 1, last + 1 < len(self._curve)
        trough = first + int(np.argmin(self._curve.to_numpy()[first : last + 1]))
        until = self._moment(last + 1 if recovered else len(self._curve) - 1)
        return Drawdown(
            depth=float(self.depth[place]),
            peak=self._moment(peak),
            trough=self._moment(trough),
            recovered=until if recovered else None,
            length=until - self._moment(peak),
        )

    def _moment(self, row: int) -> datetime:
        moment: datetime = self._curve.index[row].to_pydatetime()
        return moment
