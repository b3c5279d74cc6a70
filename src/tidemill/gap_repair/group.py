"""Series whose gaps are judged together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tidemill.domain.market import EPOCH, Calendar, timeframe_seconds
from tidemill.domain.series import FOREVER, Listing, SeriesStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesGroup:
    """The series of one venue and timeframe whose gaps are judged together.

    ``publish_delay``: how long after its close the source may take to tell a bar. ``listings``: of the names for
    which it is known, when they are listed; nothing is expected outside.
    """

    names: tuple[str, ...]
    timeframe: str
    calendar: Calendar = "24x7"
    sessions: Sequence[datetime] = ()
    publish_delay: timedelta = timedelta(0)
    listings: Mapping[str, Listing] = field(default_factory=dict)

    @property
    def length(self) -> timedelta:
        """One bar."""
        return timedelta(seconds=timeframe_seconds(self.timeframe))

    @property
    def venue(self) -> str:
        """The venue of the names."""
        return self.names[0].rpartition(".")[2]

    def listing(self, name: str) -> Listing:
        """When an instrument is listed; always, unless told."""
        return self.listings.get(name, ALWAYS)

    def is_due(self, name: str, moment: datetime) -> bool:
        """Whether a bar of ``name`` may open at ``moment``: listed then, and not between two known sessions."""
        listing, known = self.listing(name), self.sessions
        if not listing.start <= moment < listing.end:
            return False
        between = self.calendar == "as-recorded" and bool(known) and known[0] <= moment <= known[-1]
        return not between or moment in known

    def listed(self, marks: Sequence[SeriesStatus]) -> SeriesGroup:
        """The group with the listings that the marks of its series tell."""
        mine = [one for one in marks if one.timeframe == self.timeframe and one.instrument in self.names]
        return replace(self, listings={one.instrument: _listing(one) for one in mine})


def _listing(mark: SeriesStatus) -> Listing:
    """When an instrument is listed; a beginning that is told behind the end cannot be meant."""
    start, end = mark.listed_from or EPOCH, mark.listed_until or FOREVER
    return Listing(start=start, end=end) if start < end else Listing(end=end)


ALWAYS = Listing()
