"""From equity to returns.

A *curve* is a float64 Series over an ascending DatetimeIndex in UTC: equity in account currency, one mark per
period of the run's own grid. Returns are simple, ``equity[i] / equity[i-1] - 1``, one per period; nothing is
resampled or filled in. NaN never goes in (DataError); NaN comes out where a figure is not defined, such as the
volatility of a single return, and never stands for zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import CALENDAR_DAYS_PER_YEAR, to_micros

DAY_SECONDS = 86400.0
Array = np.ndarray


def make_curve(marks: Sequence[tuple[datetime, Decimal]]) -> pd.Series[float]:
    """The curve of (time, equity) marks in ascending order.

    Of marks at one time the last counts, but at the first time the first, so that what the first orders cost
    is part of the first return. DataError without marks, for times that run back, and for equity that is
    not a number above 0.
    """
    if not marks:
        raise DataError("there is no mark of equity; a run marks it at every decision")
    micros = [to_micros(when) for when, _ in marks]
    if any(later < earlier for earlier, later in pairwise(micros)):
        raise DataError("the marks of equity run back in time; give them in ascending order")
    equity_at: dict[int, float] = {}
    for when, (_, value) in zip(micros, marks, strict=True):
        if when != micros[0] or when not in equity_at:
            equity_at[when] = float(value)
    index = pd.DatetimeIndex(np.array(list(equity_at), dtype="datetime64[us]")).tz_localize("UTC")
    curve = pd.Series(list(equity_at.values()), index=index, dtype="float64")
    wrong = curve[~(np.isfinite(curve) & (curve > 0))]
    if len(wrong):
        raise DataError(f"equity at {wrong.index[0].isoformat()} is {wrong.iloc[0]}; returns need equity above 0")
    return curve


def make_returns(curve: pd.Series[float]) -> Array:
    """Simple returns per period, float64, one fewer than marks."""
    values = curve.to_numpy(dtype="float64")
    return np.asarray(values[1:] / values[:-1] - 1.0)


def elapsed_years(curve: pd.Series[float]) -> float:
    """Calendar time from first to last mark, in years of 365 days whatever the market's calendar."""
    return float((curve.index[-1] - curve.index[0]).total_seconds()) / (CALENDAR_DAYS_PER_YEAR * DAY_SECONDS)


def periods_per_year(curve: pd.Series[float], days_per_year: float = CALENDAR_DAYS_PER_YEAR) -> float:
    """Periods of the grid in a year: ``days_per_year`` days over the median distance of two marks.

    365 suits what trades every day, 252 what has sessions. NaN with fewer than two marks.
    """
    if len(curve) < 2:
        return math.nan
    seconds = np.diff(curve.index.to_numpy("datetime64[us]").astype(np.int64)) / 1e6
    return days_per_year * DAY_SECONDS / float(np.median(seconds))


def total_return(curve: pd.Series[float]) -> float:
    """Last over first mark, less 1, as a fraction."""
    return float(curve.iloc[-1] / curve.iloc[0] - 1.0)


def annual_return(curve: pd.Series[float]) -> float:
    """Compound annual growth rate: ``(last / first) ** (1 / years) - 1`` over calendar years of 365 days.

    NaN when no time has passed, or when so little has that the power overflows.
    """
    years = elapsed_years(curve)
    if years <= 0:
        return math.nan
    exponent = math.log(float(curve.iloc[-1] / curve.iloc[0])) / years
    # beyond e^709 a float64 overflows: hours of luck, extrapolated to a year, are no figure
    return math.expm1(exponent) if exponent < 700 else math.nan


def annual_volatility(returns: Array, periods: float) -> float:
    """Sample standard deviation (n - 1) of returns times the root of periods per year. NaN below two returns."""
    return float(np.std(returns, ddof=1)) * math.sqrt(periods) if len(returns) > 1 else math.nan
