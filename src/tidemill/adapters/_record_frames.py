"""What both record stores share: the tables, the shape of frames and their checks, and which revision counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from tidemill.adapters._market_frames import micros, times
from tidemill.domain.errors import DataError
from tidemill.domain.records import RECORD_SHAPES, RecordKind, RecordShape

Row = tuple[Any, ...]
METADATA = sa.MetaData()
TIMES = frozenset({"event_time", "knowledge_time", "stored_at"})


def _table(kind: RecordKind, shape: RecordShape) -> sa.Table:
    return sa.Table(
        str(kind),
        METADATA,
        sa.Column("instrument", sa.Text, primary_key=True),
        sa.Column("event_time", sa.BigInteger, primary_key=True),
        *(sa.Column(name, sa.Text) for name in shape.texts),
        *(sa.Column(name, sa.Double) for name in shape.numbers),
        sa.Column("knowledge_time", sa.BigInteger),
        sa.Column("assumed", sa.Boolean),
        sa.Column("stored_at", sa.BigInteger, primary_key=True),
    )


TABLES = {kind: _table(kind, shape) for kind, shape in RECORD_SHAPES.items()}


def to_rows(kind: RecordKind, frame: pd.DataFrame) -> list[Row]:
    """RECORDS as rows of plain values in the order of their columns, times as int64 micros; DataError when unfit."""
    shape = RECORD_SHAPES[kind]
    columns = [_checked(kind, shape, frame, name) for name in shape.columns]
    return list(zip(*columns, strict=True))


def _checked(kind: RecordKind, shape: RecordShape, frame: pd.DataFrame, name: str) -> list[Any]:
    if name not in frame.columns:
        raise DataError(f"{kind} without the column '{name}' cannot be stored")
    values = frame[name]
    if not len(values):
        return []
    if name in TIMES and not isinstance(values.dtype, pd.DatetimeTZDtype):
        raise DataError(f"{name} of {kind} has no time zone; make it UTC")
    numbers = values.to_numpy(np.float64) if name in shape.numbers else None
    wrong = values.isna().to_numpy() if numbers is None else ~np.isfinite(numbers)
    if wrong.any():
        raise DataError(f"{name} of {kind} is missing in row {int(np.flatnonzero(wrong)[0])}; nothing was stored")
    if numbers is not None:
        return numbers.tolist()
    return micros(values).tolist() if name in TIMES else values.tolist()


def to_frame(kind: RecordKind, rows: Sequence[Row]) -> pd.DataFrame:
    """Rows (columns of the kind and stored_at) as RECORDS."""
    shape = RECORD_SHAPES[kind]
    names = [*shape.columns, "stored_at"]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pd.DataFrame({name: _typed(shape, name, values) for name, values in zip(names, columns, strict=True)})


def _typed(shape: RecordShape, name: str, values: Sequence[Any]) -> Any:
    if name in TIMES:
        return times(np.array(values, dtype=np.int64))
    if name in shape.numbers:
        return np.array(values, dtype=np.float64)
    if name == "assumed":
        return np.array(values, dtype=bool)
    return pd.Series(list(values), dtype="str")


def identity(kind: RecordKind, row: Row) -> Row:
    """What a row's record is known by."""
    names = RECORD_SHAPES[kind].columns
    return tuple(row[names.index(name)] for name in RECORD_SHAPES[kind].identity)


def content(kind: RecordKind, row: Row) -> Row:
    """What makes a row told again a revision."""
    names = RECORD_SHAPES[kind].columns
    return tuple(row[names.index(name)] for name in RECORD_SHAPES[kind].content)


def new_rows(kind: RecordKind, rows: Sequence[Row], stored: Sequence[Row]) -> list[Row]:
    """Rows that add something to what is stored (in the order of storage), the last of each record."""
    known = {identity(kind, row): content(kind, row) for row in stored}
    new: dict[Row, Row] = {}
    for row in rows:
        key = identity(kind, row)
        before = content(kind, new[key]) if key in new else known.get(key)
        if before is None or before != content(kind, row):
            new[key] = row
    return list(new.values())


def newest(kind: RecordKind, rows: Sequence[Row]) -> list[Row]:
    """Of rows ordered by identity and storage time, the last of each record."""
    return list({identity(kind, row): row for row in rows}.values())
