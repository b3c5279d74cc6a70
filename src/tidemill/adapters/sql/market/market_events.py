"""Trades, books, funding rates, open interest and adjustments on SQLite or PostgreSQL, with all their revisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters.sql.engine import open_engine, read, upgrade, write
from tidemill.adapters.sql.market._market_event_tables import TABLES
from tidemill.adapters.sql.market._storage_order import LOCK, keep_stored, next_stored
from tidemill.domain.market import from_micros, to_micros
from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind
from tidemill.ports import market_event_frames as frames


class SqlMarketEvents:
    """The record store on one database; opening it brings the tables up to date.

    The schema is upgraded at each opening, which costs little when it is current. Several processes may write.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, durable=False)
        upgrade(self._engine, "market")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def write_market_events(self, kind: MarketEventKind, records: pd.DataFrame, *, now: datetime) -> int:
        """Store RECORDS atomically; return the rows added. The rules are those of bars.

        Comparing with what is stored and writing are one transaction. Rows of one call share one storage time.
        """
        rows = frames.to_rows(kind, records)
        if not rows:
            return 0
        names = (*MARKET_EVENT_SHAPES[kind].columns, "stored_at")
        with write(self._engine, lock=LOCK) as connection:
            new = frames.new_rows(kind, rows, _stored_beside(connection, kind, rows))
            if new:
                stored = next_stored(connection, now)
                values = [dict(zip(names, (*row, stored), strict=True)) for row in new]
                connection.execute(TABLES[kind].insert(), values)
                keep_stored(connection, stored)
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

        Rows are sorted here, because databases differ in how they order texts. Without ``revisions`` the newest
        readable one of each record is returned.
        """
        table = TABLES[kind]
        query = _select(kind, to_micros(start), to_micros(end) - 1).where(table.c.instrument.in_(list(instruments)))
        if known_at is not None:
            query = query.where(table.c.knowledge_time <= to_micros(known_at))
        if stored_until is not None:
            query = query.where(table.c.stored_at <= stored_until)
        with read(self._engine) as connection:
            rows = _ordered(connection, kind, query)
        return frames.to_frame(kind, rows if revisions else frames.newest(kind, rows))

    def latest_event(self, kind: MarketEventKind, instrument: str) -> datetime | None:
        """event_time of the newest stored record, or None."""
        table = TABLES[kind]
        query = sa.select(sa.func.max(table.c.event_time)).where(table.c.instrument == instrument)
        with read(self._engine) as connection:
            newest = connection.execute(query).scalar()
        return None if newest is None else from_micros(newest)


def _select(kind: MarketEventKind, first: int, last: int) -> sa.Select[Any]:
    """Rows whose event_time lies in [first, last]."""
    table = TABLES[kind]
    names = (*MARKET_EVENT_SHAPES[kind].columns, "stored_at")
    return sa.select(*(table.c[name] for name in names)).where(table.c.event_time.between(first, last))


def _ordered(connection: Connection, kind: MarketEventKind, query: sa.Select[Any]) -> list[frames.Row]:
    """Rows by identity and storage time, sorted here: databases differ in how they order texts."""
    rows = [tuple(row) for row in connection.execute(query)]
    return sorted(rows, key=lambda row: (frames.identity(kind, row), row[-1]))


def _stored_beside(connection: Connection, kind: MarketEventKind, rows: Sequence[frames.Row]) -> list[frames.Row]:
    """What is stored of the records that the rows may tell again."""
    # by range of time and not by key: one query for the whole call, of rows that lie side by side
    moments = [row[1] for row in rows]
    table = TABLES[kind]
    query = _select(kind, min(moments), max(moments)).where(table.c.instrument.in_({row[0] for row in rows}))
    return _ordered(connection, kind, query)
