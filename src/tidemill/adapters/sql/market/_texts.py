"""Posts and scores in SQL: revisions kept, equal ones not written again, the newest of each read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tidemill.adapters.sql.engine import read, write
from tidemill.adapters.sql.market._storage_order import LOCK, keep_stored, next_stored
from tidemill.domain.market import to_micros
from tidemill.ports.frames import to_frame

Row = tuple[Any, ...]


def write_texts(
    engine: Engine,
    table: sa.Table,
    names: Sequence[str],
    rows: list[Row],
    content: Sequence[int],
    *,
    time_index: int,
    now: datetime,
) -> int:
    """Write the rows that are new, or whose ``content`` (by place in the row) changed; how many."""
    if not rows:
        return 0
    with write(engine, lock=LOCK) as connection:
        moments = [row[time_index] for row in rows]
        query = (
            sa.select(*(table.c[name] for name in names))
            .where(table.c.event_time.between(min(moments), max(moments)))
            .order_by(table.c.stored_at)
        )
        newest = {_text_key(row, time_index): tuple(row) for row in connection.execute(query)}
        new: dict[Row, Row] = {}
        for row in rows:
            key = _text_key(row, time_index)
            before = new.get(key, newest.get(key))
            if before is None or any(before[index] != row[index] for index in content):
                new[key] = row
        stored = next_stored(connection, now)
        if new:
            connection.execute(table.insert(), _named(names, list(new.values()), stored))
            keep_stored(connection, stored)
    return len(new)


def read_texts(
    engine: Engine,
    table: sa.Table,
    names: Sequence[str],
    start: datetime,
    end: datetime,
    known_at: datetime | None,
    stored_until: int | None,
    *conditions: sa.ColumnElement[bool],
) -> pd.DataFrame:
    """The newest revision of each row of a range that was known and stored by then, ascending."""
    query = (
        sa.select(*(table.c[name] for name in names), table.c.stored_at)
        .where(table.c.event_time >= to_micros(start), table.c.event_time < to_micros(end), *conditions)
        .order_by(table.c.event_time, table.c.post_id, table.c.source, table.c.stored_at)
    )
    rows = _select(engine, query, table, known_at, stored_until)
    time_index = names.index("event_time")
    return to_frame(_newest(rows, key=lambda row: _text_key(row, time_index)), [*names, "stored_at"])


def _select(
    engine: Engine, query: sa.Select[Any], table: sa.Table, known_at: datetime | None, stored_until: int | None
) -> list[Row]:
    if known_at is not None:
        query = query.where(table.c.knowledge_time <= to_micros(known_at))
    if stored_until is not None:
        query = query.where(table.c.stored_at <= stored_until)
    with read(engine) as connection:
        return [tuple(row) for row in connection.execute(query)]


def _text_key(row: Sequence[Any], time_index: int) -> Row:
    return row[time_index], row[1], row[0]


def _newest(rows: list[Row], key: Any) -> list[Row]:
    """Of rows ordered by key and storage time, the last of each key."""
    return list({key(row): row for row in rows}.values())


def _named(names: Sequence[str], rows: list[Row], stored: int) -> list[dict[str, Any]]:
    return [{**dict(zip(names, row, strict=True)), "stored_at": stored} for row in rows]
