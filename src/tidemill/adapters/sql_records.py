"""Trades, books, funding rates, open interest and adjustments on SQLite or PostgreSQL, with all their revisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters import _record_frames as frames
from tidemill.adapters._sql import open_engine, read, upgrade, write
from tidemill.adapters._storage_order import LOCK, keep_stored, next_stored
from tidemill.domain.market import from_micros, to_micros
from tidemill.domain.records import RECORD_SHAPES, RecordKind


class SqlRecords:
    """The record store on one database; opening it brings the tables up to date."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, durable=False)
        upgrade(self._engine, "market")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def write_records(self, kind: RecordKind, records: pd.DataFrame, *, now: datetime) -> int:
        """See the port."""
        rows = frames.to_rows(kind, records)
        if not rows:
            return 0
        names = (*RECORD_SHAPES[kind].columns, "stored_at")
        with write(self._engine, lock=LOCK) as connection:
            new = frames.new_rows(kind, rows, _stored_beside(connection, kind, rows))
            if new:
                stored = next_stored(connection, now)
                values = [dict(zip(names, (*row, stored), strict=True)) for row in new]
                connection.execute(frames.TABLES[kind].insert(), values)
                keep_stored(connection, stored)
        return len(new)

    def read_records(
        self,
        kind: RecordKind,
        instruments: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        known_at: datetime | None = None,
        stored_until: int | None = None,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """See the port."""
        table = frames.TABLES[kind]
        query = _select(kind, to_micros(start), to_micros(end) - 1).where(table.c.instrument.in_(list(instruments)))
        if known_at is not None:
            query = query.where(table.c.knowledge_time <= to_micros(known_at))
        if stored_until is not None:
            query = query.where(table.c.stored_at <= stored_until)
        with read(self._engine) as connection:
            rows = _ordered(connection, kind, query)
        return frames.to_frame(kind, rows if revisions else frames.newest(kind, rows))

    def latest_event(self, kind: RecordKind, instrument: str) -> datetime | None:
        """See the port."""
        table = frames.TABLES[kind]
        query = sa.select(sa.func.max(table.c.event_time)).where(table.c.instrument == instrument)
        with read(self._engine) as connection:
            newest = connection.execute(query).scalar()
        return None if newest is None else from_micros(newest)


def _select(kind: RecordKind, first: int, last: int) -> sa.Select[Any]:
    """Rows whose event_time lies in [first, last]."""
    table = frames.TABLES[kind]
    names = (*RECORD_SHAPES[kind].columns, "stored_at")
    return sa.select(*(table.c[name] for name in names)).where(table.c.event_time.between(first, last))


def _ordered(connection: Connection, kind: RecordKind, query: sa.Select[Any]) -> list[frames.Row]:
    """Rows by identity and storage time, sorted here: databases differ in how they order texts."""
    rows = [tuple(row) for row in connection.execute(query)]
    return sorted(rows, key=lambda row: (frames.identity(kind, row), row[-1]))


def _stored_beside(connection: Connection, kind: RecordKind, rows: Sequence[frames.Row]) -> list[frames.Row]:
    """What is stored of the records that the rows may tell again."""
    moments = [row[1] for row in rows]
    table = frames.TABLES[kind]
    query = _select(kind, min(moments), max(moments)).where(table.c.instrument.in_({row[0] for row in rows}))
    return _ordered(connection, kind, query)
