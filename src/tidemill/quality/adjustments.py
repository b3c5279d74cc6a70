"""Splits and dividends taken into account as of a moment; the raw prices stay as they were traded."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError

PRICES = ["open", "high", "low", "close"]
SPLIT, DIVIDEND = "split", "dividend"


def adjust_bars(
    bars: pd.DataFrame, adjustments: pd.DataFrame, *, known_at: datetime, dividends: bool = True
) -> pd.DataFrame:
    """BARS of one instrument (raw, ascending) as they compare with those of ``known_at``.

    Of ``adjustments`` (RECORDS of the kind adjustments) those count that were known at ``known_at`` and had taken
    effect by then: bars that open before one are divided by its ratio (volume multiplied), and for a dividend d
    multiplied by 1 - d / c, where c is the raw close of the last bar before it (the method of CRSP). What becomes
    known later changes nothing of what is returned for an earlier moment.

    DataError for a split ratio <= 0, or a dividend below 0 or not below that close.
    """
    moment = pd.Timestamp(known_at)
    counted = (adjustments["knowledge_time"] <= moment) & (adjustments["event_time"] <= moment)
    price, volume = np.ones(len(bars)), np.ones(len(bars))
    kept = adjustments[counted]
    values = kept["value"].to_numpy(np.float64).tolist()
    for effect, kind, value in zip(kept["event_time"], kept["kind"], values, strict=True):
        before = (bars["open_time"] < effect).to_numpy(bool)
        if kind == SPLIT:
            ratio = _checked(value > 0, value, SPLIT)
            price[before] /= ratio
            volume[before] *= ratio
        elif dividends and before.any():
            close = float(bars["close"].to_numpy(np.float64)[before][-1])
            price[before] *= 1 - _checked(0 <= value < close, value, DIVIDEND) / close
    made = bars.copy()
    made[PRICES] = bars[PRICES].to_numpy(np.float64) * price[:, None]
    made["volume"] = bars["volume"].to_numpy(np.float64) * volume
    return made


def raw_factors(moments: pd.DatetimeIndex, splits: pd.Series) -> np.ndarray:
    """What prices at ``moments`` that a source has adjusted by all ``splits`` are multiplied with to be raw again.

    ``splits``: ratios by the moment from which on they hold.
    """
    factors = np.ones(len(moments))
    for moment, ratio in zip(splits.index, splits.to_numpy(np.float64).tolist(), strict=True):
        factors[moments < moment] *= _checked(ratio > 0, ratio, SPLIT)
    return factors


def _checked(fits: bool, value: float, what: str) -> float:
    if not fits:
        raise DataError(f"a {what} of {value!r} cannot be; look at its source")
    return float(value)
