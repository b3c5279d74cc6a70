"""At which times a series has bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tidemill.domain.market.times import timeframe_seconds

Calendar = Literal["24x7", "as-recorded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSchedule:
    """The open times that bars of a series should have.

    24x7: every multiple of ``timeframe`` since 1970; as-recorded: the ``sessions``, opens in UTC, ascending.
    """

    timeframe: str
    calendar: Calendar = "24x7"
    sessions: Sequence[datetime] = ()

    @property
    def length(self) -> timedelta:
        """One bar.

        As recorded it is the nominal length: a session is shorter than the day that ``1d`` spans.
        """
        return timedelta(seconds=timeframe_seconds(self.timeframe))
