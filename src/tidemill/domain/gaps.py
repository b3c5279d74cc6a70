"""Gaps in a series of bars: where, why, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tidemill.domain.errors import DataError
from tidemill.domain.market import Calendar, format_time, require_utc, timeframe_seconds


class Cause(StrEnum):
    """Why bars are missing.

    The values are stored and shown. Only what the evidence supports is claimed: UNKNOWN is an honest answer.
    """

    VENUE_OUTAGE = "venue outage"
    NO_TRADES = "no trades"
    OUR_OUTAGE = "our outage"
    NOT_PUBLISHED = "not yet published"
    QUARANTINED = "quarantined"
    UNKNOWN = "unknown"


class GapState(StrEnum):
    """What became of a gap.

    ``open``: missing. ``accepted``: asked for again and nobody has it. ``repaired``: its bars are stored.
    ``merged``: told by the gap that begins before it. ``withdrawn``: no bar was due there after all.
    """

    OPEN = "open"
    ACCEPTED = "accepted"
    REPAIRED = "repaired"
    MERGED = "merged"
    WITHDRAWN = "withdrawn"


MISSING_STATES = (GapState.OPEN, GapState.ACCEPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Bars missing side by side for one cause: [start, end) of open times, ``missing`` bars in it.

    A gap is known by (instrument, timeframe, start); every later look at it that finds something else is
    one more line of its history. ``why`` is the evidence in a sentence. DataError when the span is empty.
    """

    instrument: str
    timeframe: str
    start: datetime
    end: datetime
    missing: int
    cause: Cause
    state: GapState = GapState.OPEN
    why: str = ""

    def __post_init__(self) -> None:
        require_utc(self.start, "start of a hole")
        require_utc(self.end, "end of a hole")
        timeframe_seconds(self.timeframe)
        if self.end <= self.start or self.missing < 1:
            raise DataError(f"the hole of {self.instrument} at {format_time(self.start)} holds no bar")

    @property
    def key(self) -> tuple[str, str, datetime]:
        """What a gap is known by.

        The end is no part of it: a gap that grows or shrinks keeps its history.
        """
        return self.instrument, self.timeframe, self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class GapEvent:
    """One line of a gap's history: the gap as it was seen, and when that was stored (micros).

    ``stored_at`` places it in the order of storage, so that a reader can ask what was believed at a watermark.
    """

    gap: Gap
    stored_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """A range of open times [start, end) for which a source answered, with however many bars of a calendar.

    It says nothing of failed fetches, which are not recorded. DataError for a time without zone.
    """

    instrument: str
    timeframe: str
    start: datetime
    end: datetime
    bars: int
    calendar: Calendar = "24x7"

    def __post_init__(self) -> None:
        require_utc(self.start, "start of a fetch")
        require_utc(self.end, "end of a fetch")
