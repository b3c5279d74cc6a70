"""Splits and dividends taken into account as of a moment; the raw prices stay as they were traded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import MICROSECOND
from tidemill.domain.market_events import MarketEventKind
from tidemill.ports import MarketEventStore
from tidemill.ports.frames import PRICE_COLUMNS

PRICES = list(PRICE_COLUMNS)
SPLIT, DIVIDEND = "split", "dividend"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdjustedBars:
    """BARS that compare with one another across splits and dividends.

    ``refused``: instruments whose adjustments cannot be; theirs stay raw. ``unpriced``: instruments that split
    after their last bar, so that no raw price of the share of now is known. Both with the reason.
    """

    bars: pd.DataFrame
    refused: Mapping[str, str] = field(default_factory=dict)
    unpriced: Mapping[str, str] = field(default_factory=dict)


def adjust_as_of(
    bars: pd.DataFrame, records: MarketEventStore, *, known_at: datetime, stored_until: int | None
) -> AdjustedBars:
    """BARS of any instruments, those that have adjustments in ``records`` as :func:`adjust_bars` gives them.

    Only adjustments known at ``known_at`` and stored at or before ``stored_until`` (micros) count. Without any the
    very frame that was given is returned. ``bars`` are by instrument and open time; revisions may be among them.
    """
    if not len(bars):
        return AdjustedBars(bars=bars)
    adjustments_known = records.read_market_events(
        MarketEventKind.ADJUSTMENTS,
        sorted(set(bars["instrument"])),
        bars["open_time"].min().to_pydatetime(),
        known_at + MICROSECOND,
        known_at=known_at,
        stored_until=stored_until,
    )
    return _adjust_each(bars, adjustments_known, known_at) if len(adjustments_known) else AdjustedBars(bars=bars)


def _adjust_each(bars: pd.DataFrame, adjustments_known: pd.DataFrame, known_at: datetime) -> AdjustedBars:
    """Each instrument by itself: one whose adjustments cannot be is refused alone."""
    refused: dict[str, str] = {}
    unpriced: dict[str, str] = {}
    adjusted_bars = bars.astype(dict.fromkeys([*PRICES, "volume"], np.float64))
    for key, adjustments in adjustments_known.groupby("instrument"):
        name, mine = str(key), (bars["instrument"] == key).to_numpy(bool)
        last = bars["open_time"][mine].max()
        if ((adjustments["kind"] == SPLIT) & (adjustments["event_time"] > last)).any():
            unpriced[name] = f"split after its last known bar, which opened {last:%Y-%m-%dT%H:%MZ}"
        try:
            adjusted = adjust_bars(bars[mine], adjustments, known_at=known_at)
        except DataError as error:
            refused[name] = f"adjustments: {error}"
            continue
        adjusted_bars.loc[mine, [*PRICES, "volume"]] = adjusted[[*PRICES, "volume"]].to_numpy(np.float64)
    return AdjustedBars(bars=adjusted_bars, refused=refused, unpriced=unpriced)


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
    effective = adjustments[counted]
    values = effective["value"].to_numpy(np.float64).tolist()
    for effect, kind, value in zip(effective["event_time"], effective["kind"], values, strict=True):
        before = (bars["open_time"] < effect).to_numpy(bool)
        if kind == SPLIT:
            ratio = _checked(value > 0, value, SPLIT)
            price[before] /= ratio
            volume[before] *= ratio
        elif dividends and before.any():
            close = float(bars["close"].to_numpy(np.float64)[before][-1])
            # the raw close, as traded: later splits scale the dividend and the price alike
            price[before] *= 1 - _checked(0 <= value < close, value, DIVIDEND) / close
    adjusted_bars = bars.copy()
    adjusted_bars[PRICES] = bars[PRICES].to_numpy(np.float64) * price[:, None]
    adjusted_bars["volume"] = bars["volume"].to_numpy(np.float64) * volume
    return adjusted_bars


def raw_factors(moments: pd.DatetimeIndex, splits: pd.Series) -> np.ndarray:
    """What prices at ``moments`` that a source has adjusted by all ``splits`` are multiplied with to be raw again.

    ``splits``: ratios by the moment from which on they hold.

    float64 (moments,), 1 where no split comes after. DataError for a ratio that is not above 0.
    """
    factors = np.ones(len(moments))
    for moment, ratio in zip(splits.index, splits.to_numpy(np.float64).tolist(), strict=True):
        factors[moments < moment] *= _checked(ratio > 0, ratio, SPLIT)
    return factors


def _checked(fits: bool, value: float, what: str) -> float:
    if not fits:
        raise DataError(f"a {what} of {value!r} cannot be; look at its source")
    return float(value)
