"""Times as vendors write them: epochs of any unit, dates in several forms, with or without zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
from pandas.api import types

# An epoch's unit follows from its size: seconds stay below 1e11 until the year 5138.
_UNITS = (("s", 0.0, 1e11), ("ms", 1e11, 1e14), ("us", 1e14, 1e17), ("ns", 1e17, 9e18))
_MICROS_PER = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_FORMS = (
    ("hour_am_pm", r"^\d{4}-\d\d-\d\d \d\d-[AP]M$", "%Y-%m-%d %I-%p"),
    ("day", r"^\d{4}-\d\d-\d\d$", "%Y-%m-%d"),
    ("iso", r"", "ISO8601"),
)
_ZONED = r"(?:Z|[+-]\d\d:?\d\d)$"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Times:
    """Moments in int64 micros since 1970 UTC, ``MISSING`` where unreadable, and what was odd."""

    MISSING: ClassVar[int] = int(np.iinfo(np.int64).min)

    micros: np.ndarray
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def unreadable(self) -> np.ndarray:
        """Rows without a moment.

        (N,) bool.
        """
        missing: np.ndarray = self.micros == self.MISSING
        return missing


def read_moments(values: pd.Series) -> Times:
    """A column of any kind: numbers are epochs, texts are dates or epochs, datetimes are themselves.

    Texts are epochs when all of them are numbers, else dates.
    """
    if types.is_datetime64_any_dtype(values.dtype):
        return _read_datetimes(values)
    if types.is_numeric_dtype(values.dtype) or pd.to_numeric(values, errors="coerce").notna().all():
        return read_epochs(values)
    return read_dates(values)


def read_epochs(values: pd.Series) -> Times:
    """Epoch numbers, the unit judged row by row; units are counted when they are mixed.

    Seconds, milliseconds, microseconds and nanoseconds are told apart by size. Negative numbers are unreadable.
    """
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    whole = _whole_numbers(values, numbers)
    micros = np.full(len(numbers), Times.MISSING, dtype=np.int64)
    counts: dict[str, int] = {}
    for unit, low, high in _UNITS:
        rows = (numbers >= low) & (numbers < high)
        if rows.any():
            counts[f"time_in_{unit}"] = int(rows.sum())
            micros[rows] = _scale(whole[rows], numbers[rows], unit)
    return Times(micros=micros, counts=counts if len(counts) > 1 else {})


def read_dates(values: pd.Series) -> Times:
    """Date texts; one without a zone is taken as UTC and counted. Forms are counted when they are mixed.

    Known forms are ISO 8601, a day alone, and a day with an hour such as ``2017-08-17 04-AM``. Anything else is
    unreadable, not an error.
    """
    if types.is_datetime64_any_dtype(values.dtype):
        return _read_datetimes(values)
    texts = values.astype("str").str.strip().fillna("")
    micros = np.full(len(texts), Times.MISSING, dtype=np.int64)
    counts: dict[str, int] = {}
    unread = np.ones(len(texts), dtype=bool)
    for name, pattern, form in _FORMS:
        rows = unread & texts.str.contains(pattern, regex=True).to_numpy(bool)
        read = pd.to_datetime(texts[rows], format=form, utc=True, errors="coerce").dt.as_unit("us")
        micros[rows] = np.where(read.isna(), Times.MISSING, read.to_numpy("datetime64[us]").astype(np.int64))
        unread &= ~rows
        if read.notna().any():
            counts[f"date_as_{name}"] = int(read.notna().sum())
    naive = (micros != Times.MISSING) & ~texts.str.contains(_ZONED, regex=True).to_numpy(bool)
    mixed = counts if len(counts) > 1 else {}
    return Times(micros=micros, counts={**mixed, "time_without_zone": int(naive.sum())})


def _read_datetimes(values: pd.Series) -> Times:
    naive = not isinstance(values.dtype, pd.DatetimeTZDtype)
    aware = values.dt.tz_localize("UTC") if naive else values.dt.tz_convert("UTC")
    micros = aware.dt.as_unit("us").to_numpy("datetime64[us]").astype(np.int64)
    readable = int((micros != Times.MISSING).sum())
    return Times(micros=micros, counts={"time_without_zone": readable if naive else 0})


def _whole_numbers(values: pd.Series, numbers: np.ndarray) -> np.ndarray:
    """The epochs as int64: exact where the column holds integers (nanoseconds do not fit a float)."""
    if types.is_integer_dtype(values.dtype) and not values.isna().any():
        return np.asarray(values.to_numpy(np.int64))
    return np.asarray(np.where(np.abs(numbers) < 9e18, np.rint(numbers), 0).astype(np.int64))


def _scale(whole: np.ndarray, numbers: np.ndarray, unit: str) -> np.ndarray:
    if unit == "ns":
        return whole // 1000
    exact = whole * int(_MICROS_PER[unit])
    scaled: np.ndarray = np.where(numbers == whole, exact, np.rint(numbers * _MICROS_PER[unit]).astype(np.int64))
    return scaled
