"""Moments and the lengths of bars: always aware, always UTC.

Times in arrays and tables are int64 microseconds since 1970; :func:`to_micros` and :func:`from_micros` are the two
ways across. Anything finer is cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tidemill.domain.errors import DataError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMEFRAME_SECONDS = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "4h": 14400,
    "6h": 21600,
    "12h": 43200,
    "1d": 86400,
}
MICROSECOND = timedelta(microseconds=1)
CALENDAR_DAYS_PER_YEAR = 365


def require_utc(moment: datetime, name: str) -> datetime:
    """Return ``moment`` in UTC; raise DataError when it carries no zone.

    ``name`` is how the sentence calls it. A time in another zone is converted, not refused.
    """
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise DataError(f"{name} {moment.isoformat()} has no time zone; write it as {moment.isoformat()}Z")
    return moment.astimezone(UTC)


def require_range(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Both in UTC; DataError when one carries no zone, or when nothing lies between them.

    The half-open range [start, end) that most reads and flows take.
    """
    begin, until = require_utc(start, "start"), require_utc(end, "end")
    if begin >= until:
        raise DataError(f"start {format_time(begin)} is not before end {format_time(until)}; nothing lies between them")
    return begin, until


def parse_time(text: str, name: str) -> datetime:
    """Parse an ISO 8601 time in UTC (``2021-04-19T00:00:00Z``); raise DataError otherwise.

    An offset other than Z is converted to UTC. A date alone carries no zone and is refused: whose midnight it would be
    is a guess.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"{name} '{text}' is not an ISO 8601 time such as 2021-04-19T00:00:00Z") from error
    return require_utc(moment, name)


def format_time(moment: datetime) -> str:
    """ISO 8601 in UTC with Z, seconds precision unless there are microseconds.

    It reads back with :func:`parse_time`. ``moment`` must be aware, or the machine's zone would be assumed.
    """
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970-01-01 UTC, the stores' representation of time.

    Exact integer arithmetic, where a float of seconds would have to be rounded. DataError without zone.
    """
    return (require_utc(moment, "time") - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """Inverse of :func:`to_micros`.

    Any integer type will do, NumPy's among them; before 1970 it is negative.
    """
    return EPOCH + timedelta(microseconds=int(micros))


def timeframe_seconds(timeframe: str) -> int:
    """Length of a bar of ``timeframe`` in seconds; DataError names the ones that exist.

    Names are those of ``TIMEFRAME_SECONDS``. Months are not among them, for their lengths differ.
    """
    try:
        return TIMEFRAME_SECONDS[timeframe]
    except KeyError:
        names = ", ".join(TIMEFRAME_SECONDS)
        raise DataError(f"timeframe '{timeframe}' is unknown; use one of {names}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One instant on both clocks: the market's (recorded in a replay) and the wall's.

    Both are aware; DataError otherwise. Live they agree to within the clocks' skew, in a replay they are years apart.
    """

    market: datetime
    wall: datetime

    def __post_init__(self) -> None:
        require_utc(self.market, "market time")
        require_utc(self.wall, "wall time")
