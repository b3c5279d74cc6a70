"""Columns of a recorded file, checked one by one; the first wrong row is named.

Rows are counted from 1, a header not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
from pandas.api import types

from tidemill.domain.errors import DataError
from tidemill.domain.market import Calendar, Instrument, timeframe_seconds
from tidemill.ports.frames import PRICE_COLUMNS

STEP_TOLERANCE = 1e-9
_ZONED = r"\d\d:\d\d.*(?:Z|[+-]\d\d(?::?\d\d)?)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a recording something is wrong: the table's name there and the file it points to."""

    table: str
    file: Path

    def fail(self, key: str, message: str, *, wrong: np.ndarray | None = None) -> NoReturn:
        """Raise DataError; the first True of ``wrong`` is the row."""
        row = "" if wrong is None else f", row {int(np.argmax(wrong)) + 1}"
        raise DataError(f"{self.file}, {key} of {self.table}{row}: {message}")

    def check(self, key: str, wrong: np.ndarray, message: str, *, values: pd.Series | None = None) -> None:
        """Raise DataError when any of ``wrong`` is True; ``{}`` in ``message`` becomes the row's ``shown``."""
        if wrong.any():
            value = "" if values is None else str(values.iloc[int(np.argmax(wrong))])
            self.fail(key, message.replace("{}", value), wrong=wrong)


def read_columns(place: Place, rename: Mapping[str, str], allowed: tuple[str, ...]) -> pd.DataFrame:
    """The file with its columns renamed; DataError for an unreadable file or an impossible rename."""
    frame = _read_file(place)
    for old, new in rename.items():
        if old not in frame:
            place.fail("rename", f"the file has no column '{old}', it has {', '.join(map(str, frame.columns))}")
        if new not in allowed:
            place.fail("rename", f"'{new}' is no column of a recording; use one of {', '.join(allowed)}")
    renamed = frame.rename(columns=dict(rename))
    for name in allowed:
        if list(renamed.columns).count(name) > 1:
            place.fail("rename", f"two columns of the file are called '{name}' after renaming")
    return renamed


def need_columns(place: Place, frame: pd.DataFrame, names: tuple[str, ...]) -> None:
    """DataError when a column is missing.

    The sentence names the file, the columns that it has, and ``rename`` as the way out.
    """
    for name in names:
        if name not in frame:
            has = ", ".join(map(str, frame.columns))
            place.fail("file", f"column '{name}' is missing, it has {has}; map one to it in rename")


def read_times(place: Place, frame: pd.DataFrame, name: str) -> pd.Series:
    """The column as datetime64[us, UTC]; DataError for another type, no zone, or a time that is not one.

    A number is refused, because its unit would be a guess. What is finer than a microsecond is cut off.
    """
    values = frame[name]
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        times: pd.Series = values.dt.tz_convert("UTC").dt.as_unit("us")
    elif types.is_datetime64_any_dtype(values.dtype):
        place.fail(name, f"{_first(values)} has no time zone", wrong=np.array([True]))
    elif types.is_numeric_dtype(values.dtype):
        place.fail(name, f"{_first(values)} is a number, not a time with its zone", wrong=np.array([True]))
    else:
        texts = values.astype("str")
        zoned = texts.str.contains(_ZONED, regex=True).fillna(value=False).to_numpy(bool)
        place.check(name, ~zoned, "'{}' is not a time with its zone such as 2021-04-19T00:00:00Z", values=values)
        times = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")
    place.check(name, times.isna().to_numpy(), "'{}' is not a time", values=values)
    return times


def read_texts(place: Place, frame: pd.DataFrame, name: str) -> pd.Series:
    """The column as text, what is missing as ""; DataError for dates and fractions.

    Whole numbers become their digits.
    """
    values = frame[name]
    if types.is_datetime64_any_dtype(values.dtype) or (types.is_float_dtype(values.dtype) and values.notna().any()):
        place.fail(name, f"{_first(values)} is not a text", wrong=np.array([True]))
    return values.astype("str").where(values.notna(), "").astype("str")


def read_series(
    place: Place, frame: pd.DataFrame, *, instrument: Instrument, timeframe: str, calendar: Calendar
) -> pd.DataFrame:
    """Bars as a recording keeps them; DataError at the first row that cannot have been.

    Prices are positive multiples of the step, high and low enclose open and close, bars ascend without overlap, and
    lie on the grid of a 24x7 calendar. The sentence names the file, row and column.
    """
    need_columns(place, frame, ("open_time", *PRICE_COLUMNS, "volume"))
    if not len(frame):
        place.fail("file", "it has no rows")
    bars = pd.DataFrame({"open_time": read_times(place, frame, "open_time")})
    for name in (*PRICE_COLUMNS, "volume"):
        bars[name] = read_numbers(place, frame, name)
    _check_prices(place, bars, instrument.price_step)
    _check_order(place, bars, timeframe_seconds(timeframe), calendar)
    return bars


def off_step(values: np.ndarray, step: Decimal) -> np.ndarray:
    """Which values are further than 1e-9 relative from a multiple of ``step``, as ``to_step`` judges.

    ``values`` may have any shape; the answer has the same. NaN is never off a step.
    """
    size = float(step)
    wrong: np.ndarray = np.abs(np.rint(values / size) * size - values) > np.abs(values) * STEP_TOLERANCE
    return wrong


def _read_file(place: Place) -> pd.DataFrame:
    name = place.file.name.lower()
    is_parquet = name.endswith((".parquet", ".pq"))
    if not is_parquet and not name.endswith((".csv", ".csv.gz")):
        place.fail("file", "it must be a .parquet, .csv or .csv.gz file")
    try:
        return pd.read_parquet(place.file) if is_parquet else pd.read_csv(place.file)
    except FileNotFoundError:
        place.fail("file", "there is no such file")
    except (OSError, ValueError, EOFError) as error:
        place.fail("file", f"it cannot be read: {str(error).splitlines()[0]}")


def _first(values: pd.Series) -> str:
    return str(values.iloc[0]) if len(values) else "the column"


def read_numbers(place: Place, frame: pd.DataFrame, name: str) -> np.ndarray:
    """The column as float64; DataError for texts, and for what is missing or infinite.

    A number written as text is refused too: a column that is half texts was read wrongly by whoever wrote it.
    """
    values = frame[name]
    if types.is_bool_dtype(values.dtype) or types.is_datetime64_any_dtype(values.dtype):
        place.fail(name, f"{_first(values)} is not a number", wrong=np.array([True]))
    numbers = np.asarray(pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan))
    if not types.is_numeric_dtype(values.dtype):
        place.check(name, np.isnan(numbers) & values.notna().to_numpy(), "'{}' is not a number", values=values)
        texts = np.array([isinstance(value, str) for value in values], dtype=bool)
        place.check(name, texts, "'{}' is a text, not a number", values=values)
    place.check(name, ~np.isfinite(numbers), "the number is missing or infinite")
    return numbers


def _check_prices(place: Place, bars: pd.DataFrame, step: Decimal) -> None:
    for name in PRICE_COLUMNS:
        values = bars[name].to_numpy()
        place.check(name, values <= 0, "the price {} is not positive", values=bars[name])
        place.check(name, off_step(values, step), f"{{}} is not a multiple of price_step {step}", values=bars[name])
    inner = bars[["open", "close"]].to_numpy()
    place.check("high", bars["high"].to_numpy() < inner.max(axis=1), "{} is below open or close", values=bars["high"])
    place.check("low", bars["low"].to_numpy() > inner.min(axis=1), "{} is above open or close", values=bars["low"])
    place.check("volume", bars["volume"].to_numpy() < 0, "the volume {} is negative", values=bars["volume"])


def _check_order(place: Place, bars: pd.DataFrame, seconds: int, calendar: Calendar) -> None:
    opens, length = bars["open_time"].to_numpy("datetime64[us]").astype(np.int64), seconds * 1_000_000
    steps = np.diff(opens, prepend=opens[0] - length)
    open_times = bars["open_time"]
    place.check("open_time", steps == 0, "{} is there twice", values=open_times)
    place.check("open_time", steps < 0, "{} comes after a later bar; bars must ascend", values=open_times)
    place.check(
        "open_time", steps < length, f"{{}} opens before the bar before it, of {seconds} s, closed", values=open_times
    )
    if calendar == "24x7":
        place.check("open_time", opens % length != 0, f"{{}} is not on the grid of {seconds} s", values=open_times)
