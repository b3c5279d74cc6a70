"""Records in memory: a store by the same rules as on SQL, and a source for tests and replays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import from_micros, to_micros
from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind
from tidemill.memory.storage_order import MemoryStorageOrder
from tidemill.ports import market_event_frames as frames


class MemoryMarketEvents:
    """The record store of one process; ``order``: the order of storage of a market store that it is beside.

    Without an ``order`` it has one of its own, and its watermarks cannot be compared with another store's.
    """

    def __init__(self, order: MemoryStorageOrder | None = None) -> None:
        self._order = order or MemoryStorageOrder()
        self._rows: dict[MarketEventKind, list[frames.Row]] = {kind: [] for kind in MARKET_EVENT_SHAPES}

    def close(self) -> None:
        """Nothing is open."""

    def write_market_events(self, kind: MarketEventKind, records: pd.DataFrame, *, now: datetime) -> int:
        """Store RECORDS atomically; return the rows added. The rules are those of bars.

        Rows of one call share one storage time; none is taken when nothing is new.
        """
        new = frames.new_rows(kind, frames.to_rows(kind, records), self._rows[kind])
        if new:
            stored = self._order.take(now)
            self._rows[kind] += [(*row, stored) for row in new]
        return len(new)

    def read_market_events(
        self,
        kind: MarketEventKind,
        instruments: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        known_at: datetime | None = None,
        stored_until: int | None = None,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """RECORDS + stored_at with ``start`` <= event_time < ``end``, by (instrument, event_time, key, stored_at).

        Without ``revisions`` the newest readable one of each record. An empty frame has typed columns.
        """
        knowledge = MARKET_EVENT_SHAPES[kind].columns.index("knowledge_time")
        rows = [
            row
            for row in self._rows[kind]
            if row[0] in instruments
            and to_micros(start) <= row[1] < to_micros(end)
            and (known_at is None or row[knowledge] <= to_micros(known_at))
            and (stored_until is None or row[-1] <= stored_until)
        ]
        rows.sort(key=lambda row: (frames.identity(kind, row), row[-1]))
        return frames.to_frame(kind, rows if revisions else frames.newest(kind, rows))

    def latest_event(self, kind: MarketEventKind, instrument: str) -> datetime | None:
        """event_time of the newest stored record, or None."""
        events = [row[1] for row in self._rows[kind] if row[0] == instrument]
        return from_micros(max(events)) if events else None


class MemoryMarketEventSource:
    """A source that has what it was given."""

    def __init__(self, records: dict[MarketEventKind, pd.DataFrame]) -> None:
        self._records = records

    @property
    def kinds(self) -> Sequence[MarketEventKind]:
        """What can be had here."""
        return tuple(self._records)

    def fetch_market_events(
        self, kind: MarketEventKind, instrument: str, start: datetime, end: datetime
    ) -> pd.DataFrame:
        """RECORDS of ``kind`` with ``start`` <= event_time < ``end``, ascending; may be empty. Of books the newest.

        DataError for a kind or an instrument that it was not given.
        """
        if kind not in self._records:
            raise DataError(f"this source has no {kind}")
        frame = self._records[kind]
        mine = frame[frame["instrument"] == instrument]
        if not len(mine):
            raise DataError(f"this source has no {kind} of {instrument}")
        if kind is MarketEventKind.BOOKS:
            newest: pd.DataFrame = mine[mine["event_time"] == mine["event_time"].max()]
            return newest.reset_index(drop=True)
        inside = (mine["event_time"] >= start) & (mine["event_time"] < end)
        return mine[inside].sort_values("event_time", kind="stable").reset_index(drop=True)
