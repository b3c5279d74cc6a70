"""What both gap ledgers share: quarantined bars as rows of plain values and back.

QUARANTINE is BARS with timeframe, reason, source and payload_hash. Unlike in BARS any value may be missing, for a bar
may be in quarantine because of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import to_micros
from tidemill.ports import QUARANTINE_COLUMNS
from tidemill.ports.frames import OHLCV

READ_COLUMNS = (*QUARANTINE_COLUMNS, "stored_at", "released_at", "because")
Row: TypeAlias = dict[str, Any]
"""A bar of QUARANTINE as plain values by column: text, float, whole micros, or None."""
_TIMES = frozenset({"open_time", "knowledge_time", "stored_at", "released_at"})
_NUMBERS = frozenset(OHLCV)


def to_rows(bars: pd.DataFrame) -> list[Row]:
    """QUARANTINE as rows; times as micros, what is missing as None. DataError names a column that lacks.

    NaN, NaT and None all become None, which SQL and JSON agree on. Columns beyond those of QUARANTINE are dropped.
    """
    for name in QUARANTINE_COLUMNS:
        if name not in bars.columns:
            raise DataError(f"bars without the column '{name}' cannot be put into quarantine")
    return [{str(name): _plain(value) for name, value in row.items()} for row in _records(bars)]


def _records(bars: pd.DataFrame) -> list[dict[Any, Any]]:
    return bars[list(QUARANTINE_COLUMNS)].to_dict("records")


def _plain(value: object) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return to_micros(value.to_pydatetime())
    return value.item() if isinstance(value, np.generic) else value


def to_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as QUARANTINE with stored_at, released_at and because.

    Numbers that are None become NaN and times NaT; no rows give an empty frame with typed columns.
    """
    return pd.DataFrame({name: _typed(name, [row[name] for row in rows]) for name in READ_COLUMNS})


def _typed(name: str, values: list[Any]) -> Any:
    if name in _TIMES:
        micros = [np.datetime64("NaT") if value is None else np.datetime64(value, "us") for value in values]
        return pd.DatetimeIndex(np.array(micros, dtype="datetime64[us]")).tz_localize("UTC")
    if name in _NUMBERS:
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    if name == "assumed":
        return np.array(values, dtype=bool)
    return pd.Series(values, dtype="str")


def stood_at(row: Mapping[str, Any], stored_until: int | None) -> bool:
    """Whether the bar was in quarantine at ``stored_until``: put there by then and not yet released.

    ``stored_until`` is in micros; None asks for now. A bar that was released at that very moment no longer stood.
    """
    released = row["released_at"]
    if stored_until is None:
        return released is None
    return bool(row["stored_at"] <= stored_until and (released is None or released > stored_until))


def known_at(row: Mapping[str, Any], stored_until: int | None) -> bool:
    """Whether the bar had been put into quarantine at ``stored_until``.

    Unlike :func:`stood_at`, whether it had been released by then plays no part.
    """
    return stored_until is None or bool(row["stored_at"] <= stored_until)


def order_of(row: Mapping[str, Any]) -> tuple[str, str, int, str]:
    """By series, then time (bars without one first), then content.

    The content decides between two answers for one slot, so that the order does not depend on which came first.
    """
    opened = row["open_time"]
    # None does not compare with numbers; -1 lies before every open time
    return row["instrument"], row["timeframe"], -1 if opened is None else opened, row["payload_hash"]


def need_reason(because: str, instrument: str, open_time: datetime) -> str:
    """The reason of a release; DataError when there is none.

    Blanks around the text are cut off, and blanks alone are no reason.
    """
    if not because.strip():
        raise DataError(
            f"releasing the bar of {instrument} at {open_time.isoformat()} needs a reason; give it as because"
        )
    return because.strip()
