"""The table of bars, on the database's own driver: a row costs little more than the database itself takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy.engine import Connection, Engine

from tidemill.adapters._market_frames import check_frame, micros, times
from tidemill.adapters._sql import read
from tidemill.adapters._sqlite_columns import SqliteColumns, Unreadable
from tidemill.domain.market import timeframe_seconds, to_micros
from tidemill.ports import BAR_COLUMNS

VALUES = ("open", "high", "low", "close", "volume")
COLUMNS = ("series_id", "open_time", "stored_at", *VALUES, "knowledge_time", "assumed")
INTEGERS = ("open_time", "stored_at", "knowledge_time", "assumed")
CONTENT = slice(3, 8)
"""What makes a re-fetched row a revision; another knowledge time of equal content does not."""
MANY_ROWS = 20_000
COPY_FROM = 500
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BarColumns:
    """BARS as plain arrays; ``codes`` number the rows' instruments in ``names``."""

    names: Sequence[str]
    codes: np.ndarray
    opens: np.ndarray
    values: np.ndarray
    known: np.ndarray
    assumed: np.ndarray

    @classmethod
    def of(cls, bars: pd.DataFrame) -> BarColumns:
        """Take BARS apart; DataError names what is missing, without zone, or not a number."""
        try:
            codes, names = pd.factorize(bars["instrument"])
            values = bars[list(VALUES)].to_numpy(np.float64)
            whole = len(codes) > 0 and codes.min() >= 0 and not np.isnan(values).any()
            whole = whole and bars["assumed"].dtype == bool and not _any_missing(bars)
        except (KeyError, TypeError, ValueError):
            whole = False
        if not whole:
            bars = check_frame("bars", bars)
            codes, names = pd.factorize(bars["instrument"])
            values = bars[list(VALUES)].to_numpy(np.float64)
        return cls(
            names=[str(one) for one in names],
            codes=codes,
            opens=micros(bars["open_time"]),
            values=values,
            known=micros(bars["knowledge_time"]),
            assumed=bars["assumed"].to_numpy(bool),
        )

    def ranges(self) -> list[tuple[int, int]]:
        """First and last open time of each instrument."""
        first = np.full(len(self.names), np.iinfo(np.int64).max)
        last = np.full(len(self.names), np.iinfo(np.int64).min)
        np.minimum.at(first, self.codes, self.opens)
        np.maximum.at(last, self.codes, self.opens)
        return list(zip(first.tolist(), last.tolist(), strict=True))

    def rows(self, series: Sequence[int], stored: int) -> list[Row]:
        """Rows of the table, ``series`` being the ids of ``names``."""
        ids = np.array(series, dtype=np.int64)[self.codes].tolist()
        values = (column.tolist() for column in self.values.T)
        ends = self.known.tolist(), self.assumed.tolist()
        return list(zip(ids, self.opens.tolist(), [stored] * len(ids), *values, *ends, strict=True))


def _any_missing(bars: pd.DataFrame) -> bool:
    columns = [bars[name] for name in ("open_time", "knowledge_time")]
    zoned = all(isinstance(one.dtype, pd.DatetimeTZDtype) for one in columns)
    return not zoned or any(one.isna().any() for one in columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Which bars are read: open times in [start, end), known and stored by then; None is no limit."""

    start: datetime
    end: datetime
    known_at: datetime | None = None
    stored_until: int | None = None

    @property
    def seconds(self) -> float:
        """Length of the range."""
        return (self.end - self.start).total_seconds()

    def query(self, mark: str) -> tuple[str, list[int]]:
        """The query of one series, and what is bound behind its id."""
        known = None if self.known_at is None else to_micros(self.known_at)
        bounds = [("open_time >=", to_micros(self.start)), ("open_time <", to_micros(self.end))]
        bounds += [("knowledge_time <=", known)] if known is not None else []
        bounds += [("stored_at <=", self.stored_until)] if self.stored_until is not None else []
        where = "".join(f" AND {text} {mark}" for text, _ in bounds)
        names = ", ".join((*INTEGERS, *VALUES))
        text = f"SELECT {names} FROM bars WHERE series_id = {mark}{where} ORDER BY open_time, stored_at"  # noqa: S608
        return text, [value for _, value in bounds]


class BarTable:
    """Reads and writes of the table of bars."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._mark = "?" if engine.dialect.name == "sqlite" else "%s"
        self._series: dict[tuple[str, str], int] = {}
        path = engine.url.database if engine.dialect.name == "sqlite" else None
        self._columns = SqliteColumns(path) if path and path != ":memory:" else None

    def close(self) -> None:
        """Close what reads long ranges."""
        if self._columns is not None:
            self._columns.close()

    def add(self, connection: Connection, timeframe: str, bars: BarColumns, stored: int) -> int:
        """Write what is new or changed as rows stored at ``stored``; return how many."""
        cursor = connection.connection.cursor()
        series = [self._series_id(cursor, name, timeframe) for name in bars.names]
        known: dict[tuple[int, int], Row] = {}
        for one, (first, last) in zip(series, bars.ranges(), strict=True):
            known.update(self._known(cursor, one, first, last))
        new = _changed(bars.rows(series, stored), known)
        if new:
            self._insert(cursor, new)
        cursor.close()
        return len(new)

    def read(self, instruments: Sequence[str], timeframe: str, limits: Limits, *, revisions: bool) -> pd.DataFrame:
        """BARS and stored_at as the port has them."""
        names = sorted(set(instruments))
        with read(self._engine) as connection:
            cursor = connection.connection.cursor()
            ids = {name: found for name in names if (found := self._find_series(cursor, name, timeframe)) is not None}
            long = len(ids) * limits.seconds > MANY_ROWS * timeframe_seconds(timeframe)
            parts = self._long(list(ids.values()), limits) if long else None
            if parts is None:
                parts = [self._short(cursor, one, limits) for one in ids.values()]
            cursor.close()
        return _to_frame(list(ids), parts, revisions=revisions)

    def _long(self, series: Sequence[int], limits: Limits) -> list[_Part] | None:
        if self._columns is None:
            return None
        text, values = limits.query(self._mark)
        try:
            return self._columns.select(text, [[one, *values] for one in series], integers=len(INTEGERS), reals=5)
        except Unreadable:
            return None

    def _short(self, cursor: Any, series: int, limits: Limits) -> _Part:
        text, values = limits.query(self._mark)
        cursor.execute(text, [series, *values])
        rows = cursor.fetchall()
        if not rows:
            return np.empty((len(INTEGERS), 0), np.int64), np.empty((len(VALUES), 0))
        columns = list(zip(*rows, strict=True))
        count = len(INTEGERS)
        return np.array(columns[:count], dtype=np.int64), np.array(columns[count:], dtype=np.float64)

    def _known(self, cursor: Any, series: int, first: int, last: int) -> dict[tuple[int, int], Row]:
        """Newest content of each bar stored in [first, last]."""
        names = ", ".join(VALUES)
        where = f"series_id = {self._mark} AND open_time BETWEEN {self._mark} AND {self._mark}"
        text = f"SELECT open_time, {names} FROM bars WHERE {where} ORDER BY open_time, stored_at"  # noqa: S608
        cursor.execute(text, (series, first, last))
        return {(series, row[0]): tuple(row[1:]) for row in cursor.fetchall()}

    def _insert(self, cursor: Any, rows: list[Row]) -> None:
        names = ", ".join(COLUMNS)
        if self._engine.dialect.name == "postgresql" and len(rows) >= COPY_FROM:
            with cursor.copy(f"COPY bars ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join([self._mark] * len(COLUMNS))
        cursor.executemany(f"INSERT INTO bars ({names}) VALUES ({marks})", rows)  # noqa: S608

    def _series_id(self, cursor: Any, name: str, timeframe: str) -> int:
        """Its id; made when there is none."""
        found = self._find_series(cursor, name, timeframe)
        if found is not None:
            return found
        text = f"INSERT INTO series (instrument, timeframe) VALUES ({self._mark}, {self._mark})"  # noqa: S608
        cursor.execute(text, (name, timeframe))
        return int(self._look_up(cursor, name, timeframe) or 0)

    def _find_series(self, cursor: Any, name: str, timeframe: str) -> int | None:
        """Its id, remembered once it was found; one that this transaction makes is not found before its end."""
        known = self._series.get((name, timeframe))
        if known is None:
            known = self._look_up(cursor, name, timeframe)
            if known is not None:
                self._series[name, timeframe] = known
        return known

    def _look_up(self, cursor: Any, name: str, timeframe: str) -> int | None:
        text = f"SELECT series_id FROM series WHERE instrument = {self._mark} AND timeframe = {self._mark}"  # noqa: S608
        cursor.execute(text, (name, timeframe))
        row = cursor.fetchone()
        return None if row is None else int(row[0])


_Part = tuple[np.ndarray, np.ndarray]


def _changed(rows: list[Row], known: Mapping[tuple[int, int], Row]) -> list[Row]:
    """Rows unlike what is known; of several for one bar the last."""
    if not known:
        opens = [row[:2] for row in rows]
        if len(set(opens)) == len(opens):
            return rows
    new: dict[tuple[int, int], Row] = {}
    for row in rows:
        key = row[:2]
        if known.get(key) != row[CONTENT]:
            new[key] = row
    return list(new.values())


def _to_frame(names: Sequence[str], parts: Sequence[_Part], *, revisions: bool) -> pd.DataFrame:
    """BARS and stored_at of the series; of each bar the newest row unless all are wanted."""
    kept = [part if revisions else _newest(part) for part in parts]
    counts = [part[0].shape[1] for part in kept]
    empty = np.empty((len(INTEGERS), 0), np.int64), np.empty((len(VALUES), 0))
    integers = np.concatenate([one[0] for one in kept or [empty]], axis=1)
    reals = np.concatenate([one[1] for one in kept or [empty]], axis=1)
    columns: dict[str, Any] = {name: times(integers[row]) for row, name in enumerate(INTEGERS[:3])}
    columns |= {name: reals[row] for row, name in enumerate(VALUES)}
    columns |= {"assumed": integers[3].astype(bool), "instrument": _repeated(names, counts)}
    return pd.DataFrame({name: columns[name] for name in (*BAR_COLUMNS, "stored_at")})


def _newest(part: _Part) -> _Part:
    """Of rows by open time and storage time the last of each open time."""
    opens = part[0][0]
    if len(opens) < 2:
        return part
    last = np.append(opens[1:] != opens[:-1], True)
    return part if last.all() else (part[0][:, last], part[1][:, last])


def _repeated(names: Sequence[str], counts: Sequence[int]) -> pd.Series:
    """Each name as often as it has rows, as text."""
    import pyarrow as pa

    parts = [pa.repeat(pa.scalar(name, pa.large_string()), count) for name, count in zip(names, counts, strict=True)]
    return pd.Series(pd.array(pa.chunked_array(parts, pa.large_string()), dtype="str"))
