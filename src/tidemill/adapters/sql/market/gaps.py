"""The gap ledger on SQLite or PostgreSQL, in the market store's database and in its order of storage.

Every write takes the database's lock, so that two processes never give out the same storage time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from tidemill.adapters.sql.engine import open_engine, read, upgrade, write
from tidemill.adapters.sql.market._gap_tables import FETCHES, GAPS, QUARANTINE
from tidemill.adapters.sql.market._storage_order import LOCK, keep_stored, next_stored
from tidemill.domain.gaps import MISSING_STATES, Cause, Fetch, Gap, GapEvent, GapState
from tidemill.domain.market import Calendar, from_micros, to_micros
from tidemill.ports import quarantine_frames as frames

GAP_ORDER = (GAPS.c.instrument, GAPS.c.timeframe, GAPS.c.start, GAPS.c.stored_at)


class SqlGapLedger:
    """Gaps, fetches and quarantine on one database; opening it brings the tables up to date.

    The schema is upgraded at each opening, which costs little when it is current. Several processes may write.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, durable=False)
        upgrade(self._engine, "market")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def record_gaps(self, gaps: Sequence[Gap], *, now: datetime) -> int:
        """Append a line per gap, atomically; one equal to the gap's newest line adds nothing. Lines added.

        Lines of one call share one storage time. Comparing and appending are one transaction, so two repairs cannot
        add the same line twice.
        """
        if not gaps:
            return 0
        with write(self._engine, lock=LOCK) as connection:
            names = {gap.instrument for gap in gaps}
            query = sa.select(GAPS).where(GAPS.c.instrument.in_(names)).order_by(*GAP_ORDER)
            newest = {gap.key: gap for gap in _gaps(connection, query)}
            new = {gap.key: gap for gap in gaps if newest.get(gap.key) != gap}
            stored = next_stored(connection, now)
            if new:
                connection.execute(GAPS.insert(), [_gap_row(gap, stored) for gap in new.values()])
                keep_stored(connection, stored)
        return len(new)

    def load_gaps(
        self, instruments: Sequence[str] | None = None, timeframe: str | None = None, *, every: bool = False
    ) -> Sequence[Gap]:
        """The newest line of each gap that is missing still (``every``: of all), by (instrument, timeframe, start)."""
        query = _of_series(sa.select(GAPS).order_by(*GAP_ORDER), GAPS, instruments, timeframe)
        with read(self._engine) as connection:
            newest = {gap.key: gap for gap in _gaps(connection, query)}
        return [gap for gap in newest.values() if every or gap.state in MISSING_STATES]

    def load_gap_events(self, instrument: str, timeframe: str) -> Sequence[GapEvent]:
        """Every line of the series' gaps, by (start, stored_at)."""
        query = _of_series(sa.select(GAPS).order_by(*GAP_ORDER), GAPS, [instrument], timeframe)
        with read(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [GapEvent(gap=_gap(row), stored_at=row["stored_at"]) for row in rows]

    def record_fetch(self, fetch: Fetch, *, now: datetime) -> None:
        """Keep that the source answered for the range. A fetch that failed is not recorded.

        It takes a storage time of its own, in one transaction with the row.
        """
        row = {
            "instrument": fetch.instrument,
            "timeframe": fetch.timeframe,
            "start": to_micros(fetch.start),
            "end": to_micros(fetch.end),
            "bars": fetch.bars,
            "calendar": fetch.calendar,
        }
        with write(self._engine, lock=LOCK) as connection:
            stored = next_stored(connection, now)
            connection.execute(FETCHES.insert(), {**row, "stored_at": stored})
            keep_stored(connection, stored)

    def load_fetches(self, instrument: str, timeframe: str, *, since: datetime | None = None) -> Sequence[Fetch]:
        """Answered ranges that end after ``since``, oldest answer first."""
        query = _of_series(sa.select(FETCHES).order_by(FETCHES.c.stored_at), FETCHES, [instrument], timeframe)
        if since is not None:
            query = query.where(FETCHES.c.end > to_micros(since))
        with read(self._engine) as connection:
            return [
                Fetch(
                    instrument=row["instrument"],
                    timeframe=row["timeframe"],
                    start=from_micros(row["start"]),
                    end=from_micros(row["end"]),
                    bars=row["bars"],
                    calendar=row["calendar"],
                )
                for row in connection.execute(query).mappings()
            ]

    def list_series(self) -> Sequence[tuple[str, str, Calendar]]:
        """Every (instrument, timeframe, calendar) that was ever fetched, in order."""
        query = sa.select(FETCHES.c.instrument, FETCHES.c.timeframe, FETCHES.c.calendar).distinct()
        with read(self._engine) as connection:
            return sorted((row[0], row[1], row[2]) for row in connection.execute(query))

    def write_quarantine(self, bars: pd.DataFrame, *, now: datetime) -> int:
        """Keep QUARANTINE atomically, once by (instrument, timeframe, payload_hash). Return the rows added.

        A content that was released stays known: fetched again it adds nothing.
        """
        rows = {_bar_key(row): row for row in frames.to_rows(bars)}
        if not rows:
            return 0
        with write(self._engine, lock=LOCK) as connection:
            columns = (QUARANTINE.c.instrument, QUARANTINE.c.timeframe, QUARANTINE.c.payload_hash)
            names = {row["instrument"] for row in rows.values()}
            query = sa.select(*columns).where(QUARANTINE.c.instrument.in_(names))
            stored_keys = {tuple(row) for row in connection.execute(query)}
            stored = next_stored(connection, now)
            added = {"stored_at": stored, "released_at": None, "because": ""}
            new = [{**row, **added} for key, row in rows.items() if key not in stored_keys]
            if new:
                connection.execute(QUARANTINE.insert(), new)
                keep_stored(connection, stored)
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

        With ``every``, bars released by then are among them. Sorted here, because databases differ in how they order
        texts.
        """
        query = _of_series(sa.select(QUARANTINE), QUARANTINE, instruments, timeframe)
        is_read = frames.known_at if every else frames.stood_at
        with read(self._engine) as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return frames.to_frame(sorted((row for row in rows if is_read(row, stored_until)), key=frames.order_of))

    def release_bars(self, instrument: str, timeframe: str, open_time: datetime, *, because: str, now: datetime) -> int:
        """Release all that stands for the slot, with the reason; return how many. DataError without a reason.

        0 when nothing stands there; then no storage time is taken.
        """
        reason = frames.need_reason(because, instrument, open_time)
        with write(self._engine, lock=LOCK) as connection:
            stored = next_stored(connection, now)
            result = connection.execute(
                QUARANTINE.update()
                .where(QUARANTINE.c.instrument == instrument, QUARANTINE.c.timeframe == timeframe)
                .where(QUARANTINE.c.open_time == to_micros(open_time), QUARANTINE.c.released_at.is_(None))
                .values(released_at=stored, because=reason)
            )
            if result.rowcount:
                keep_stored(connection, stored)
        return int(result.rowcount)


def _of_series(
    query: sa.Select[Any], table: sa.Table, instruments: Sequence[str] | None, timeframe: str | None
) -> sa.Select[Any]:
    if instruments is not None:
        query = query.where(table.c.instrument.in_(list(instruments)))
    return query if timeframe is None else query.where(table.c.timeframe == timeframe)


def _bar_key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["instrument"], row["timeframe"], row["payload_hash"]


def _gaps(connection: Connection, query: sa.Select[Any]) -> list[Gap]:
    return [_gap(row) for row in connection.execute(query).mappings()]


def _gap(row: RowMapping) -> Gap:
    return Gap(
        instrument=row["instrument"],
        timeframe=row["timeframe"],
        start=from_micros(row["start"]),
        end=from_micros(row["end"]),
        missing=row["missing"],
        cause=Cause(row["cause"]),
        state=GapState(row["state"]),
        why=row["why"],
    )


def _gap_row(gap: Gap, stored: int) -> dict[str, Any]:
    return {
        "instrument": gap.instrument,
        "timeframe": gap.timeframe,
        "start": to_micros(gap.start),
        "end": to_micros(gap.end),
        "missing": gap.missing,
        "cause": str(gap.cause),
        "state": str(gap.state),
        "why": gap.why,
        "stored_at": stored,
    }
