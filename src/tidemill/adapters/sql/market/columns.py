"""Bars as plain arrays on their way into and out of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import to_micros
from tidemill.ports import BAR_COLUMNS
from tidemill.ports.frames import OHLCV, check_frame, times

MISSING, FEW = np.iinfo(np.int64).min, 2_000
INTEGERS = ("open_time", "stored_at", "knowledge_time", "assumed")
Row = tuple[Any, ...]
Part = tuple[np.ndarray, np.ndarray]
"""Columns of one series, by open time and storage time: times and such (rows across) int64, and OHLCV float64."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BarColumns:
    """BARS as plain arrays; ``codes`` number the rows' instruments in ``names``."""

    names: Sequence[str]
    codes: np.ndarray
    opens: np.ndarray
    values: np.ndarray
    knowledge: np.ndarray
    assumed: np.ndarray

    @classmethod
    def of(cls, bars: pd.DataFrame) -> BarColumns:
        """Take BARS apart; DataError names what is missing, without zone, or not a number."""
        columns = _taken_apart(bars)
        if columns is None:
            # says what is wrong, or mends a column of another type
            columns = _taken_apart(check_frame("bars", bars).astype({"assumed": bool}))
        if columns is None:
            raise DataError("bars with columns of a type that is not theirs cannot be stored")
        return columns

    def ranges(self) -> list[tuple[int, int]]:
        """First and last open time of each instrument."""
        first = np.full(len(self.names), np.iinfo(np.int64).max)
        last = np.full(len(self.names), np.iinfo(np.int64).min)
        np.minimum.at(first, self.codes, self.opens)
        np.maximum.at(last, self.codes, self.opens)
        return list(zip(first.tolist(), last.tolist(), strict=True))

    def part(self, code: int) -> Part:
        """Rows of one instrument, ascending, the last of each open time: times and assumed, then values."""
        at = np.flatnonzero(self.codes == code)
        opens = self.opens[at]
        if len(at) > 1 and not (opens[1:] > opens[:-1]).all():
            at = at[np.argsort(opens, kind="stable")]
            at = at[np.append(np.diff(self.opens[at]) > 0, True)]
        return np.stack([self.opens[at], self.knowledge[at], self.assumed[at].astype(np.int64)]), self.values[at].T

    def rows(self, series: Sequence[int], stored: int) -> list[Row]:
        """Rows of the table, ``series`` being the ids of ``names``."""
        ids = np.array(series, dtype=np.int64)[self.codes].tolist()
        values = (column.tolist() for column in self.values.T)
        ends = self.knowledge.tolist(), self.assumed.tolist()
        return list(zip(ids, self.opens.tolist(), [stored] * len(ids), *values, *ends, strict=True))


def _taken_apart(bars: pd.DataFrame) -> BarColumns | None:
    """The columns, column by column because a frame made of some of them costs more; None if anything is missing."""
    try:
        codes, names = _numbered(bars["instrument"])
        opens, knowledge = _micros(bars["open_time"]), _micros(bars["knowledge_time"])
        values = np.stack([bars[name].to_numpy(np.float64) for name in OHLCV], axis=1)
        assumed = bars["assumed"].to_numpy()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    missing = (
        np.isnan(values).any() or any((column == MISSING).any() for column in (opens, knowledge)) or (codes < 0).any()
    )
    if missing or assumed.dtype != bool:
        return None
    return BarColumns(names=names, codes=codes, opens=opens, values=values, knowledge=knowledge, assumed=assumed)


def _numbered(names: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Number of each row's name, -1 where there is none, and the names."""
    if len(names) > FEW:
        codes, distinct = pd.factorize(names)
        return codes, [str(name) for name in distinct]
    numbers: dict[str, int] = {}
    each = [numbers.setdefault(name, len(numbers)) if isinstance(name, str) else -1 for name in names.tolist()]
    return np.array(each, dtype=np.int64), list(numbers)


def _micros(moments: pd.Series) -> np.ndarray:
    """UTC micros; TypeError for times without a zone. The accessor ``dt`` would take longer than the rest."""
    dtype = moments.dtype
    if not isinstance(dtype, pd.DatetimeTZDtype):
        raise TypeError(f"times without a zone: {dtype}")
    array: Any = moments.array if dtype.unit == "us" else moments.dt.as_unit("us").array
    micros: np.ndarray = array.asi8
    return micros


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

    def opens(self, mark: str) -> tuple[str, list[int]]:
        """The query of the open times of one series, each once, and what is bound behind its id."""
        where = f"series_id = {mark} AND open_time >= {mark} AND open_time < {mark}"
        text = f"SELECT DISTINCT open_time FROM bars WHERE {where} ORDER BY open_time"  # noqa: S608 -- our own names
        return text, [to_micros(self.start), to_micros(self.end)]

    def query(self, mark: str) -> tuple[str, list[int]]:
        """The query of one series, and what is bound behind its id."""
        until = None if self.known_at is None else to_micros(self.known_at)
        bounds = [("open_time >=", to_micros(self.start)), ("open_time <", to_micros(self.end))]
        bounds += [("knowledge_time <=", until)] if until is not None else []
        bounds += [("stored_at <=", self.stored_until)] if self.stored_until is not None else []
        where = "".join(f" AND {text} {mark}" for text, _ in bounds)
        names = ", ".join((*INTEGERS, *OHLCV))
        text = f"SELECT {names} FROM bars WHERE series_id = {mark}{where} ORDER BY open_time, stored_at"  # noqa: S608
        return text, [value for _, value in bounds]


def to_frame(names: Sequence[str], parts: Sequence[Part], *, revisions: bool) -> pd.DataFrame:
    """BARS and stored_at of the series; of each bar the newest row unless all are wanted."""
    chosen_parts = [part if revisions else newest(part) for part in parts]
    counts = [part[0].shape[1] for part in chosen_parts]
    empty = np.empty((len(INTEGERS), 0), np.int64), np.empty((len(OHLCV), 0))
    integers = np.concatenate([part[0] for part in chosen_parts or [empty]], axis=1)
    reals = np.concatenate([part[1] for part in chosen_parts or [empty]], axis=1)
    columns: dict[str, Any] = {name: times(integers[row]) for row, name in enumerate(INTEGERS[:3])}
    columns |= {name: reals[row] for row, name in enumerate(OHLCV)}
    columns |= {"assumed": integers[3].astype(bool), "instrument": _repeated(names, counts)}
    return pd.DataFrame({name: columns[name] for name in (*BAR_COLUMNS, "stored_at")})


def newest(part: Part) -> Part:
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
