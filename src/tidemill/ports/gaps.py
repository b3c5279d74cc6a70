"""What is missing, refused or marked.

These ledgers only grow: a state is the newest of its lines, and what was believed at an earlier moment can still be
read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import pandas as pd

from tidemill.domain.gaps import Fetch, Gap, GapEvent
from tidemill.domain.market import Calendar
from tidemill.domain.series import SeriesStatus, StatusEvent


class GapLedger(Protocol):
    """Gaps in series of bars, each with its whole history.

    A gap is identified by (instrument, timeframe, start). A later look that finds another end, cause or state appends
    a line and changes none.
    """

    def record_gaps(self, gaps: Sequence[Gap], *, now: datetime) -> int:
        """Append a line per gap, atomically; one equal to the gap's newest line adds nothing. Lines added.

        Of several with one key in ``gaps`` the last counts, and all lines of a call share one stored_at. Recording the
        same finding again is therefore safe, and a repeated detection leaves no trace.
        """
        ...

    def load_gaps(
        self, instruments: Sequence[str] | None = None, timeframe: str | None = None, *, every: bool = False
    ) -> Sequence[Gap]:
        """The newest line of each gap that is missing still (``every``: of all), by (instrument, timeframe, start).

        Missing still are the gaps in the states open and accepted. None as ``instruments`` or ``timeframe`` means all
        of them; an empty sequence of instruments gives nothing.
        """
        ...

    def load_gap_events(self, instrument: str, timeframe: str) -> Sequence[GapEvent]:
        """Every line of the series' gaps, by (start, stored_at).

        Empty for a series in which no gap was ever recorded.
        """
        ...


class FetchLog(Protocol):
    """What was asked of sources and answered: without it our own outages look like the venue's.

    A range that was answered with few bars was empty at the source; a range that nobody asked for is missing on our
    side.
    """

    def record_fetch(self, fetch: Fetch, *, now: datetime) -> None:
        """Keep that the source answered for the range. A fetch that failed is not recorded.

        Each call appends, so a range that is fetched twice stands there twice.
        """
        ...

    def load_fetches(self, instrument: str, timeframe: str, *, since: datetime | None = None) -> Sequence[Fetch]:
        """Answered ranges that end after ``since``, oldest answer first.

        All of them when ``since`` is None. Ranges may overlap; the caller merges them.
        """
        ...

    def list_series(self) -> Sequence[tuple[str, str, Calendar]]:
        """Every (instrument, timeframe, calendar) that was ever fetched, in order.

        A series fetched under two calendars is listed once for each.
        """
        ...


class QuarantineStore(Protocol):
    """Bars that failed a check; none of them is among the bars that are read to decide or to train.

    A bar leaves quarantine only by a release with a reason, and its row stays for the record.
    """

    def write_quarantine(self, bars: pd.DataFrame, *, now: datetime) -> int:
        """Keep QUARANTINE atomically, once by (instrument, timeframe, payload_hash). Return the rows added.

        ``payload_hash`` stands for the bar's content: the same bad bar fetched again adds nothing, also after its
        release. Values may be missing (NaN, NaT or None), for a bar may be here because of just that. DataError names
        a column that lacks.
        """
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
        """Release all that stands for the slot, with the reason; return how many. DataError without a reason.

        Several contents may stand for one slot, and all of them are released at one stored_at. 0 when nothing stands
        there, so a second call is harmless. The bars are not stored by this.
        """
        ...


class GapRecords(GapLedger, FetchLog, QuarantineStore, Protocol):
    """The whole ledger of what is missing or refused.

    Stages that detect and repair gaps need all three, and in each store they share one order of storage with the bars.
    """


class SeriesStatusStore(Protocol):
    """The state of each series, with its history.

    The newest mark counts. A series that was never marked is fine.
    """

    def record_status(self, mark: SeriesStatus, *, now: datetime) -> bool:
        """Append the mark; False when it equals the series' newest one, or is the first and no news.

        Recording the same state at every look is thus safe and cheap: only changes leave a line. No news is a first
        mark that says fine and knows no listing.
        """
        ...

    def load_statuses(self, instruments: Sequence[str] | None = None) -> Sequence[SeriesStatus]:
        """The newest mark of each series, by (instrument, timeframe).

        Of all series when ``instruments`` is None. Series without a mark are not among them.
        """
        ...

    def load_status_events(self, instrument: str, timeframe: str) -> Sequence[StatusEvent]:
        """Every mark of a series, oldest first.

        Empty for a series that never had one.
        """
        ...
