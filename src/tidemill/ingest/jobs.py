"""One series as it is ingested and repaired: which bars are due, how they are judged, where they come from and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tidemill.domain.market import BarSchedule, Calendar, Instrument
from tidemill.ports import BarStore, GapRecords, MarketSource
from tidemill.quality import OutlierRules


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesJob:
    """The bars of one instrument and timeframe: when they are due, and when a possible one is doubted.

    ``sessions``: opens in UTC, ascending, of an as-recorded calendar.
    """

    instrument: Instrument
    timeframe: str
    calendar: Calendar = "24x7"
    sessions: Sequence[datetime] = ()
    outliers: OutlierRules = field(default_factory=OutlierRules)

    @property
    def name(self) -> str:
        """Id of the instrument."""
        return self.instrument.id

    @property
    def schedule(self) -> BarSchedule:
        """When its bars are due."""
        return BarSchedule(timeframe=self.timeframe, calendar=self.calendar, sessions=self.sessions)

    @property
    def length(self) -> timedelta:
        """One bar."""
        return self.schedule.length

    def between(self, start: datetime, end: datetime) -> SeriesJob:
        """The same with the sessions of [start, end) only.

        The grid of a 24x7 calendar has no sessions, so there it changes nothing.
        """
        return replace(self, sessions=[session for session in self.sessions if start <= session < end])


@dataclass(frozen=True, slots=True, kw_only=True)
class BarFeed:
    """Where bars come from and where they go; ``reference_source``: a second venue that repairs ask for evidence."""

    source: MarketSource
    store: BarStore
    ledger: GapRecords
    reference_source: MarketSource | None = None
