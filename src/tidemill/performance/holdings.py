"""What was held and traded from mark to mark, and what holding everything would have earned.

Frames have the marks of the run as rows and its instruments as columns, float64. The ledger's Decimals become floats
here, at the end of the road: nothing of it is traded on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pandas as pd

from tidemill.domain.market import to_micros
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import Fill
from tidemill.performance.positions import movements_of

# A position below this share of equity is dust, not exposure.
DUST_FRACTION = 0.01


def closes_at(bars: pd.DataFrame, times: pd.DatetimeIndex, names: Sequence[str], bar_seconds: int) -> pd.DataFrame:
    """Last close known at each time (bars with open_time + ``bar_seconds`` <= time), float64 by instrument.

    ``bars`` has instrument, open_time and close. NaN before an instrument's first bar has closed.
    """
    moments = _micros(times)
    columns = {}
    for name in names:
        own = bars[bars["instrument"] == name].sort_values("open_time", kind="stable")
        # a bar is known once it has closed; the NaN in front answers for moments before the first one has
        closed = own["open_time"].to_numpy("datetime64[us]").astype(np.int64) + bar_seconds * 1_000_000
        closes = np.concatenate([[np.nan], own["close"].to_numpy(dtype="float64")])
        columns[name] = closes[np.searchsorted(closed, moments, side="right")]
    return pd.DataFrame(columns, index=times, columns=list(names))


def positions_at(fills: Sequence[Fill], times: pd.DatetimeIndex, names: Sequence[str]) -> pd.DataFrame:
    """Quantity held from each mark to the next, after the orders that it decided, in base units (float64).

    That is the sum of fills with a time before the next mark; at the last mark, of all fills.
    """
    # a mark is made at a decision and its orders fill just after it: they belong to the period that it begins
    cuts = np.append(_micros(times)[1:], np.iinfo(np.int64).max)
    columns = {}
    for name in names:
        own = sorted((fill for fill in fills if fill.instrument == name), key=lambda fill: fill.traded_at)
        held = list(accumulate((movements_of(fill)[0] for fill in own), initial=ZERO))
        when = np.array([to_micros(fill.traded_at) for fill in own], dtype=np.int64)
        columns[name] = np.array([float(quantity) for quantity in held])[np.searchsorted(when, cuts, side="left")]
    return pd.DataFrame(columns, index=times, columns=list(names))


def exposure_by_instrument(positions: pd.DataFrame, closes: pd.DataFrame, curve: pd.Series[float]) -> pd.DataFrame:
    """Signed value of each position as a fraction of equity at each mark; nothing held is 0, priced or not.

    ``positions`` in base units and ``closes`` in quote have the same rows and columns, ``curve`` the same rows. NaN
    where something is held that has no close yet.
    """
    values = positions * closes
    return values.where(positions != 0, 0.0).div(curve, axis=0)


def gross_exposure(exposure: pd.DataFrame) -> pd.Series[float]:
    """Sum of absolute exposures: 1 is all of equity.

    Long and short positions do not cancel out. What is not known counts 0.
    """
    return exposure.abs().sum(axis=1)


def time_in_market(gross: pd.Series[float]) -> float:
    """Share of periods (marks but the last) that began with more than 1% of equity invested. NaN without periods.

    ``gross`` is of :func:`gross_exposure`. A rest too small to be sold is dust and no time in the market.
    """
    held = gross.iloc[:-1]
    return float((held > DUST_FRACTION).mean()) if len(held) else float("nan")


def turnover_curve(fills: Sequence[Fill], curve: pd.Series[float]) -> pd.Series[float]:
    """Value traded in the period that begins at each mark (buys and sells added) over equity at that mark.

    A fill after the last mark counts to the last, one before the first to the first.
    """
    starts = _micros(pd.DatetimeIndex(curve.index))
    traded = np.zeros(len(curve))
    for fill in fills:
        place = int(np.searchsorted(starts, to_micros(fill.traded_at), side="right")) - 1
        traded[max(place, 0)] += float(fill.price * fill.quantity)
    return pd.Series(traded, index=curve.index) / curve


def annual_turnover(turnover: pd.Series[float], years: float) -> float:
    """Times a year that equity is traded, both sides counted. NaN when no time has passed.

    ``turnover`` is of :func:`turnover_curve`, ``years`` are calendar years: all of equity bought and sold again within
    a year is 2.
    """
    return float(turnover.sum()) / years if years > 0 else float("nan")


def buy_and_hold(closes: pd.DataFrame, start_equity: float, cost_rate: float) -> pd.Series[float]:
    """Equity of the benchmark: the same money in every instrument at its first known close, never traded again.

    ``cost_rate`` (fee and slippage, a fraction) is paid once at the purchase. An instrument that is listed later
    keeps its share in cash until its first close. Nothing is sold at the end.
    """
    share = start_equity / len(closes.columns)
    first = closes.bfill().iloc[0]
    paid = share * (1.0 - cost_rate)
    grown = closes.ffill().div(first).mul(paid)
    curve = grown.fillna(share).sum(axis=1)
    # the cost of the purchase belongs to the first return, as with the strategy's first orders
    curve.iloc[0] = start_equity
    return curve


def _micros(times: pd.DatetimeIndex) -> np.ndarray:
    return times.to_numpy("datetime64[us]").astype(np.int64)
