"""Bars of one instrument with all their revisions, and what was known of them at any moment. Times are in micros."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tidemill.domain.market import DecisionGrid, timeframe_seconds, to_micros
from tidemill.ports.frames import MICROS_PER_SECOND, micros

FIELDS = ("high", "low", "close", "volume")


class PointClock:
    """A grid of decisions in micros: which point decides on which bar. ``sessions`` is None on a 24x7 grid.

    24x7: a bar is decided at its close. As recorded: at the open of the session after it.
    """

    def __init__(self, grid: DecisionGrid) -> None:
        self.length = timeframe_seconds(grid.timeframe) * MICROS_PER_SECOND
        self.delay = grid.delay_seconds * MICROS_PER_SECOND
        self.sessions = (
            np.array([to_micros(session) for session in grid.sessions], dtype=np.int64)
            if grid.calendar == "as-recorded"
            else None
        )

    def points(self, opens: np.ndarray) -> np.ndarray:
        """The point that decides on each bar, int64 (bars,); -1 where no session follows.

        ``opens`` are int64 micros, in any order.
        """
        if self.sessions is None:
            return opens + self.length
        following = np.searchsorted(self.sessions, opens, side="right")
        points: np.ndarray = np.append(self.sessions, -1)[following]
        return points

    def decided_opens(self, points: np.ndarray) -> np.ndarray:
        """Open of the bar that each point decides on, int64 (points,).

        ``points`` are points of the grid; of another moment the answer means nothing.
        """
        if self.sessions is None:
            return points - self.length
        opens: np.ndarray = self.sessions[np.searchsorted(self.sessions, points) - 1]
        return opens


class BarHistory:
    """Arrays (bars,) ascending by open time, then by when a revision was stored; ``values`` float64 by field.

    ``bars`` is a frame in that order. It may hold several revisions of one bar, each with the time from which it was
    known.
    """

    def __init__(self, bars: pd.DataFrame, clock: PointClock) -> None:
        self.opens = micros(bars["open_time"])
        self.values = {name: bars[name].to_numpy(dtype=np.float64) for name in FIELDS}
        self._known_from = micros(bars["knowledge_time"])
        self._irregular_before = np.append(0, np.cumsum(self._find_irregular(clock)))

    def _find_irregular(self, clock: PointClock) -> np.ndarray:
        """Whether each bar was revised, or known later than the decision on it: bool (bars,)."""
        points = clock.points(self.opens)
        irregular: np.ndarray = (points >= 0) & (self._known_from > points + clock.delay)
        # revisions of one bar stand side by side: both count as irregular
        revised = self.opens[1:] == self.opens[:-1]
        irregular[1:] |= revised
        irregular[:-1] |= revised
        return irregular

    def are_regular(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Whether all bars opened from ``first`` to ``last`` were in time and never revised: bool, for each pair.

        Both ends are int64 micros and count. Where it is true, features may be cut from one array for all points, and
        need no look at revisions.
        """
        low = np.searchsorted(self.opens, first, side="left")
        high = np.searchsorted(self.opens, last, side="right")
        regular: np.ndarray = self._irregular_before[low] == self._irregular_before[high]
        return regular

    def last_positions(self, opens: np.ndarray) -> np.ndarray:
        """Position of the last bar opened at or before each of ``opens``; -1 where there is none.

        int64, one for each of ``opens``; of several revisions of that bar the last stored.
        """
        positions: np.ndarray = np.searchsorted(self.opens, opens, side="right") - 1
        return positions

    def newest_revisions(self, moment: int | None = None, last_open: int | None = None) -> np.ndarray:
        """Positions of the newest revision of each bar, ascending by open time.

        With ``moment`` only revisions known by then count, with ``last_open`` only bars opened at or before it.
        """
        end = None if last_open is None else int(np.searchsorted(self.opens, last_open, side="right"))
        positions = np.arange(len(self.opens))[:end]
        if moment is not None:
            positions = positions[self._known_from[:end] <= moment]
        opens = self.opens[positions]
        newest: np.ndarray = positions[np.append(opens[1:] != opens[:-1], True)[: len(opens)]]
        return newest

    def closes_at(self, opens: np.ndarray, moment: int | None = None) -> np.ndarray:
        """Closes of the bars opened at ``opens``, as known at ``moment`` (None: as revised last); NaN without one.

        ``opens`` are int64 micros in any order, ``moment`` micros. float64, one for each.
        """
        positions = self.newest_revisions(moment)
        if not len(positions):
            return np.full(len(opens), np.nan)
        own = self.opens[positions]
        nearest = np.minimum(np.searchsorted(own, opens), len(own) - 1)
        return np.where(own[nearest] == opens, self.values["close"][positions][nearest], np.nan)
