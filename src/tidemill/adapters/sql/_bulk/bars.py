"""Long ranges of bars in a SQLite file: read and written without a Python object per number."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from sqlalchemy.engine import Engine

from tidemill.adapters import compiled_io
from tidemill.adapters.sql._bulk.columns import Connection, RefusedError, SqliteColumns, Statement, UnreachableError
from tidemill.adapters.sql.engine import refused, turn
from tidemill.adapters.sql.market.columns import INTEGERS, BarColumns, Limits, Part, newest
from tidemill.ports.frames import OHLCV

SELECT = f"SELECT {', '.join((*INTEGERS, *OHLCV))} FROM bars WHERE series_id = ?1"  # noqa: S608 -- our own names
NEWEST = f"{SELECT} AND open_time BETWEEN ?2 AND ?3 ORDER BY open_time, stored_at"
NAMES = ("open_time", "knowledge_time", "assumed", *OHLCV, "series_id", "stored_at")
INSERT = f"INSERT INTO bars ({', '.join(NAMES)}) VALUES ({', '.join('?' * len(NAMES))})"  # noqa: S608
WATERMARK = "SELECT stored_at FROM watermark"


class BulkBars:
    """The way for long ranges, on a SQLite file; on anything else, or when it is switched off, it is not there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._columns: SqliteColumns | None = None
        path = engine.url.database
        on_file = engine.dialect.name == "sqlite" and path and path != ":memory:"
        if on_file and path and compiled_io.is_on():
            self._columns = SqliteColumns(path)

    @property
    def is_there(self) -> bool:
        """Whether this way may be tried."""
        return self._columns is not None

    def close(self) -> None:
        """Close its connections."""
        if self._columns is not None:
            self._columns.close()

    def read(self, series: Sequence[int], limits: Limits) -> list[Part] | None:
        """Rows of each series, or None when the ordinary way is to be taken (and tells what is wrong)."""
        if self._columns is None:
            return None
        text, values = limits.query("?")
        with suppress(UnreachableError, RefusedError):
            runs = [[series_id, *values] for series_id in series]
            return self._columns.select(text, runs, integers=len(INTEGERS), reals=len(OHLCV))
        return None

    def opens(self, series: int, limits: Limits) -> np.ndarray | None:
        """Open times of a series, each once; None when the ordinary way is to be taken."""
        if self._columns is None:
            return None
        text, values = limits.opens("?")
        with suppress(UnreachableError, RefusedError):
            ((integers, _),) = self._columns.select(text, [[series, *values]], integers=1, reals=0)
            opens: np.ndarray = integers[0]
            return opens
        return None

    def add(self, series: Sequence[int], bars: BarColumns, *, now: int) -> int | None:
        """Write what is new or changed in one transaction; rows added, or None when it cannot be done this way.

        TransientError or ConfigurationError when the database refuses; nothing is written then.
        """
        if self._columns is None:
            return None
        try:
            with turn(self._engine), self._columns.transaction("BEGIN IMMEDIATE") as connection:
                return _add(connection, series, bars, now)
        except UnreachableError:
            return None
        except RefusedError as error:
            raise refused(self._engine, str(error)) from error


def _add(connection: Connection, series: Sequence[int], bars: BarColumns, now: int) -> int:
    stored = max(now, connection.value(WATERMARK) + 1)
    added = 0
    with connection.prepared(NEWEST) as before, connection.prepared(INSERT) as insert:
        for code, series_id in enumerate(series):
            added += _add_series(before, insert, bars.part(code), series_id, stored)
    if added:
        connection.run(f"UPDATE watermark SET stored_at = {stored}")  # noqa: S608 -- a number of ours
    return added


def _add_series(before: Statement, insert: Statement, rows: Part, series: int, stored: int) -> int:
    """``rows``: open and knowledge times and assumed, values; ascending, each open time once."""
    integers, reals = rows
    before.bind(1, series, int(integers[0, 0]), int(integers[0, -1]))
    stored_rows = newest(before.select(len(INTEGERS), len(OHLCV)))
    new = _is_new(integers[0], reals, stored_rows)
    insert.bind(len(integers) + len(reals) + 1, series, stored)
    insert.insert(np.ascontiguousarray(integers[:, new]), np.ascontiguousarray(reals[:, new]))
    return int(np.count_nonzero(new))


def _is_new(opens: np.ndarray, reals: np.ndarray, before: Part) -> np.ndarray:
    """Which rows have another content than the newest stored of their open time, or none."""
    stored = before[0][0]
    if not len(stored):
        return np.ones(len(opens), dtype=bool)
    at = np.minimum(np.searchsorted(stored, opens), len(stored) - 1)
    same: np.ndarray = (stored[at] == opens) & (before[1][:, at] == reals).all(axis=0)
    return ~same
