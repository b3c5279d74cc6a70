"""What is missing, refused or marked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import pandas as pd

from tidemill.domain.gaps import Fetch, Gap, GapEvent
from tidemill.domain.market import Calendar
from tidemill.domain.series import MarkEvent, SeriesStatus


class GapLedger(Protocol):
    """Gaps in series of bars, each with its whole history."""

    def record_gaps(self, gaps: Sequence[Gap], *, now: datetime) -> int:
        """Append a line per gap, atomically; one equal to the gap's newest line adds nothing. Lines added."""
        ...

    def load_gaps(
        self, instruments: Sequence[str] | None = None, timeframe: str | None = None, *, every: bool = False
    ) -> Sequence[Gap]:
        """The newest line of each gap that is missing still (``every``: of all), by (instrument, timeframe, start)."""
        ...

    def load_gap_events(self, instrument: str, timeframe: str) -> Sequence[GapEvent]:
        """Every line of the series' gaps, by (start, stored_at)."""
        ...


class FetchLog(Protocol):
    """What was asked of sources and answered: without it our own outages look like the venue's."""

    def record_fetch(self, fetch: Fetch, *, now: datetime) -> None:
        """Keep that the source answered for the range. A fetch that failed is not recorded."""
        ...

    def load_fetches(self, instrument: str, timeframe: str, *, since: datetime | None = None) -> Sequence[Fetch]:
        """Answered ranges that end after ``since``, oldest answer first."""
        ...

    def list_series(self) -> Sequence[tuple[str, str, Calendar]]:
        """Every (instrument, timeframe, calendar) that was ever fetched, in order."""
        ...


class QuarantineStore(Protocol):
    """Bars that failed a check; none of them is among the bars that are read to decide or to train."""

    def write_quarantine(self, bars: pd.DataFrame, *, now: datetime) -> int:
        """Keep QUARANTINE atomically, once by (instrument, timeframe, payload_hash). Return the rows added."""
        ...

    def read_quarantine(
        self,
        instruments: Sequence[str] | None = None,
        timeframe: str | None = None,
        *,
        stored_until: int | None = None,
        every: bool = False,
    ) -> pd.DataFrame:
        """QUARANTINE that stood at ``stored_until`` (micros; now when None), by (instrument, open_time, hash).

        ``every`` adds what was released by then.
        """
        ...

    def release_bars(self, instrument: str, timeframe: str, open_time: datetime, *, because: str, now: datetime) -> int:
        """Release all that stands for the slot, with the reason; return how many. DataError without a reason."""
        ...


class GapRecords(GapLedger, FetchLog, QuarantineStore, Protocol):
    """The whole ledger of what is missing or refused."""


class SeriesStatusStore(Protocol):
    """The state of each series, with its history."""

    def record_status(self, mark: SeriesStatus, *, now: datetime) -> bool:
        """Append the mark; False when it equals the series' newest one, or is the first and no news."""
        ...

    def load_statuses(self, instruments: Sequence[str] | None = None) -> Sequence[SeriesStatus]:
        """The newest mark of each series, by (instrument, timeframe)."""
        ...

    def load_mark_events(self, instrument: str, timeframe: str) -> Sequence[MarkEvent]:
        """Every mark of a series, oldest first."""
        ...
