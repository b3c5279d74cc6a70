"""Market data on SQLite or PostgreSQL: bars, posts, scores, payloads, with all their revisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
import pandas as pd
import sqlalchemy as sa

from tidemill.adapters.sql.engine import open_engine, read, upgrade, write
from tidemill.adapters.sql.market._bars import BarTable
from tidemill.adapters.sql.market._health import examine_store
from tidemill.adapters.sql.market._payloads import digest_of, pack, unpack
from tidemill.adapters.sql.market._storage_order import LOCK, keep_stored, next_stored
from tidemill.adapters.sql.market._tables import BARS, PAYLOADS, POSTS, SCORES, SERIES, WATERMARK
from tidemill.adapters.sql.market._texts import read_texts, write_texts
from tidemill.adapters.sql.market.columns import BarColumns, Limits
from tidemill.domain.market import from_micros, to_micros
from tidemill.ports import PAYLOADS_REFERENCED, POST_COLUMNS, SCORE_COLUMNS, Pruned, StoredPayload, StoreHealth
from tidemill.ports.frames import check_frame, to_rows
from tidemill.ports.payload_pruning import split_pruned

AT_ONCE = 500
# What makes a re-fetched row a revision; another knowledge time of equal content does not.
POST_CONTENT = (2, 6, 7)
SCORE_CONTENT = (3, 4)


class SqlMarketStore:
    """The three store ports on one database; opening it brings the tables up to date."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, durable=False)
        upgrade(self._engine, "market")
        self._bars = BarTable(self._engine)

    def close(self) -> None:
        """Close the connections."""
        self._bars.close()
        self._engine.dispose()

    # -- bars

    def write_bars(self, timeframe: str, bars: pd.DataFrame, *, now: datetime) -> int:
        """Store BARS atomically; return the rows added. An equal re-fetch (prices and volume) adds nothing."""
        if not len(bars):
            return 0
        columns = BarColumns.of(bars)
        many = self._bars.add_many(timeframe, columns, now=to_micros(now))
        if many is not None:
            return many
        with write(self._engine, lock=LOCK) as connection:
            return self._bars.add(connection, timeframe, columns, now=to_micros(now))

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
        limits = Limits(start=start, end=end, known_at=known_at, stored_until=stored_until)
        return self._bars.read(instruments, timeframe, limits, revisions=revisions)

    def latest_open(self, instrument: str, timeframe: str) -> datetime | None:
        """Open time of the newest stored bar, or None."""
        query = (
            sa.select(sa.func.max(BARS.c.open_time))
            .join(SERIES, SERIES.c.series_id == BARS.c.series_id)
            .where(SERIES.c.instrument == instrument, SERIES.c.timeframe == timeframe)
        )
        with read(self._engine) as connection:
            newest = connection.execute(query).scalar()
        return None if newest is None else from_micros(newest)

    def coverage(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> np.ndarray:
        """Open times (int64 micros, ascending, each once) of the stored bars with ``start`` <= open_time < ``end``."""
        return self._bars.coverage(instrument, timeframe, Limits(start=start, end=end))

    def health(self) -> StoreHealth:
        """Read, and write something that changes nothing; what hinders either (full, locked, refused) is raised."""
        return examine_store(self._engine, lock=LOCK)

    def watermark(self) -> int:
        """The newest stored_at of any table in this store, in micros; 0 when empty."""
        with read(self._engine) as connection:
            return int(connection.execute(sa.select(WATERMARK.c.stored_at)).scalar_one())

    def stamped(self, work: Callable[[int], int], *, now: datetime) -> int:
        """Run ``work(stored_at)`` alone among writers, for bars kept elsewhere; more than 0 moves the watermark."""
        with write(self._engine, lock=LOCK) as connection:
            stored = next_stored(connection, now)
            added = work(stored)
            if added:
                keep_stored(connection, stored)
        return added

    # -- posts and scores

    def write_posts(self, posts: pd.DataFrame, *, now: datetime) -> int:
        """Store POSTS atomically by (source, post_id); equal rows add nothing, edits add a revision."""
        rows = to_rows(check_frame("posts", posts))
        return write_texts(self._engine, POSTS, POST_COLUMNS, rows, POST_CONTENT, time_index=3, now=now)

    def read_posts(
        self, start: datetime, end: datetime, *, known_at: datetime | None = None, stored_until: int | None = None
    ) -> pd.DataFrame:
        """POSTS + stored_at with ``start`` <= event_time < ``end``, newest revision known, by (event_time, post_id)."""
        return read_texts(self._engine, POSTS, POST_COLUMNS, start, end, known_at, stored_until)

    def write_scores(self, scores: pd.DataFrame, *, now: datetime) -> int:
        """Store SCORES atomically by (source, post_id, scorer); rules as for bars."""
        rows = to_rows(check_frame("scores", scores))
        return write_texts(self._engine, SCORES, SCORE_COLUMNS, rows, SCORE_CONTENT, time_index=5, now=now)

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
        return read_texts(
            self._engine, SCORES, SCORE_COLUMNS, start, end, known_at, stored_until, SCORES.c.scorer == scorer
        )

    # -- evidence

    def write_payload(self, source: str, request: str, body: bytes, *, now: datetime) -> str:
        """Keep a raw answer compressed; return its SHA-256 hex digest. The same body is kept once."""
        return self.write_payloads([(source, request, body)], now=now)[0]

    def write_payloads(self, answers: Sequence[tuple[str, str, bytes]], *, now: datetime) -> Sequence[str]:
        """The same for several (source, request, body) at once, all of them or none; their digests.

        They are packed before the transaction begins.
        """
        digests = [digest_of(body) for _, _, body in answers]
        packed = {
            digest: {"digest": digest, "source": source, "request": request, "body": pack(body)}
            for digest, (source, request, body) in zip(digests, answers, strict=True)
        }
        with write(self._engine, lock=LOCK) as connection:
            query = sa.select(PAYLOADS.c.digest).where(PAYLOADS.c.digest.in_(list(packed)))
            stored_digests = set(connection.execute(query).scalars())
            stored = next_stored(connection, now)
            new = [{**row, "stored_at": stored} for digest, row in packed.items() if digest not in stored_digests]
            if new:
                connection.execute(PAYLOADS.insert(), new)
                keep_stored(connection, stored)
        return digests

    def read_payload(self, digest: str) -> bytes | None:
        """The body of ``digest``, or None."""
        with read(self._engine) as connection:
            body = connection.execute(sa.select(PAYLOADS.c.body).where(PAYLOADS.c.digest == digest)).scalar()
        return None if body is None else unpack(body)

    def find_payloads(self, source: str, *, stored_until: int) -> Sequence[StoredPayload]:
        """The ten newest payloads of a source stored by then, newest first."""
        columns = [PAYLOADS.c[name] for name in ("source", "request", "digest", "stored_at")]
        query = (
            sa.select(*columns)
            .where(PAYLOADS.c.source == source, PAYLOADS.c.stored_at <= stored_until)
            .order_by(PAYLOADS.c.stored_at.desc())
            .limit(PAYLOADS_REFERENCED)
        )
        with read(self._engine) as connection:
            return [StoredPayload(**row) for row in connection.execute(query).mappings()]

    def prune_payloads(self, *, before: datetime, watermarks: Sequence[int]) -> Pruned:
        """Delete payloads stored before ``before`` that nothing references."""
        names = (PAYLOADS.c.source, PAYLOADS.c.digest, PAYLOADS.c.stored_at, sa.func.length(PAYLOADS.c.body))
        with write(self._engine, lock=LOCK) as connection:
            rows = [tuple(row) for row in connection.execute(sa.select(*names))]
            digests, pruned = split_pruned(rows, to_micros(before), watermarks)
            for at in range(0, len(digests), AT_ONCE):
                connection.execute(PAYLOADS.delete().where(PAYLOADS.c.digest.in_(digests[at : at + AT_ONCE])))
        return pruned
