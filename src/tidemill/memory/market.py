"""Market data in memory: the same rules as the SQL store, for the backtest and for tests.

Reads and writes take no lock: one store belongs to one thread. Nothing outlives the process.
"""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from tidemill.domain.market import from_micros, to_micros
from tidemill.memory.storage_order import MemoryStorageOrder
from tidemill.ports import (
    BAR_COLUMNS,
    PAYLOADS_REFERENCED,
    POST_COLUMNS,
    SCORE_COLUMNS,
    Pruned,
    StoredPayload,
    StoreHealth,
)
from tidemill.ports.frames import check_frame, to_frame, to_rows
from tidemill.ports.payload_pruning import split_pruned

Row = tuple[Any, ...]


class _Revisions:
    """Rows by key, each with its revisions in the order they were stored; keys ascending."""

    def __init__(self, compared: Sequence[int]) -> None:
        self._compared = compared
        self.rows: dict[Any, list[Row]] = {}
        self.keys: list[Any] = []

    def is_new(self, key: Hashable, row: Row) -> bool:
        revisions = self.rows.get(key)
        return revisions is None or any(revisions[-1][index] != row[index] for index in self._compared)

    def add(self, key: Hashable, row: Row, stored: int) -> None:
        if key not in self.rows:
            self.rows[key] = []
            insort(self.keys, key)
        self.rows[key].append((*row, stored))

    def select(
        self, keys: Iterable[Any], known_index: int, known_at: int | None, stored_until: int | None, *, every: bool
    ) -> list[Row]:
        selected: list[Row] = []
        for key in keys:
            readable = [
                row
                for row in self.rows[key]
                if (known_at is None or row[known_index] <= known_at)
                and (stored_until is None or row[-1] <= stored_until)
            ]
            selected += readable if every else readable[-1:]
        return selected


class MemoryMarketStore:
    """The three store ports on dictionaries; other stores in memory may be beside it in its ``order`` of storage."""

    def __init__(self) -> None:
        self._bars: dict[tuple[str, str], _Revisions] = {}
        # channel, event time, title and text: hearing the same post later is no revision
        self._posts = _Revisions(compared=(2, 3, 6, 7))
        self._scores: dict[str, _Revisions] = {}
        self._payloads: dict[str, bytes] = {}
        self._payload_rows: list[dict[str, Any]] = []
        self.order = MemoryStorageOrder()

    def write_bars(self, timeframe: str, bars: pd.DataFrame, *, now: datetime) -> int:
        """Store BARS atomically; return the rows added. An equal re-fetch (prices and volume) adds nothing.

        Of a bar that occurs twice in ``bars`` the last row counts. DataError, and nothing stored, when the frame does
        not fit.
        """
        rows = list({(row[0], row[1]): row for row in to_rows(check_frame("bars", bars))}.values())
        series = {name: self._series(name, timeframe) for name in {row[0] for row in rows}}
        return self._add(((series[row[0]], row[1], row) for row in rows), now)

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
        """BARS + stored_at with ``start`` <= open_time < ``end``, by (instrument, open_time, stored_at).

        Names are sorted and each is taken once. None lifts a bound; with ``revisions`` every readable row of a bar is
        given.
        """
        low, high = to_micros(start), to_micros(end)
        rows: list[Row] = []
        for name in sorted(set(instruments)):
            series = self._series(name, timeframe)
            keys = (key for key in series.keys if low <= key < high)
            rows += series.select(keys, 7, _micros(known_at), stored_until, every=revisions)
        return to_frame(rows, [*BAR_COLUMNS, "stored_at"])

    def latest_open(self, instrument: str, timeframe: str) -> datetime | None:
        """Open time of the newest stored bar, or None."""
        keys = self._series(instrument, timeframe).keys
        return from_micros(keys[-1]) if keys else None

    def coverage(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> np.ndarray:
        """Open times (int64 micros, ascending, each once) of the stored bars with ``start`` <= open_time < ``end``."""
        low, high = to_micros(start), to_micros(end)
        return np.array([key for key in self._series(instrument, timeframe).keys if low <= key < high], dtype=np.int64)

    def watermark(self) -> int:
        """The newest stored_at of any table in this store, in micros; 0 when empty.

        It grows only when a row was added, so an equal fetch does not move it.
        """
        return self.order.stored

    def health(self) -> StoreHealth:
        """Read, and write something that changes nothing; what hinders either (full, locked, refused) is raised.

        Memory is always healthy as long as there is some; the room is not measured.
        """
        return StoreHealth(kind="memory", place="this process", watermark=self.order.stored)

    def write_posts(self, posts: pd.DataFrame, *, now: datetime) -> int:
        """Store POSTS atomically by (source, post_id); equal rows add nothing, edits add a revision.

        Rows of one call share one storage time. DataError, and nothing stored, when the frame does not fit.
        """
        rows = to_rows(check_frame("posts", posts))
        return self._add(((self._posts, (row[3], row[1], row[0]), row) for row in rows), now)

    def read_posts(
        self, start: datetime, end: datetime, *, known_at: datetime | None = None, stored_until: int | None = None
    ) -> pd.DataFrame:
        """POSTS + stored_at with ``start`` <= event_time < ``end``, newest revision known, by (event_time, post_id)."""
        rows = self._texts(self._posts, start, end, 4, known_at, stored_until)
        return to_frame(rows, [*POST_COLUMNS, "stored_at"])

    def write_scores(self, scores: pd.DataFrame, *, now: datetime) -> int:
        """Store SCORES atomically by (source, post_id, scorer); rules as for bars.

        A new score or other subjects add a revision; the same judgement again adds nothing.
        """
        rows = to_rows(check_frame("scores", scores))
        history = {
            name: self._scores.setdefault(name, _Revisions(compared=(3, 4))) for name in {row[2] for row in rows}
        }
        return self._add(((history[row[2]], (row[5], row[1], row[0]), row) for row in rows), now)

    def read_scores(
        self,
        scorer: str,
        start: datetime,
        end: datetime,
        *,
        known_at: datetime | None = None,
        stored_until: int | None = None,
    ) -> pd.DataFrame:
        """SCORES + stored_at of ``scorer`` with ``start`` <= event_time < ``end``, by (event_time, post_id)."""
        history = self._scores.get(scorer, _Revisions(compared=()))
        rows = self._texts(history, start, end, 6, known_at, stored_until)
        return to_frame(rows, [*SCORE_COLUMNS, "stored_at"])

    def write_payload(self, source: str, request: str, body: bytes, *, now: datetime) -> str:
        """Keep a raw answer compressed; return its SHA-256 hex digest. The same body is kept once.

        Here it is not compressed. A body that is there already keeps its first source, request and time.
        """
        digest = hashlib.sha256(body).hexdigest()
        if digest not in self._payloads:
            self._payloads[digest] = body
            row = {"source": source, "request": request, "digest": digest, "stored_at": self.order.take(now)}
            self._payload_rows.append(row)
        return digest

    def write_payloads(self, answers: Sequence[tuple[str, str, bytes]], *, now: datetime) -> Sequence[str]:
        """The same for several (source, request, body) at once, all of them or none; their digests."""
        return [self.write_payload(source, request, body, now=now) for source, request, body in answers]

    def read_payload(self, digest: str) -> bytes | None:
        """The body of ``digest``, or None."""
        return self._payloads.get(digest)

    def find_payloads(self, source: str, *, stored_until: int) -> Sequence[StoredPayload]:
        """Payloads of a source stored by then, newest first.

        At most ``PAYLOADS_REFERENCED``.
        """
        rows = [row for row in self._payload_rows if row["source"] == source and row["stored_at"] <= stored_until]
        return [StoredPayload(**row) for row in rows[::-1][:PAYLOADS_REFERENCED]]

    def prune_payloads(self, *, before: datetime, watermarks: Sequence[int]) -> Pruned:
        """Delete payloads stored before ``before`` that nothing references.

        The rule of which ones may go is :func:`tidemill.ports.payload_pruning.split_pruned`, the same as on SQL.
        """
        rows = [
            (row["source"], row["digest"], row["stored_at"], len(self._payloads[row["digest"]]))
            for row in self._payload_rows
        ]
        digests, pruned = split_pruned(rows, to_micros(before), watermarks)
        self._payloads = {digest: body for digest, body in self._payloads.items() if digest not in set(digests)}
        self._payload_rows = [row for row in self._payload_rows if row["digest"] in self._payloads]
        return pruned

    def close(self) -> None:
        """Nothing is open."""

    def _series(self, instrument: str, timeframe: str) -> _Revisions:
        return self._bars.setdefault((instrument, timeframe), _Revisions(compared=(2, 3, 4, 5, 6)))

    def _add(self, changes: Iterable[tuple[_Revisions, Any, Row]], now: datetime) -> int:
        # one storage time for all rows of a call, as in one transaction
        stored = self.order.following(now)
        added = 0
        for history, key, row in changes:
            if history.is_new(key, row):
                history.add(key, row, stored)
                added += 1
        self.order.stored = stored if added else self.order.stored
        return added

    def _texts(
        self,
        history: _Revisions,
        start: datetime,
        end: datetime,
        known_index: int,
        known_at: datetime | None,
        stored_until: int | None,
    ) -> list[Row]:
        low, high = to_micros(start), to_micros(end)
        keys = (key for key in history.keys if low <= key[0] < high)
        return history.select(keys, known_index, _micros(known_at), stored_until, every=False)


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)
