"""Instruments, timeframes, bars, and the grid of moments at which decisions are made."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal

from tidemill.domain.errors import DataError

Calendar = Literal["24x7", "as-recorded"]

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
HOUR_SECONDS = 3600
MICROSECOND = timedelta(microseconds=1)
STEP_TOLERANCE = Decimal("1e-9")


def require_utc(moment: datetime, name: str) -> datetime:
    """Return ``moment`` in UTC; raise DataError when it carries no zone."""
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise DataError(f"{name} {moment.isoformat()} has no time zone; write it as {moment.isoformat()}Z")
    return moment.astimezone(UTC)


def require_range(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Both in UTC; DataError when one carries no zone, or when nothing lies between them."""
    begin, until = require_utc(start, "start"), require_utc(end, "end")
    if begin >= until:
        raise DataError(f"start {format_time(begin)} is not before end {format_time(until)}; nothing lies between them")
    return begin, until


def parse_time(text: str, name: str) -> datetime:
    """Parse an ISO 8601 time in UTC (``2021-04-19T00:00:00Z``); raise DataError otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"{name} '{text}' is not an ISO 8601 time such as 2021-04-19T00:00:00Z") from error
    return require_utc(moment, name)


def format_time(moment: datetime) -> str:
    """ISO 8601 in UTC with Z, seconds precision unless there are microseconds."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970-01-01 UTC, the stores' representation of time."""
    return (require_utc(moment, "time") - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """Inverse of :func:`to_micros`."""
    return EPOCH + timedelta(microseconds=int(micros))


def timeframe_seconds(timeframe: str) -> int:
    """Length of a bar of ``timeframe`` in seconds; DataError names the ones that exist."""
    try:
        return TIMEFRAME_SECONDS[timeframe]
    except KeyError:
        known = ", ".join(TIMEFRAME_SECONDS)
        raise DataError(f"timeframe '{timeframe}' is unknown; use one of {known}") from None


def to_step(value: float | Decimal, step: Decimal) -> Decimal:
    """The one crossing from float to Decimal: ``value`` as an exact multiple of ``step``.

    The shortest decimal text that names the float is quantised to the step. A value further from
    the step than 1e-9 relative is a DataError: it was never a price or quantity of this instrument.
    """
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    if not exact.is_finite():
        raise DataError(f"{value!r} is not a finite number")
    units = (exact / step).to_integral_value()
    stepped = units * step
    if abs(stepped - exact) > abs(exact) * STEP_TOLERANCE:
        raise DataError(f"{value!r} is not a multiple of the step {step}")
    return stepped


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """``value`` rounded toward zero to a multiple of ``step``."""
    return (value / step).to_integral_value(rounding="ROUND_DOWN") * step


def ceil_to_step(value: Decimal, step: Decimal) -> Decimal:
    """``value`` rounded up to a multiple of ``step``."""
    return (value / step).to_integral_value(rounding="ROUND_CEILING") * step


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Something tradable at one venue, with its trading rules.

    ``price_step``, ``lot_step`` and ``min_notional`` (in quote units) are the venue's filters. ``listed_from``: since
    when it is traded, where the venue tells.
    """

    venue: str
    base: str
    quote: str
    price_step: Decimal
    lot_step: Decimal
    min_notional: Decimal = Decimal(0)
    listed_from: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("price_step", "lot_step"):
            value = getattr(self, name)
            if not isinstance(value, Decimal) or not value > 0:
                raise DataError(f"{name} of {self.id} must be a positive Decimal, not {value!r}")
        if not isinstance(self.min_notional, Decimal) or self.min_notional < 0:
            raise DataError(f"min_notional of {self.id} must be a Decimal >= 0, not {self.min_notional!r}")
        if self.listed_from is not None:
            require_utc(self.listed_from, "listed_from")

    @property
    def id(self) -> str:
        """``BASE-QUOTE.VENUE``, for example ``BTC-USDT.BINANCE``."""
        return f"{self.base}-{self.quote}.{self.venue}"


def split_instrument_id(instrument_id: str) -> tuple[str, str, str]:
    """``BTC-USDT.BINANCE`` -> (``BTC``, ``USDT``, ``BINANCE``); DataError when malformed."""
    pair, dot, venue = instrument_id.rpartition(".")
    base, dash, quote = pair.partition("-")
    if not (dot and dash and base and quote and venue):
        raise DataError(f"instrument '{instrument_id}' is not of the form BASE-QUOTE.VENUE, such as BTC-USDT.BINANCE")
    return base, quote, venue


def parse_step(text: str, name: str) -> Decimal:
    """A decimal string such as ``0.01``; DataError when it is not a positive number."""
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError) as error:
        raise DataError(f"{name} '{text}' is not a decimal number") from error
    if not value.is_finite() or value < 0:
        raise DataError(f"{name} '{text}' must be a number >= 0")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """OHLCV over [open_time, close_time), in exact decimals, as matching uses it."""

    open_time: datetime
    close_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def __post_init__(self) -> None:
        require_utc(self.open_time, "open_time")
        if self.close_time <= self.open_time:
            raise DataError(f"bar at {self.open_time.isoformat()} closes before it opens")
        if not (self.low <= min(self.open, self.close) and self.high >= max(self.open, self.close)):
            raise DataError(f"bar at {self.open_time.isoformat()} has its high or low inside its open and close")
        if self.low <= 0 or self.volume < 0:
            raise DataError(f"bar at {self.open_time.isoformat()} has a price <= 0 or a volume < 0")


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
    def delay(self) -> timedelta:
        """The decision delay."""
        return timedelta(seconds=self.delay_seconds)

    @property
    def spacing(self) -> timedelta:
        """Distance of two points of a 24x7 grid."""
        return timedelta(seconds=self.every_seconds or timeframe_seconds(self.timeframe))

    def is_point(self, moment: datetime) -> bool:
        """Whether ``moment`` is a point of the grid."""
        if self.calendar == "24x7":
            return (moment - EPOCH) % self.spacing == timedelta(0)
        index = bisect_left(self.sessions, moment)
        return 0 < index < len(self.sessions) and self.sessions[index] == moment

    def as_of(self, point: datetime) -> datetime:
        """The as_of that decides at ``point``."""
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
        """The as_of of the newest point that has passed at ``now``, though it may itself lie just ahead."""
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
        """Open time of the bar that a decision at ``point`` decides on."""
        if self.calendar == "24x7":
            return point - timedelta(seconds=timeframe_seconds(self.timeframe))
        index = bisect_left(self.sessions, point)
        if index == 0:
            raise DataError(f"there is no session before {format_time(point)}")
        return self.sessions[index - 1]

    def decided_close(self, point: datetime) -> datetime:
        """Close time (event_time) of the decided bar."""
        return self.decided_open(point) + timedelta(seconds=timeframe_seconds(self.timeframe))

    def points(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Points p with ``start`` <= p < ``end``, ascending."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One instant on both clocks: the market's (recorded in a replay) and the wall's."""

    market: datetime
    wall: datetime

    def __post_init__(self) -> None:
        require_utc(self.market, "market time")
        require_utc(self.wall, "wall time")
