"""The grid of moments at which decisions are made."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tidemill.domain.errors import DataError
from tidemill.domain.market.schedule import BarSchedule, Calendar
from tidemill.domain.market.times import CALENDAR_DAYS_PER_YEAR, EPOCH, format_time, require_utc, timeframe_seconds

HOUR_SECONDS = 3600
# Days on which the market trades in a year: every day, or the sessions of an exchange.
TRADING_DAYS_PER_YEAR = {"24x7": CALENDAR_DAYS_PER_YEAR, "as-recorded": 252}


def default_decision_delay(timeframe: str) -> int:
    """Seconds from the decided moment to as_of: 30 below one hour, 90 from one hour on.

    A cron run reaches user code after 0 to 7 s, an event-started one after 9 to 14 s.
    """
    return 30 if timeframe_seconds(timeframe) < HOUR_SECONDS else 90


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionGrid:
    """All moments at which a decision may be made: the only legal values of ``as_of``.

    A *point* is the decided bar's close (24x7) or the open of the session after it (as-recorded);
    ``as_of`` is the point plus ``delay_seconds``. ``every_seconds`` thins a 24x7 grid (points are
    multiples of it since 1970). ``sessions`` are the recorded sessions' opens, ascending.
    """

    timeframe: str
    delay_seconds: int
    calendar: Calendar = "24x7"
    every_seconds: int = 0
    sessions: Sequence[datetime] = field(default=())

    def __post_init__(self) -> None:
        bar_seconds = timeframe_seconds(self.timeframe)
        if self.every_seconds % bar_seconds:
            raise DataError(f"a decision every {self.every_seconds} s does not fit bars of {self.timeframe}")
        if not 0 < self.delay_seconds < bar_seconds:
            raise DataError(f"decision_delay {self.delay_seconds} s must lie between 0 and one bar of {self.timeframe}")

    @property
    def schedule(self) -> BarSchedule:
        """When the bars that are decided on are due.

        Every bar of the timeframe, though a thinned grid decides on fewer of them.
        """
        return BarSchedule(timeframe=self.timeframe, calendar=self.calendar, sessions=self.sessions)

    @property
    def delay(self) -> timedelta:
        """The decision delay."""
        return timedelta(seconds=self.delay_seconds)

    @property
    def spacing(self) -> timedelta:
        """Distance of two points of a 24x7 grid.

        ``every_seconds``, or one bar while that is 0. It means nothing for recorded sessions, whose distances vary.
        """
        return timedelta(seconds=self.every_seconds or timeframe_seconds(self.timeframe))

    def is_point(self, moment: datetime) -> bool:
        """Whether ``moment`` is a point of the grid.

        The first recorded session is none: no bar lies before it that could be decided on.
        """
        if self.calendar == "24x7":
            return (moment - EPOCH) % self.spacing == timedelta(0)
        # the first session has no bar before it, so it is no point
        index = bisect_left(self.sessions, moment)
        return 0 < index < len(self.sessions) and self.sessions[index] == moment

    def as_of(self, point: datetime) -> datetime:
        """The as_of that decides at ``point``.

        The delay leaves the bar time to be published and fetched, and a backtest waits as long as a live run does.
        """
        return point + self.delay

    def point_of(self, as_of: datetime) -> datetime:
        """The point that ``as_of`` decides; DataError when ``as_of`` is off the grid."""
        point = require_utc(as_of, "as_of") - self.delay
        if not self.is_point(point):
            newest = self.newest_as_of(as_of)
            hint = f"; the newest before it is {format_time(newest)}" if newest else ""
            raise DataError(f"as_of {format_time(as_of)} is not on the grid of decisions{hint}")
        return point

    def newest_as_of(self, now: datetime) -> datetime | None:
        """The newest as_of that has passed at ``now``; None before the first session."""
        moment = require_utc(now, "now") - self.delay
        if self.calendar == "24x7":
            return moment - (moment - EPOCH) % self.spacing + self.delay
        index = bisect_right(self.sessions, moment) - 1
        return self.sessions[index] + self.delay if index > 0 else None

    def upcoming_as_of(self, now: datetime) -> datetime | None:
        """The as_of of the newest point that has passed at ``now``, though it may itself lie just ahead.

        A flow that starts right after a close uses it and then waits for the delay to pass. None before the second
        session.
        """
        return self.newest_as_of(now + self.delay)

    def next_as_of(self, as_of: datetime) -> datetime:
        """The as_of after ``as_of``, when the intents of this one expire.

        After the last recorded session the next is taken one day later.
        """
        point = require_utc(as_of, "as_of") - self.delay
        if self.calendar == "24x7":
            return as_of + self.spacing
        index = bisect_right(self.sessions, point)
        following = self.sessions[index] if index < len(self.sessions) else point + timedelta(days=1)
        return following + self.delay

    def decided_open(self, point: datetime) -> datetime:
        """Open time of the bar that a decision at ``point`` decides on.

        24x7: one bar before the point. As recorded: the session before it; DataError when there is none.
        """
        if self.calendar == "24x7":
            return point - timedelta(seconds=timeframe_seconds(self.timeframe))
        index = bisect_left(self.sessions, point)
        if index == 0:
            raise DataError(f"there is no session before {format_time(point)}")
        return self.sessions[index - 1]

    def decided_close(self, point: datetime) -> datetime:
        """Close time (event_time) of the decided bar.

        It is the event time that features of the decision may reach and not pass.
        """
        return self.decided_open(point) + timedelta(seconds=timeframe_seconds(self.timeframe))

    def points(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Points p with ``start`` <= p < ``end``, ascending.

        ``start`` need not be on the grid. Empty when nothing lies between; of recorded sessions the first is no point.
        """
        if self.calendar == "24x7":
            spacing = self.spacing
            point = start + (EPOCH - start) % spacing
            while point < end:
                yield point
                point += spacing
            return
        for index in range(max(1, bisect_left(self.sessions, start)), len(self.sessions)):
            if self.sessions[index] >= end:
                return
            yield self.sessions[index]
