"""How complete a series is: per series with causes, per day, and over the window a decision looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from tidemill.domain.gaps import Cause, Gap
from tidemill.domain.market import (
    EPOCH,
    BarSchedule,
    DecisionGrid,
    format_time,
    from_micros,
    timeframe_seconds,
    to_micros,
)
from tidemill.ports.frames import MICROS_PER_SECOND
from tidemill.quality.gaps import expected_opens

DAY = 86_400 * MICROS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCompleteness:
    """One UTC day of a series."""

    day: date
    expected: int
    stored: int

    @property
    def fraction(self) -> float:
        """Stored of expected."""
        return self.stored / self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesCompleteness:
    """A series over [start, end) (where its last expected bar closes): expected = stored + missing.

    ``repaired``: bars stored now that were once told as missing. ``missing``: cause -> bars.
    """

    instrument: str
    timeframe: str
    start: datetime
    end: datetime
    expected: int
    stored: int
    repaired: int
    missing: Mapping[Cause, int]
    days: tuple[DayCompleteness, ...] = ()

    @property
    def fraction(self) -> float:
        """Stored of expected; 1 when nothing is expected."""
        return self.stored / self.expected if self.expected else 1.0

    def to_json(self) -> dict[str, Any]:
        """JSON-ready form; days that are complete are left out."""
        return {
            "instrument": self.instrument,
            "timeframe": self.timeframe,
            "start": format_time(self.start),
            "end": format_time(self.end),
            "expected": self.expected,
            "stored": self.stored,
            "repaired": self.repaired,
            "missing": sum(self.missing.values()),
            "causes": {str(cause): count for cause, count in self.missing.items()},
            "complete": f"{self.fraction:.4%}",
            "days": len(self.days),
            "incomplete_days": [
                {
                    "day": day.day.isoformat(),
                    "expected": day.expected,
                    "stored": day.stored,
                    "complete": f"{day.fraction:.4%}",
                }
                for day in self.days
                if day.stored < day.expected
            ],
        }


def measure_series(
    instrument: str,
    schedule: BarSchedule,
    stored: np.ndarray,
    *,
    end: datetime,
    start: datetime = EPOCH,
    listed: datetime | None = None,
    gaps: Sequence[Gap],
    history: Sequence[Gap],
) -> SeriesCompleteness | None:
    """Completeness from the listing, or ``start``, to ``end`` (exclusive).

    ``stored``: open times in micros, ascending. ``listed``: where its bars begin; None: with the first stored one.
    ``gaps``: those missing now; what lies in none of them counts as unknown. ``history``: every state a gap was
    ever in. None when nothing is stored and nothing is known to be missing.
    """
    if not len(stored) and listed is None:
        return None
    begin = max(start, listed or from_micros(int(stored[0])))
    expected = expected_opens(schedule, begin, end)
    is_stored = np.isin(expected, stored)
    # to have waited for a bar that was not published yet is no repair
    repairable = [gap for gap in history if gap.cause is not Cause.NOT_PUBLISHED]
    return SeriesCompleteness(
        instrument=instrument,
        timeframe=schedule.timeframe,
        start=begin,
        end=_close_of_last(expected, schedule.timeframe, end),
        expected=len(expected),
        stored=int(is_stored.sum()),
        repaired=_count_inside(expected[is_stored], repairable),
        missing=_count_causes(expected[~is_stored], gaps),
        days=tuple(measure_days(expected, stored)),
    )


def _close_of_last(expected: np.ndarray, timeframe: str, end: datetime) -> datetime:
    """Where the last expected bar ends; ``end`` when none is."""
    return from_micros(int(expected[-1]) + timeframe_seconds(timeframe) * MICROS_PER_SECOND) if len(expected) else end


def measure_days(expected: np.ndarray, stored: np.ndarray) -> list[DayCompleteness]:
    """Expected and stored bars of every UTC day in which one is expected, by open time."""
    days, counts = np.unique(expected // DAY, return_counts=True)
    stored_days, stored_counts = np.unique(expected[np.isin(expected, stored)] // DAY, return_counts=True)
    stored_on = dict(zip(stored_days.tolist(), stored_counts.tolist(), strict=True))
    return [
        DayCompleteness(day=from_micros(day * DAY).date(), expected=count, stored=stored_on.get(day, 0))
        for day, count in zip(days.tolist(), counts.tolist(), strict=True)
    ]


def _inside(opens: np.ndarray, gap: Gap) -> np.ndarray:
    inside: np.ndarray = (opens >= to_micros(gap.start)) & (opens < to_micros(gap.end))
    return inside


def _count_inside(opens: np.ndarray, gaps: Sequence[Gap]) -> int:
    inside = np.zeros(len(opens), dtype=bool)
    for gap in gaps:
        inside |= _inside(opens, gap)
    return int(inside.sum())


def _count_causes(missing: np.ndarray, gaps: Sequence[Gap]) -> dict[Cause, int]:
    """Missing bars by the cause of the first gap that holds them; those in none are unknown."""
    counts: dict[Cause, int] = {}
    counted = np.zeros(len(missing), dtype=bool)
    for gap in gaps:
        inside = _inside(missing, gap) & ~counted
        counted |= inside
        if inside.any():
            counts[gap.cause] = counts.get(gap.cause, 0) + int(inside.sum())
    if not counted.all():
        counts[Cause.UNKNOWN] = counts.get(Cause.UNKNOWN, 0) + int((~counted).sum())
    return counts


def window_fraction(opens: np.ndarray, grid: DecisionGrid, point: datetime, *, bars: int) -> float:
    """Stored of expected between the oldest of the last ``bars`` bars and the bar decided at ``point``.

    ``opens``: ascending micros, none after the decided bar. 0 when there is none. A series that was
    listed a while ago is measured from there.
    """
    if not len(opens):
        return 0.0
    recent = opens[-bars:]
    start = from_micros(int(recent[0]))
    end = grid.decided_open(point) + timedelta(seconds=timeframe_seconds(grid.timeframe))
    expected = expected_opens(grid.schedule, start, end)
    return len(np.intersect1d(recent, expected)) / len(expected) if len(expected) else 0.0
