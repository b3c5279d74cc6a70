"""Return for risk, at once and rolling.

``returns`` are simple, one per period of the run's grid, float64 without NaN; ``periods`` is how many a year has. The
root of ``periods`` annualises as if returns were independent: where they are not, the ratio of a fine grid is off.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tidemill.performance.returns import DAY_SECONDS, Array

# Below this a deviation is the noise of float64, not risk.
NO_DEVIATION = 1e-12
ROLLING_DAYS = 30.0
FEWEST_IN_WINDOW = 5


def period_sharpe(returns: Array, *, riskless: float = 0.0) -> float:
    """Sharpe ratio per period, not annualised: mean excess return over its sample standard deviation (n - 1).

    W. F. Sharpe, The Sharpe Ratio, Journal of Portfolio Management 21 (1994). ``riskless`` is a return per
    period. NaN below two returns and when the returns do not vary.
    """
    if len(returns) < 2:
        return math.nan
    deviation = float(np.std(returns, ddof=1))
    return (float(np.mean(returns)) - riskless) / deviation if deviation > NO_DEVIATION else math.nan


def sharpe_ratio(returns: Array, periods: float, *, riskless: float = 0.0) -> float:
    """Annual Sharpe ratio: :func:`period_sharpe` times the root of ``periods``, as if returns were independent.

    ``riskless`` is a return per period, too. NaN as there.
    """
    return period_sharpe(returns, riskless=riskless) * math.sqrt(periods)


def sortino_ratio(returns: Array, periods: float, *, target: float = 0.0) -> float:
    """Annual Sortino ratio: mean above ``target`` over the downside deviation, times the root of ``periods``.

    The downside deviation is the root of the mean over *all* periods of ``min(return - target, 0) ** 2``
    (F. Sortino, L. Price, Journal of Investing 3, 1994). NaN without returns or without a loss.
    """
    if not len(returns):
        return math.nan
    downside = math.sqrt(float(np.mean(np.minimum(returns - target, 0.0) ** 2)))
    return (float(np.mean(returns)) - target) / downside * math.sqrt(periods) if downside > NO_DEVIATION else math.nan


def calmar_ratio(annual: float, max_drawdown: float) -> float:
    """Annual return over the largest drawdown of the same span (T. W. Young, Futures, 1991). NaN without a drawdown.

    Both fractions; ``annual`` is :func:`~tidemill.performance.returns.annual_return` and may be NaN, as the ratio then
    is.
    """
    return annual / max_drawdown if max_drawdown > 0 else math.nan


def beta_and_correlation(returns: Array, benchmark: Array) -> tuple[float, float]:
    """Slope of ``returns`` on ``benchmark`` (covariance over its variance), and their correlation.

    Period by period, not annualised. Both NaN below two returns or where the benchmark does not vary; the
    correlation too where the returns do not.
    """
    if len(returns) < 2 or not (other := float(np.std(benchmark, ddof=1))) > NO_DEVIATION:
        return math.nan, math.nan
    shared = float(np.cov(returns, benchmark, ddof=1)[0, 1])
    own = float(np.std(returns, ddof=1))
    return shared / other**2, shared / (own * other) if own > NO_DEVIATION else math.nan


def rolling_window(returns: int, periods: float, days_per_year: float) -> int:
    """Periods in a rolling window: 30 days, at most a third of the ``returns`` there are, at least 5.

    ``returns`` is their number, ``periods`` and ``days_per_year`` are those of a year. 5 where ``periods`` is NaN.
    """
    if math.isnan(periods):
        return FEWEST_IN_WINDOW
    target = round(ROLLING_DAYS * periods / days_per_year)
    return max(FEWEST_IN_WINDOW, min(target, returns // 3))


def window_days(window: int, curve: pd.Series[float]) -> float:
    """Mean calendar days that ``window`` periods of the curve's grid span. NaN below two marks."""
    if len(curve) < 2:
        return math.nan
    seconds = np.diff(curve.index.to_numpy("datetime64[us]").astype(np.int64)) / 1e6
    return window * float(np.mean(seconds)) / DAY_SECONDS


def rolling_figures(curve: pd.Series[float], window: int, periods: float) -> pd.DataFrame:
    """Rolling annual ``sharpe`` and ``volatility`` at each mark from the ``window`` returns up to it.

    NaN for the first ``window`` marks, and the Sharpe ratio where the window's returns do not vary.
    """
    rolling = curve.pct_change().rolling(window)
    deviation = rolling.std(ddof=1)
    # a flat window divided by the noise of its deviation would be a huge ratio of nothing
    varied = deviation.where(deviation > NO_DEVIATION)
    root = math.sqrt(periods) if periods > 0 else math.nan
    return pd.DataFrame({"sharpe": rolling.mean() / varied * root, "volatility": deviation * root})
