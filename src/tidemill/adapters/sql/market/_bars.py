"""The table of bars, on the database's own driver: a row costs little more than the database itself takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from sqlalchemy.engine import Connection, Engine

from tidemill.adapters.sql._bulk.bars import WATERMARK, BulkBars
from tidemill.adapters.sql.engine import read, write
from tidemill.adapters.sql.market.columns import INTEGERS, BarColumns, Limits, Part, Row, to_frame
from tidemill.domain.market import timeframe_seconds
from tidemill.ports.frames import OHLCV

COLUMNS = ("series_id", "open_time", "stored_at", *OHLCV, "knowledge_time", "assumed")
CONTENT = slice(3, 8)
"""What makes a re-fetched row a revision; another knowledge time of equal content does not."""
RAISE = "UPDATE watermark SET stored_at = {mark}"
MANY_ROWS, SERIES_AT_ONCE = 5_000, 200
KNOWN = (
    "WITH wanted (series, first, last) AS (VALUES {marks}) "
    "SELECT b.series_id, b.open_time, b.stored_at, {names} FROM wanted CROSS JOIN bars b "
    "WHERE b.series_id = wanted.series AND b.open_time BETWEEN wanted.first AND wanted.last"
)
LONG_READ, COPY_FROM = 20_000, 500


DriverCursor: TypeAlias = Any
"""A cursor of sqlite3 or psycopg, which share no type."""


class BarTable:
    """Reads and writes of the table of bars."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._mark = "?" if engine.dialect.name == "sqlite" else "%s"
        self._series: dict[tuple[str, str], int] = {}
        self._bulk = BulkBars(engine)

    def close(self) -> None:
        """Close what reads and writes long ranges."""
        self._bulk.close()

    def add_many(self, timeframe: str, bars: BarColumns, *, now: int) -> int | None:
        """Write a long frame in a transaction of its own; rows added, or None when it is to go the ordinary way."""
        if len(bars.codes) < MANY_ROWS or not self._bulk.is_there:
            return None
        with write(self._engine) as connection:
            cursor = connection.connection.cursor()
            series = [self._series_id(cursor, name, timeframe) for name in bars.names]
            cursor.close()
        return self._bulk.add(series, bars, now=now)

    def add(self, connection: Connection, timeframe: str, bars: BarColumns, *, now: int) -> int:
        """Write what is new or changed as rows stored after ``now`` and all that is stored; return how many."""
        cursor: DriverCursor = connection.connection.cursor()
        cursor.execute(WATERMARK)
        stored = max(now, int(cursor.fetchone()[0]) + 1)
        series = [self._series_id(cursor, name, timeframe) for name in bars.names]
        stored_rows = self._newest_contents(cursor, list(zip(series, bars.ranges(), strict=True)))
        new = _changed(bars.rows(series, stored), stored_rows)
        if new:
            self._insert(cursor, new)
            cursor.execute(RAISE.format(mark=self._mark), (stored,))
        cursor.close()
        return len(new)

    def read(self, instruments: Sequence[str], timeframe: str, limits: Limits, *, revisions: bool) -> pd.DataFrame:
        """BARS and stored_at as the port has them."""
        names = sorted(set(instruments))
        with read(self._engine) as connection:
            cursor = connection.connection.cursor()
            numbers = ((name, self._find_series(cursor, name, timeframe)) for name in names)
            ids = {name: number for name, number in numbers if number is not None}
            long = len(ids) * limits.seconds > LONG_READ * timeframe_seconds(timeframe)
            parts = self._bulk.read(list(ids.values()), limits) if long else None
            if parts is None:
                parts = [self._short(cursor, number, limits) for number in ids.values()]
            cursor.close()
        return to_frame(list(ids), parts, revisions=revisions)

    def coverage(self, instrument: str, timeframe: str, limits: Limits) -> np.ndarray:
        """Open times of one series, ascending, each once."""
        with read(self._engine) as connection:
            cursor = connection.connection.cursor()
            series = self._find_series(cursor, instrument, timeframe)
            if series is None:
                return np.empty(0, np.int64)
            long = limits.seconds > LONG_READ * timeframe_seconds(timeframe)
            opens = self._bulk.opens(series, limits) if long else None
            if opens is None:
                text, values = limits.opens(self._mark)
                cursor.execute(text, [series, *values])
                opens = np.array([row[0] for row in cursor.fetchall()], dtype=np.int64)
            cursor.close()
        return opens

    def _short(self, cursor: DriverCursor, series: int, limits: Limits) -> Part:
        text, values = limits.query(self._mark)
        cursor.execute(text, [series, *values])
        rows = cursor.fetchall()
        if not rows:
            return np.empty((len(INTEGERS), 0), np.int64), np.empty((len(OHLCV), 0))
        columns = list(zip(*rows, strict=True))
        count = len(INTEGERS)
        return np.array(columns[:count], dtype=np.int64), np.array(columns[count:], dtype=np.float64)

    def _newest_contents(
        self, cursor: DriverCursor, ranges: list[tuple[int, tuple[int, int]]]
    ) -> dict[tuple[int, int], Row]:
        """Newest content of each bar stored of a series in [first, last], for some series at a time."""
        contents: dict[tuple[int, int], Row] = {}
        for at in range(0, len(ranges), SERIES_AT_ONCE):
            batch = ranges[at : at + SERIES_AT_ONCE]
            marks = ", ".join([f"({self._mark}, {self._mark}, {self._mark})"] * len(batch))
            text = KNOWN.format(marks=marks, names=", ".join(f"b.{name}" for name in OHLCV))
            cursor.execute(text, [value for series, (first, last) in batch for value in (series, first, last)])
            # as they were stored, so that the newest is the last
            contents.update({row[:2]: tuple(row[3:]) for row in sorted(cursor.fetchall())})
        return contents

    def _insert(self, cursor: DriverCursor, rows: list[Row]) -> None:
        names = ", ".join(COLUMNS)
        if self._engine.dialect.name == "postgresql" and len(rows) >= COPY_FROM:
            with cursor.copy(f"COPY bars ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join([self._mark] * len(COLUMNS))
        cursor.executemany(f"INSERT INTO bars ({names}) VALUES ({marks})", rows)  # noqa: S608

    def _series_id(self, cursor: DriverCursor, name: str, timeframe: str) -> int:
        """Its id; made when there is none."""
        number = self._find_series(cursor, name, timeframe)
        if number is not None:
            return number
        text = f"INSERT INTO series (instrument, timeframe) VALUES ({self._mark}, {self._mark})"  # noqa: S608
        cursor.execute(text, (name, timeframe))
        return int(self._look_up(cursor, name, timeframe) or 0)

    def _find_series(self, cursor: DriverCursor, name: str, timeframe: str) -> int | None:
        """Its id, remembered once it was found; one that this transaction makes is not found before its end."""
        number = self._series.get((name, timeframe))
        if number is None:
            number = self._look_up(cursor, name, timeframe)
            if number is not None:
                self._series[name, timeframe] = number
        return number

    def _look_up(self, cursor: DriverCursor, name: str, timeframe: str) -> int | None:
        text = f"SELECT series_id FROM series WHERE instrument = {self._mark} AND timeframe = {self._mark}"  # noqa: S608
        cursor.execute(text, (name, timeframe))
        row = cursor.fetchone()
        return None if row is None else int(row[0])


def _changed(rows: list[Row], stored: Mapping[tuple[int, int], Row]) -> list[Row]:
    """Rows unlike what is stored; of several for one bar the last."""
    last = {row[:2]: row for row in rows}
    if not stored and len(last) == len(rows):
        return rows
    return [row for key, row in last.items() if stored.get(key) != row[CONTENT]]
