"""Series whose holes are judged together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.domain.market import Calendar, timeframe_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesGroup:
    """The series of one venue and timeframe whose holes are judged together.

    ``publish_delay``: how long after its close the source may take to tell a bar.
    """

    names: tuple[str, ...]
    timeframe: str
    calendar: Calendar = "24x7"
    sessions: Sequence[datetime] = ()
    publish_delay: timedelta = timedelta(0)

    @property
    def length(self) -> timedelta:
        """One bar."""
        return timedelta(seconds=timeframe_seconds(self.timeframe))
