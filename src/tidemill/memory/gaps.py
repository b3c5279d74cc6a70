"""The gap ledger in memory: the same rules as on SQL, for the backtest and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from tidemill.domain.gaps import MISSING_STATES, Fetch, Gap, GapEvent
from tidemill.domain.market import Calendar, to_micros
from tidemill.memory.storage_order import MemoryStorageOrder
from tidemill.ports import quarantine_frames as frames


class MemoryGapLedger:
    """Gaps, fetches and quarantine of one process; ``order``: that of a market store that they are beside."""

    def __init__(self, order: MemoryStorageOrder | None = None) -> None:
        self._order = order or MemoryStorageOrder()
        self._events: list[GapEvent] = []
        self._fetches: list[Fetch] = []
        self._bars: dict[tuple[str, str, str], dict[str, Any]] = {}

    def close(self) -> None:
        """Nothing is open."""

    def record_gaps(self, gaps: Sequence[Gap], *, now: datetime) -> int:
        """Append a line per gap, atomically; one equal to the gap's newest line adds nothing. Lines added.

        Lines of one call share one storage time. Of several with one key the last counts.
        """
        newest = {event.gap.key: event.gap for event in self._events}
        new = {gap.key: gap for gap in gaps if newest.get(gap.key) != gap}
        if new:
            stored = self._order.take(now)
            self._events += [GapEvent(gap=gap, stored_at=stored) for gap in new.values()]
        return len(new)

    def load_gaps(
        self, instruments: Sequence[str] | None = None, timeframe: str | None = None, *, every: bool = False
    ) -> Sequence[Gap]:
        """The newest line of each gap that is missing still (``every``: of all), by (instrument, timeframe, start)."""
        newest = {event.gap.key: event.gap for event in self._events}
        return [
            gap
            for _, gap in sorted(newest.items())
            if (every or gap.state in MISSING_STATES)
            and (instruments is None or gap.instrument in instruments)
            and timeframe in {None, gap.timeframe}
        ]

    def load_gap_events(self, instrument: str, timeframe: str) -> Sequence[GapEvent]:
        """Every line of the series' gaps, by (start, stored_at)."""
        events = [event for event in self._events if event.gap.key[:2] == (instrument, timeframe)]
        return sorted(events, key=lambda event: (event.gap.start, event.stored_at))

    def record_fetch(self, fetch: Fetch, *, now: datetime) -> None:
        """Keep that the source answered for the range. A fetch that failed is not recorded.

        It takes a storage time of its own, as the row on SQL does, so watermarks agree between the two.
        """
        self._order.take(now)
        self._fetches.append(fetch)

    def load_fetches(self, instrument: str, timeframe: str, *, since: datetime | None = None) -> Sequence[Fetch]:
        """Answered ranges that end after ``since``, oldest answer first."""
        return [
            fetch
            for fetch in self._fetches
            if (fetch.instrument, fetch.timeframe) == (instrument, timeframe) and (since is None or fetch.end > since)
        ]

    def list_series(self) -> Sequence[tuple[str, str, Calendar]]:
        """Every (instrument, timeframe, calendar) that was ever fetched, in order."""
        return sorted({(fetch.instrument, fetch.timeframe, fetch.calendar) for fetch in self._fetches})

    def write_quarantine(self, bars: pd.DataFrame, *, now: datetime) -> int:
        """Keep QUARANTINE atomically, once by (instrument, timeframe, payload_hash). Return the rows added.

        A content that was released stays known: fetched again it adds nothing.
        """
        rows = {(row["instrument"], row["timeframe"], row["payload_hash"]): row for row in frames.to_rows(bars)}
        new = {key: row for key, row in rows.items() if key not in self._bars}
        if new:
            added = {"stored_at": self._order.take(now), "released_at": None, "because": ""}
            self._bars |= {key: {**row, **added} for key, row in new.items()}
        return len(new)

    def read_quarantine(
        self,
        instruments: Sequence[str] | None = None,
        timeframe: str | None = None,
        *,
        stored_until: int | None = None,
        every: bool = False,
    ) -> pd.DataFrame:
        """QUARANTINE that stood at ``stored_until`` (micros; now when None), by (instrument, open_time, hash).

        With ``every``, bars released by then are among them. Empty with typed columns when nothing stood.
        """
        is_read = frames.known_at if every else frames.stood_at
        rows = [
            row
            for row in self._bars.values()
            if is_read(row, stored_until)
            and (instruments is None or row["instrument"] in instruments)
            and timeframe in {None, row["timeframe"]}
        ]
        return frames.to_frame(sorted(rows, key=frames.order_of))

    def release_bars(self, instrument: str, timeframe: str, open_time: datetime, *, because: str, now: datetime) -> int:
        """Release all that stands for the slot, with the reason; return how many. DataError without a reason.

        0 when nothing stands there; then no storage time is taken.
        """
        reason = frames.need_reason(because, instrument, open_time)
        slot = (instrument, timeframe, to_micros(open_time))
        standing = [
            row
            for row in self._bars.values()
            if (row["instrument"], row["timeframe"], row["open_time"]) == slot and row["released_at"] is None
        ]
        if standing:
            stored = self._order.take(now)
            for row in standing:
                row |= {"released_at": stored, "because": reason}
        return len(standing)
