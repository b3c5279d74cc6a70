"""Marks of series on SQLite or PostgreSQL, in the market store's database and in its order of storage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from tidemill.adapters.sql.engine import open_engine, read, upgrade, write
from tidemill.adapters.sql.market._storage_order import LOCK, keep_stored, next_stored
from tidemill.domain.market import from_micros, to_micros
from tidemill.domain.series import SeriesState, SeriesStatus, StatusEvent

MARKS = sa.Table(
    "marks",
    sa.MetaData(),
    *(sa.Column(name, sa.Text) for name in ("instrument", "timeframe")),
    sa.Column("stored_at", sa.BigInteger),
    *(sa.Column(name, sa.Text) for name in ("state", "why")),
    *(sa.Column(name, sa.BigInteger) for name in ("listed_from", "listed_until")),
)


class SqlSeriesStatus:
    """The marks on one database; opening it brings the tables up to date.

    The schema is upgraded at each opening, which costs little when it is current. Several processes may write.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, durable=False)
        upgrade(self._engine, "market")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def record_status(self, mark: SeriesStatus, *, now: datetime) -> bool:
        """Append the mark; False when it equals the series' newest one, or is the first and no news.

        Comparing and appending are one transaction, so two processes with the same news leave one line.
        """
        query = sa.select(MARKS).where(MARKS.c.instrument == mark.instrument, MARKS.c.timeframe == mark.timeframe)
        with write(self._engine, lock=LOCK) as connection:
            rows = connection.execute(query.order_by(MARKS.c.stored_at.desc()).limit(1)).mappings().all()
            newest = _event(rows[0]).mark if rows else None
            if mark == newest or (newest is None and not mark.is_news):
                return False
            stored = next_stored(connection, now)
            connection.execute(MARKS.insert(), _row(mark, stored))
            keep_stored(connection, stored)
        return True

    def load_statuses(self, instruments: Sequence[str] | None = None) -> Sequence[SeriesStatus]:
        """The newest mark of each series, by (instrument, timeframe)."""
        query = sa.select(MARKS).order_by(MARKS.c.stored_at)
        if instruments is not None:
            query = query.where(MARKS.c.instrument.in_(list(instruments)))
        with read(self._engine) as connection:
            events = [_event(row) for row in connection.execute(query).mappings()]
        newest = {event.mark.key: event.mark for event in events}
        return [mark for _, mark in sorted(newest.items())]

    def load_status_events(self, instrument: str, timeframe: str) -> Sequence[StatusEvent]:
        """Every mark of a series, oldest first."""
        query = sa.select(MARKS).where(MARKS.c.instrument == instrument, MARKS.c.timeframe == timeframe)
        with read(self._engine) as connection:
            return [_event(row) for row in connection.execute(query.order_by(MARKS.c.stored_at)).mappings()]


def _row(mark: SeriesStatus, stored: int) -> dict[str, Any]:
    return {
        "instrument": mark.instrument,
        "timeframe": mark.timeframe,
        "stored_at": stored,
        "state": str(mark.state),
        "why": mark.why,
        "listed_from": None if mark.listed_from is None else to_micros(mark.listed_from),
        "listed_until": None if mark.listed_until is None else to_micros(mark.listed_until),
    }


def _event(row: RowMapping) -> StatusEvent:
    start, until = row["listed_from"], row["listed_until"]
    mark = SeriesStatus(
        instrument=row["instrument"],
        timeframe=row["timeframe"],
        state=SeriesState(row["state"]),
        why=row["why"],
        listed_from=None if start is None else from_micros(start),
        listed_until=None if until is None else from_micros(until),
    )
    return StatusEvent(mark=mark, stored_at=row["stored_at"])
