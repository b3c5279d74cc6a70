"""The window features of one instrument at many points: each from what was known at its own as_of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidemill.features.bar_history import BarHistory, PointClock
from tidemill.features.windows import LOOKBACK, InstrumentBars, window_features

# A window of a 24x7 market that spans this much more than its bars need has too many gaps to be told from.
LARGEST_SPAN = 1.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowRows:
    """Row i decides at ``points[i]`` on the bar at position ``decided[i]`` of the instrument's history.

    ``values`` is float64 (rows, len(WINDOW_FEATURES)), NaN where unknown; ``bars_known`` counts the bars of the
    longest window, at most LOOKBACK.
    """

    points: np.ndarray
    decided: np.ndarray
    bars_known: np.ndarray
    values: np.ndarray


def make_window_rows(bars: BarHistory, reference: BarHistory, points: np.ndarray, clock: PointClock) -> WindowRows:
    """One row for each of ``points`` (micros, ascending) whose decided bar was known at its as_of.

    ``reference`` is the history of the universe's first instrument, for correlation and beta.

    There are two ways, and they give the same bits. Nearly every bar comes in time and is never revised; where that
    holds for all bars of a window, the window is what was known at as_of, and all such rows are made in one call. A
    bar that came late, or has several revisions, was not the same to every decision that looked at it: the rows whose
    windows touch one are made point by point, from the newest revisions known at that as_of.
    """
    decided_opens = clock.decided_opens(points)
    decided = bars.last_positions(decided_opens)
    exists = (decided >= 0) & (bars.opens[decided] == decided_opens)
    points, decided, decided_opens = points[exists], decided[exists], decided_opens[exists]
    first_opens = bars.opens[np.maximum(decided - (LOOKBACK - 1), 0)]
    regular = bars.are_regular(first_opens, decided_opens) & reference.are_regular(first_opens, decided_opens)
    parts = [_regular_rows(bars, reference, points[regular], decided[regular], clock)]
    late = [_row_as_known(bars, reference, int(point), clock) for point in points[~regular]]
    return _join([*parts, *(row for row in late if row is not None)])


def _regular_rows(
    bars: BarHistory, reference: BarHistory, points: np.ndarray, decided: np.ndarray, clock: PointClock
) -> WindowRows:
    """All rows at once, from the positions around their decided bars."""
    values = window_features(
        InstrumentBars(opens=bars.opens, reference=reference.closes_at(bars.opens), **bars.values), decided
    )
    first = np.maximum(decided - (LOOKBACK - 1), 0)
    values[_is_sparse(bars.opens[first], bars.opens[decided], decided - first, clock)] = np.nan
    return WindowRows(points=points, decided=decided, bars_known=np.minimum(decided + 1, LOOKBACK), values=values)


def _row_as_known(bars: BarHistory, reference: BarHistory, point: int, clock: PointClock) -> WindowRows | None:
    """The row of one point from the last LOOKBACK bars known at its as_of; None when its decided bar was not."""
    as_of = point + clock.delay
    decided_open = int(clock.decided_opens(np.array([point]))[0])
    positions = bars.newest_revisions(as_of, decided_open)[-LOOKBACK:]
    if not len(positions) or bars.opens[positions[-1]] != decided_open:
        return None
    opens = bars.opens[positions]
    fields = {name: values[positions] for name, values in bars.values.items()}
    values = window_features(
        InstrumentBars(opens=opens, reference=reference.closes_at(opens, as_of), **fields),
        np.array([len(positions) - 1]),
    )
    values[_is_sparse(opens[:1], opens[-1:], np.array([len(opens) - 1]), clock)] = np.nan
    return WindowRows(
        points=np.array([point]), decided=positions[-1:], bars_known=np.array([len(positions)]), values=values
    )


def _is_sparse(first: np.ndarray, last: np.ndarray, steps: np.ndarray, clock: PointClock) -> np.ndarray:
    """Whether windows of ``steps`` bars after their first span too much time: bool (rows,). Sessions may lie apart."""
    if clock.sessions is not None:
        return np.zeros(len(first), dtype=bool)
    sparse: np.ndarray = (last - first) > LARGEST_SPAN * steps * clock.length
    return sparse


def _join(parts: Sequence[WindowRows]) -> WindowRows:
    """All rows, ascending by point."""
    points = np.concatenate([part.points for part in parts])
    order = np.argsort(points, kind="stable")
    return WindowRows(
        points=points[order],
        decided=np.concatenate([part.decided for part in parts])[order],
        bars_known=np.concatenate([part.bars_known for part in parts])[order],
        values=np.concatenate([part.values for part in parts])[order],
    )
