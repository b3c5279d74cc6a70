"""Frames of market events: their checks, plain rows made of them and back, and which revision counts.

RECORDS are DataFrames with the columns of their kind (see ``MARKET_EVENT_SHAPES``): numbers are finite float64, texts
are never missing, times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind, MarketEventShape
from tidemill.ports.frames import micros, times

Row = tuple[Any, ...]
TIMES = frozenset({"event_time", "knowledge_time", "stored_at"})


def to_rows(kind: MarketEventKind, frame: pd.DataFrame) -> list[Row]:
    """RECORDS as rows of plain values in the order of their columns, times as int64 micros; DataError when unfit.

    DataError names the column that lacks, has no time zone, or holds NaN, an infinity or a missing text, with the
    first such row. Columns beyond those of the kind are dropped.
    """
    shape = MARKET_EVENT_SHAPES[kind]
    columns = [_checked(kind, shape, frame, name) for name in shape.columns]
    return list(zip(*columns, strict=True))


def _checked(kind: MarketEventKind, shape: MarketEventShape, frame: pd.DataFrame, name: str) -> list[Any]:
    if name not in frame.columns:
        raise DataError(f"{kind} without the column '{name}' cannot be stored")
    values = frame[name]
    if not len(values):
        return []
    if name in TIMES and not isinstance(values.dtype, pd.DatetimeTZDtype):
        raise DataError(f"{name} of {kind} has no time zone; make it UTC")
    numbers = values.to_numpy(np.float64) if name in shape.numbers else None
    # an infinite price would pass as a number and poison every mean made of it
    wrong = values.isna().to_numpy() if numbers is None else ~np.isfinite(numbers)
    if wrong.any():
        raise DataError(f"{name} of {kind} is missing in row {int(np.flatnonzero(wrong)[0])}; nothing was stored")
    if numbers is not None:
        return numbers.tolist()
    return micros(values).tolist() if name in TIMES else values.tolist()


def to_frame(kind: MarketEventKind, rows: Sequence[Row]) -> pd.DataFrame:
    """Rows (columns of the kind and stored_at) as RECORDS.

    No rows give an empty frame with typed columns.
    """
    shape = MARKET_EVENT_SHAPES[kind]
    names = [*shape.columns, "stored_at"]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pd.DataFrame({name: _typed(shape, name, values) for name, values in zip(names, columns, strict=True)})


def _typed(shape: MarketEventShape, name: str, values: Sequence[Any]) -> Any:
    if name in TIMES:
        return times(np.array(values, dtype=np.int64))
    if name in shape.numbers:
        return np.array(values, dtype=np.float64)
    if name == "assumed":
        return np.array(values, dtype=bool)
    return pd.Series(list(values), dtype="str")


def identity(kind: MarketEventKind, row: Row) -> Row:
    """What a row's record is known by.

    Two rows that agree in it are revisions of one record.
    """
    names = MARKET_EVENT_SHAPES[kind].columns
    return tuple(row[names.index(name)] for name in MARKET_EVENT_SHAPES[kind].identity)


def content(kind: MarketEventKind, row: Row) -> Row:
    """What makes a row told again a revision.

    A row that agrees in identity and content is the same answer again and is not stored.
    """
    names = MARKET_EVENT_SHAPES[kind].columns
    return tuple(row[names.index(name)] for name in MARKET_EVENT_SHAPES[kind].content)


def new_rows(kind: MarketEventKind, rows: Sequence[Row], stored: Sequence[Row]) -> list[Row]:
    """Rows that add something to what is stored (in the order of storage), the last of each record.

    ``stored`` may hold several revisions of a record: the last one is what a row is compared with, so a value that
    changes back is a revision too. Within ``rows`` the last change of a record wins, because one call has one
    stored_at.
    """
    # later rows overwrite earlier ones: what stays is the newest revision
    stored_content = {identity(kind, row): content(kind, row) for row in stored}
    new: dict[Row, Row] = {}
    for row in rows:
        key = identity(kind, row)
        before = content(kind, new[key]) if key in new else stored_content.get(key)
        if before is None or before != content(kind, row):
            new[key] = row
    return list(new.values())


def newest(kind: MarketEventKind, rows: Sequence[Row]) -> list[Row]:
    """Of rows ordered by identity and storage time, the last of each record.

    In the order in which each record first occurs.
    """
    return list({identity(kind, row): row for row in rows}.values())
