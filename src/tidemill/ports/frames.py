"""Columns of the DataFrames that cross the ports, their checks, and plain rows made of them and back.

BARS, POSTS and SCORES in the docstrings of the ports are DataFrames with the columns named here, in any order. Prices,
volumes and scores are float64 and never NaN; every time is an aware column in UTC; ``assumed`` is true where the
knowledge time was computed and not observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError

PRICE_COLUMNS = ("open", "high", "low", "close")
OHLCV = (*PRICE_COLUMNS, "volume")
BAR_COLUMNS = ("instrument", "open_time", *OHLCV, "knowledge_time", "assumed")
POST_COLUMNS = ("source", "post_id", "channel", "event_time", "knowledge_time", "assumed", "title", "text")
SCORE_COLUMNS = ("source", "post_id", "scorer", "score", "subjects", "event_time", "knowledge_time")
GAP_COLUMNS = ("instrument", "timeframe", "start", "end", "missing", "cause")
QUARANTINE_COLUMNS = ("timeframe", *BAR_COLUMNS, "reason", "source", "payload_hash")
TIME_COLUMNS = frozenset({"open_time", "event_time", "knowledge_time"})
NUMBER_COLUMNS = frozenset({*OHLCV, "score"})
MICROS_PER_SECOND = 1_000_000
COLUMNS = {"bars": BAR_COLUMNS, "posts": POST_COLUMNS, "scores": SCORE_COLUMNS}


def check_frame(kind: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its columns in order; DataError names what is missing, without zone, or not a number.

    ``kind`` is ``bars``, ``posts`` or ``scores``. Further columns are dropped and the index is not looked at. A frame
    without rows passes whatever the types of its columns are, because an empty answer has none.
    """
    for name in COLUMNS[kind]:
        if name not in frame.columns:
            raise DataError(f"{kind} without the column '{name}' cannot be stored")
    ordered = frame[list(COLUMNS[kind])]
    for name in ordered.columns:
        if name in TIME_COLUMNS and len(ordered) and not isinstance(ordered[name].dtype, pd.DatetimeTZDtype):
            raise DataError(f"{name} of {kind} has no time zone; make it UTC")
        if ordered[name].isna().any():
            # the first one is enough to find the fault at its source
            row = int(np.flatnonzero(ordered[name].isna().to_numpy())[0])
            raise DataError(f"{name} of {kind} is missing in row {row}; nothing was stored")
    return ordered


def to_rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Rows as plain Python values; times as int64 micros.

    Numbers become floats, times whole micros; the rest goes through as it is. Nothing is checked here: the frame comes
    from :func:`check_frame`.
    """
    columns = []
    for name in frame.columns:
        values = frame[name]
        if name in TIME_COLUMNS:
            columns.append(micros(values).tolist())
        elif name in NUMBER_COLUMNS:
            columns.append(values.to_numpy(dtype=np.float64).tolist())
        else:
            columns.append(values.tolist())
    return list(zip(*columns, strict=True))


def to_frame(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> pd.DataFrame:
    """Rows of plain values as a frame with the right types; ``stored_at`` is a time as well.

    No rows give an empty frame whose columns have their types all the same, so that readers need no special case.
    ValueError when a row has more or fewer values than there are names.
    """
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pd.DataFrame({name: _typed(name, values) for name, values in zip(names, columns, strict=True)})


def _typed(name: str, values: Sequence[Any]) -> object:
    if name in TIME_COLUMNS or name == "stored_at":
        return times(np.array(values, dtype=np.int64))
    if name in NUMBER_COLUMNS:
        return np.array(values, dtype=np.float64)
    if name == "assumed":
        return np.array(values, dtype=bool)
    return pd.Series(list(values), dtype="str")


def micros(values: pd.Series) -> np.ndarray:
    """Times as int64 microseconds.

    An empty column gives an empty array whatever its type is. What is finer than a microsecond is cut off.
    """
    numbers: np.ndarray = values.to_numpy("datetime64[us]").astype(np.int64) if len(values) else np.empty(0, np.int64)
    return numbers


def times(values: np.ndarray) -> pd.DatetimeIndex:
    """Int64 microseconds as aware UTC times.

    The inverse of :func:`micros`, with microseconds as the resolution.
    """
    return pd.DatetimeIndex(values.astype("datetime64[us]")).tz_localize("UTC")
