"""What is known of a series beside its bars: its state, and the time in which its instrument is listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tidemill.domain.errors import DataError
from tidemill.domain.market import EPOCH, format_time, require_utc, timeframe_seconds

FOREVER = datetime.max.replace(tzinfo=EPOCH.tzinfo)


class SeriesState(StrEnum):
    """Whether bars of a series can be had, and if not, why.

    The values are stored and shown. All but FINE and FAILED name a lasting reason; FAILED is whatever else went wrong.
    """

    FINE = "fine"
    UNKNOWN_SYMBOL = "unknown symbol"
    DELISTED = "delisted"
    NO_TIMEFRAME = "no such timeframe"
    CHANGED_SHAPE = "payload changed shape"
    CLOCK_OFF = "clock is off"
    FAILED = "failed"


class SeriesError(DataError):
    """One series cannot be had; ``state`` is how it is marked. The others go on."""

    def __init__(self, message: str, *, state: SeriesState) -> None:
        super().__init__(message)
        self.state = state


class NotKept(DataError):
    """The source keeps no bars so old; ``first`` is the open time of the oldest one that it has."""

    def __init__(self, message: str, *, first: datetime) -> None:
        super().__init__(message)
        self.first = first


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesStatus:
    """The state of one series as the last look found it; ``why`` in a sentence.

    ``listed_from``: since when the instrument is traded, None when the venue does not tell. ``listed_until``: no bar
    opens at or after it; None while the instrument is listed.
    """

    instrument: str
    timeframe: str
    state: SeriesState = SeriesState.FINE
    why: str = ""
    listed_from: datetime | None = None
    listed_until: datetime | None = None

    def __post_init__(self) -> None:
        timeframe_seconds(self.timeframe)
        for name in ("listed_from", "listed_until"):
            if getattr(self, name) is not None:
                require_utc(getattr(self, name), name)

    @property
    def is_news(self) -> bool:
        """Whether it says anything beyond that all is fine.

        A first mark that is no news is not stored, or every healthy series would have a line.
        """
        return self.state is not SeriesState.FINE or self.listed_from is not None

    @property
    def key(self) -> tuple[str, str]:
        """What a mark is known by."""
        return self.instrument, self.timeframe


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """One line of a series' history of marks, and when that was stored (micros).

    Marks are appended and never changed, so the newest line is the state.
    """

    mark: SeriesStatus
    stored_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """[start, end) of open times in which an instrument has bars; DataError when it is empty."""

    start: datetime = EPOCH
    end: datetime = FOREVER

    def __post_init__(self) -> None:
        if require_utc(self.end, "end") <= require_utc(self.start, "start"):
            raise DataError(f"a listing from {format_time(self.start)} to {format_time(self.end)} holds no bar")
