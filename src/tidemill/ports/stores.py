"""Market data at rest: bars, posts, scores, records, raw answers, snapshots.

Two times run through all of them: knowledge time says when a fact could be known, storage time when a row was written.
Storage times grow strictly over all tables of a store, so that a watermark is one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
import pandas as pd

from tidemill.domain.market_events import MarketEventKind
from tidemill.ports.evidence import EvidenceStore, PayloadPruning, StoredPayload


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHealth:
    """A store that answers and takes writes: what it is, where (no secret in it), and how far it is written.

    ``watermark`` as of the port. ``free_bytes``: room on its disk, None where it does not tell.
    """

    kind: str
    place: str
    watermark: int
    free_bytes: int | None = None


class BarStore(Protocol):
    """Bars with their revisions.

    A reader says as of when twice: ``known_at`` (knowledge time) and ``stored_until`` (storage time). It gets every
    column, for those of a bar lie side by side in each store. Immutable files of what was read, named by their hash,
    are kept by :class:`SnapshotStore`.
    """

    def write_bars(self, timeframe: str, bars: pd.DataFrame, *, now: datetime) -> int:
        """Store BARS atomically; return the rows added.

        An equal row adds nothing, a changed one adds a revision, NaN in any column is a DataError and
        nothing is written. stored_at of all rows is max(``now``, last stored_at + 1 us), assigned
        inside the transaction.
        """
        ...

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

        Of each bar the newest revision with knowledge_time <= ``known_at`` and stored_at <=
        ``stored_until`` (micros, see ``watermark``); all such revisions when ``revisions``.
        """
        ...

    def latest_open(self, instrument: str, timeframe: str) -> datetime | None:
        """Open time of the newest stored bar, or None."""
        ...

    def coverage(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> np.ndarray:
        """Open times (int64 micros, ascending, each once) of the stored bars with ``start`` <= open_time < ``end``."""
        ...

    def watermark(self) -> int:
        """The newest stored_at of any table in this store, in micros; 0 when empty."""
        ...

    def health(self) -> StoreHealth:
        """Read, and write something that changes nothing; what hinders either (full, locked, refused) is raised."""
        ...


class PostStore(Protocol):
    """Posts and scores; reads take the two times of :class:`BarStore`, and revisions follow its rules."""

    def write_posts(self, posts: pd.DataFrame, *, now: datetime) -> int:
        """Store POSTS atomically by (source, post_id); equal rows add nothing, edits add a revision.

        An edit is a change of channel, title or text; a new knowledge time alone is none. Returned are the rows added.
        DataError, and nothing written, when a value is missing.
        """
        ...

    def read_posts(
        self, start: datetime, end: datetime, *, known_at: datetime | None = None, stored_until: int | None = None
    ) -> pd.DataFrame:
        """POSTS + stored_at with ``start`` <= event_time < ``end``, newest revision known, by (event_time, post_id).

        A post is left out when none of its revisions was known by ``known_at`` and stored by ``stored_until``; None
        lifts either bound. An empty frame has its columns.
        """
        ...

    def write_scores(self, scores: pd.DataFrame, *, now: datetime) -> int:
        """Store SCORES atomically by (source, post_id, scorer); rules as for bars.

        The score lies in [-1, +1]. A scorer that judges a post again adds a revision only when score or subjects
        differ. Returned are the rows added.
        """
        ...

    def read_scores(
        self,
        scorer: str,
        start: datetime,
        end: datetime,
        *,
        known_at: datetime | None = None,
        stored_until: int | None = None,
    ) -> pd.DataFrame:
        """SCORES + stored_at of ``scorer`` with ``start`` <= event_time < ``end``, by (event_time, post_id).

        Of each post the newest score that was known and stored in time; posts without a score are not among the rows.
        """
        ...


class MarketStore(BarStore, PostStore, EvidenceStore, PayloadPruning, Protocol):
    """All market data of a process in one place: bars, posts, scores and the raw answers that they came from.

    They share one order of storage: a decision records one watermark and can be repeated from it.
    """

    def find_payloads(self, source: str, *, stored_until: int) -> Sequence[StoredPayload]:
        """The newest ``PAYLOADS_REFERENCED`` raw answers of ``source`` stored by ``stored_until`` (micros).

        Newest first.
        """
        ...


class SnapshotStore(Protocol):
    """Frames kept exactly as they were."""

    def write_snapshot(self, frame: pd.DataFrame) -> str:
        """Keep a frame for good; the SHA-256 of its file. TransientError when it cannot be written.

        An equal file is kept once, so writing it again is harmless. It is complete or not there at all.
        """
        ...

    def read_snapshot(self, digest: str) -> pd.DataFrame:
        """The frame again; DataError when there is none, or when the file is not what was written.

        The file is hashed before it is believed.
        """
        ...


class MarketEventStore(Protocol):
    """Records with their revisions."""

    def write_market_events(self, kind: MarketEventKind, records: pd.DataFrame, *, now: datetime) -> int:
        """Store RECORDS atomically; return the rows added. The rules are those of bars.

        DataError, and nothing written, when a column lacks or a value is missing or not finite. Of a record that
        occurs twice in one call the last content counts.
        """
        ...

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

        Which revision counts is told as for bars.
        """
        ...

    def latest_event(self, kind: MarketEventKind, instrument: str) -> datetime | None:
        """event_time of the newest stored record, or None.

        By event_time, not by storage: it is where the next fetch begins.
        """
        ...
