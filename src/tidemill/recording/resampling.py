"""Coarser bars from finer ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import timeframe_seconds
from tidemill.ports.frames import MICROS_PER_SECOND

SUMMED, UNITS, MOST_EXACT = frozenset({"volume"}), 1e8, 2.0**53
_REDUCERS = {
    "high": np.maximum,
    "low": np.minimum,
    "trades": np.add,
    "knowledge_time": np.maximum,
    "stored_at": np.maximum,
    "assumed": np.logical_or,
}


def resample_bars(bars: pd.DataFrame, timeframe: str, *, source: str | None = None) -> pd.DataFrame:
    """Bars of ``timeframe``: first open, highest high, lowest low, last close, summed volume (and ``trades``).

    ``bars`` has open_time and the prices, in any order, and may have the columns of BARS: instruments
    are kept apart, a bar is known when its last part is known but never before its interval is over,
    and it is assumed when any part is. Intervals start at multiples of the timeframe since 1970 UTC;
    one without any bar is absent. ``source`` is the timeframe of ``bars``: DataError when it does not
    divide ``timeframe``. No NaN expected, none made.
    """
    length = timeframe_seconds(timeframe)
    if source is not None and length % timeframe_seconds(source):
        raise DataError(f"bars of {source} cannot be made into bars of {timeframe}")
    if not len(bars):
        return bars.copy()
    keys = [name for name in ("instrument", "open_time") if name in bars]
    ordered = bars.sort_values(keys, kind="stable", ignore_index=True)
    opens = ordered["open_time"].to_numpy("datetime64[us]").astype(np.int64)
    slots = opens - opens % (length * MICROS_PER_SECOND)
    starts = _group_starts(ordered, slots)
    columns = {name: _reduce(name, ordered[name], slots, starts) for name in ordered.columns if _is_kept(name)}
    result = pd.DataFrame(columns)
    if "knowledge_time" in result:
        closes = result["open_time"] + pd.Timedelta(seconds=length)
        result["knowledge_time"] = result["knowledge_time"].where(result["knowledge_time"] > closes, closes)
    return result


def _is_kept(name: str) -> bool:
    return name in _REDUCERS or name in SUMMED or name in {"instrument", "open_time", "open", "close"}


def _group_starts(ordered: pd.DataFrame, slots: np.ndarray) -> np.ndarray:
    fresh = np.concatenate([[True], slots[1:] != slots[:-1]])
    if "instrument" in ordered:
        codes = pd.factorize(ordered["instrument"])[0]
        fresh[1:] |= codes[1:] != codes[:-1]
    return np.flatnonzero(fresh)


def _reduce(name: str, values: pd.Series, slots: np.ndarray, starts: np.ndarray) -> pd.Series:
    ends = np.concatenate([starts[1:], [len(slots)]]) - 1
    if name == "open_time":
        return pd.Series(pd.DatetimeIndex(slots[starts].view("datetime64[us]"), tz="UTC"))
    if name in SUMMED:
        return pd.Series(_sum(values.to_numpy(np.float64), starts))
    if name not in _REDUCERS:
        return values.iloc[ends if name == "close" else starts].reset_index(drop=True)
    if name == "knowledge_time":
        micros = values.to_numpy("datetime64[us]").astype(np.int64)
        latest = np.maximum.reduceat(micros, starts)
        return pd.Series(pd.DatetimeIndex(latest.view("datetime64[us]"), tz="UTC"))
    return pd.Series(_REDUCERS[name].reduceat(values.to_numpy(), starts))


def _sum(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sums to the last digit: of decimals with at most eight places they are made in whole units, else in floats."""
    scaled = np.rint(values * UNITS)
    exact = bool((scaled / UNITS == values).all()) and float(np.abs(scaled).sum()) < MOST_EXACT
    sums: np.ndarray = np.add.reduceat(scaled if exact else values, starts)
    return sums / UNITS if exact else sums
