"""Series whose gaps are judged together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tidemill.domain.market import EPOCH, BarSchedule, Calendar, Instrument
from tidemill.domain.series import FOREVER, Listing, SeriesStatus
from tidemill.ingest import SeriesJob
from tidemill.quality import OutlierRules


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesGroup:
    """The series of one venue and timeframe whose gaps are judged together.

    ``publish_delay``: how long after its close the source may take to publish a bar. ``outliers``: when a possible bar
    is doubted. ``listings``: of the names for which they are known; nothing is expected outside.
    """

    names: tuple[str, ...]
    timeframe: str
    calendar: Calendar = "24x7"
    sessions: Sequence[datetime] = ()
    publish_delay: timedelta = timedelta(0)
    outliers: OutlierRules = field(default_factory=OutlierRules)
    listings: Mapping[str, Listing] = field(default_factory=dict)

    @property
    def schedule(self) -> BarSchedule:
        """When the bars of its series are due."""
        return BarSchedule(timeframe=self.timeframe, calendar=self.calendar, sessions=self.sessions)

    @property
    def length(self) -> timedelta:
        """One bar."""
        return self.schedule.length

    @property
    def venue(self) -> str:
        """The venue of the names.

        It is read from the first name: a group has series of one venue only.
        """
        return self.names[0].rpartition(".")[2]

    def job(self, instrument: Instrument) -> SeriesJob:
        """The series of one instrument, as its stages work on it.

        Calendar, sessions and rules of doubt are the group's.
        """
        return SeriesJob(
            instrument=instrument,
            timeframe=self.timeframe,
            calendar=self.calendar,
            sessions=self.sessions,
            outliers=self.outliers,
        )

    def jobs(self, instruments: Iterable[Instrument]) -> tuple[SeriesJob, ...]:
        """The series of several instruments."""
        return tuple(self.job(instrument) for instrument in instruments)

    def listing(self, name: str) -> Listing:
        """When an instrument is listed; always, when nobody says.

        Without a listing bars are expected from the first one that is stored.
        """
        return self.listings.get(name, ALWAYS)

    def is_due(self, name: str, moment: datetime) -> bool:
        """Whether a bar of ``name`` may open at ``moment``: listed then, and not between two recorded sessions.

        Before the first and after the last session the calendar says nothing, and so does not rule a bar out.
        """
        listing, sessions = self.listing(name), self.sessions
        if not listing.start <= moment < listing.end:
            return False
        is_told = self.calendar == "as-recorded" and bool(sessions) and sessions[0] <= moment <= sessions[-1]
        return not is_told or moment in sessions

    def listed(self, statuses: Sequence[SeriesStatus]) -> SeriesGroup:
        """The group with the listings that the statuses of its series tell.

        Statuses of other series are ignored. Listings that the group had before are replaced, not joined.
        """
        own = [status for status in statuses if status.timeframe == self.timeframe and status.instrument in self.names]
        return replace(self, listings={status.instrument: _listing(status) for status in own})


def _listing(status: SeriesStatus) -> Listing:
    """When an instrument is listed; a beginning that is told behind the end cannot be meant."""
    start, end = status.listed_from or EPOCH, status.listed_until or FOREVER
    return Listing(start=start, end=end) if start < end else Listing(end=end)


ALWAYS = Listing()
