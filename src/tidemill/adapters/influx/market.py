"""Bars in InfluxDB; posts, scores, payloads and the watermark stay in the SQL store beside it.

A point is one revision of a bar: tags venue, instrument, timeframe and rev, fields o h l c v, stored_at,
knowledge_time and assumed, its time the bar's open. Without ``rev`` a changed bar would replace the one before, and
what was known then would be gone.

InfluxDB has no transactions, and a long write goes in several chunks; a write is whole all the same, for two things
are asked of a point before it is read. Its stored_at must not lie behind the SQL store's watermark: that store's lock
is held while points are written, and its watermark moves when the last one is there. And its stored_at must not be
that of an unfinished write: the measurement ``unfinished`` tells the write that is under way, and beside it every one
that broke off, so that points of a killed process stay unread when the watermark has long passed them. It is asked for
in the request that reads points, in any order: a write that was under way when the watermark was read lies behind it.

A request of a process that died may arrive after the next write of the same bars. That write has left out one
revision for each write that broke off since the bar was last written, so what is late finds a place of its own and
stays unread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tidemill.adapters.influx._points import (
    StoredRows,
    in_order,
    is_whole,
    new_lines,
    query_all,
    query_of,
    tags_of,
)
from tidemill.adapters.influx._write_journal import (
    FOREVER,
    PROBE,
    STATE_QUERY,
    WriteState,
    begun_line,
    broken_line,
    done_line,
)
from tidemill.adapters.influx.connection import open_wire
from tidemill.adapters.influx.wire import Answer, Api, Place, PointQuery
from tidemill.adapters.sql.market.columns import BarColumns, to_frame
from tidemill.domain.market import from_micros, timeframe_seconds, to_micros
from tidemill.ports import Sleep, StoreHealth
from tidemill.ports.frames import MICROS_PER_SECOND

FIELDS = ("o", "h", "l", "c", "v")
NOTES = ("stored_at", "knowledge_time", "assumed")
EARLIEST, BACK_BARS = 0, 5_000
ESCAPED = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})


class _Taken(Exception):
    """The storage time was begun before, by a write that was not finished; ``free`` was not."""

    def __init__(self, free: int) -> None:
        super().__init__(free)
        self.free = free


class StoreBeside(Protocol):
    """The SQL store: everything but bars, and the order of all writes."""

    def stamped(self, work: Callable[[int], int], *, now: datetime) -> int:
        """Run ``work(stored_at)`` alone among writers; the watermark moves there when it says that rows were added."""
        ...

    def watermark(self) -> int:
        """The newest stored_at of any table and of the bars."""
        ...

    def health(self) -> StoreHealth:
        """That it answers and takes writes."""
        ...


class InfluxMarketStore:
    """The bar store port on InfluxDB; anything else that is asked of it the store ``beside`` does."""

    def __init__(self, place: Place, beside: StoreBeside, *, api: Api = "v2", sleep: Sleep = time.sleep) -> None:
        self._wire = open_wire(place, api, sleep)
        self._beside = beside

    def __getattr__(self, name: str) -> Any:
        """Posts, scores and payloads."""
        return getattr(self._beside, name)

    def write_bars(self, timeframe: str, bars: pd.DataFrame, *, now: datetime) -> int:
        """Store BARS atomically; return the rows added.

        What a TransientError left there stays unread for good; the next write makes new points.
        """
        if not len(bars):
            return 0
        work = partial(self._write, timeframe, BarColumns.of(bars))
        while True:
            try:
                return self._beside.stamped(work, now=now)
            except _Taken as taken:
                now = from_micros(taken.free)

    def read_bars(
        self,
        instruments: Sequence[str],
        timeframe: str,
        start: datetime,
        end: datetime,
        *,
        known_at: datetime | None = None,
        stored_until: int | None = None,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """BARS + stored_at with ``start`` <= open_time < ``end``, by (instrument, open_time, stored_at)."""
        names = sorted(set(instruments))
        mark = self._beside.watermark()
        until = mark if stored_until is None else min(stored_until, mark)
        parts = []
        for points, state in self._answers(
            [query_all(name, timeframe, to_micros(start), to_micros(end)) for name in names]
        ):
            integers, reals, _ = in_order(points)
            readable = is_whole(integers[1], until, state.unread)
            readable &= integers[2] <= to_micros(known_at) if known_at is not None else True
            parts.append((integers[:, readable], reals[:, readable]))
        return to_frame(names, parts, revisions=revisions)

    def latest_open(self, instrument: str, timeframe: str) -> datetime | None:
        """Open time of the newest stored bar, or None.

        What is not whole is passed over, some thousand bars at a time.
        """
        mark = self._beside.watermark()
        back, reach, end = BACK_BARS * timeframe_seconds(timeframe) * MICROS_PER_SECOND, 0, FOREVER
        while (newest := self._wire.newest(query_of(instrument, timeframe, EARLIEST, end, ("c",)))) is not None:
            opens = self._whole_opens(query_of(instrument, timeframe, newest - reach, newest + 1, NOTES[:1]), mark)
            if len(opens):
                return from_micros(int(opens.max()))
            reach, end = back, newest - reach
        return None

    def coverage(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> np.ndarray:
        """Open times (int64 micros, ascending, each once) of the stored bars with ``start`` <= open_time < ``end``."""
        mark = self._beside.watermark()
        return np.unique(
            self._whole_opens(query_of(instrument, timeframe, to_micros(start), to_micros(end), NOTES[:1]), mark)
        )

    def health(self) -> StoreHealth:
        """Read, and write something that changes nothing; what hinders either (full, locked, refused) is raised.

        Both stores are asked.
        """
        beside = self._beside.health()
        self._wire.write([PROBE])
        self._wire.read(STATE_QUERY)
        place = f"{self._wire.place}, beside {beside.kind} in {beside.place}"
        return replace(beside, kind=f"InfluxDB {self._wire.version()}", place=place)

    def watermark(self) -> int:
        """The newest stored_at of any table in this store, in micros; 0 when empty."""
        return self._beside.watermark()

    def close(self) -> None:
        """Close both."""
        self._wire.close()
        beside: Any = self._beside
        beside.close()

    def _write(self, timeframe: str, columns: BarColumns, stored: int) -> int:
        """Write what is new or changed, told as unfinished from before its first point until after its last."""
        mark, lost = self._beside.watermark(), 0
        parts = [columns.part(code) for code in range(len(columns.names))]
        spans = [(int(integers[0, 0]), int(integers[0, -1]) + 1) for integers, _ in parts]
        queries = [query_all(name, timeframe, *span) for name, span in zip(columns.names, spans, strict=True)]
        lines: list[str] = []
        for name, rows, (points, state) in zip(columns.names, parts, self._answers(queries), strict=True):
            if stored <= state.newest:
                raise _Taken(state.newest + 1)
            lost = state.lost(mark)
            lines += new_lines(
                tags_of(name, timeframe), rows, stored, StoredRows.of(points, mark, (*state.broken, lost))
            )
        if lines:
            self._wire.write([broken_line(lost)] if lost else [])
            self._wire.write([begun_line(stored)])
            self._wire.write(lines)
            self._wire.write([done_line(stored)])
        return len(lines)

    def _answers(self, queries: Sequence[PointQuery]) -> Iterator[tuple[Answer, WriteState]]:
        """Points of each, and which are not whole, asked for with the first; the watermark must be read before."""
        state: WriteState | None = None
        for query in queries:
            points, *rest = self._wire.read(query) if state else self._wire.read(query, STATE_QUERY)
            state = state or WriteState.of(rest[0])
            yield points, state

    def _whole_opens(self, query: PointQuery, mark: int) -> np.ndarray:
        """Open times of whole points."""
        ((points, state),) = self._answers([query])
        rows = np.array([(int(row["time"]), int(row["stored_at"])) for row in points], dtype=np.int64)
        opens, stored = rows.reshape(-1, 2).T
        whole: np.ndarray = opens[is_whole(stored, mark, state.unread)]
        return whole
