"""Signals from closes: the shipped rules `trend` and `reversion`, a crossing of means, inverse volatility."""

from __future__ import annotations

import math

import numpy as np

from tidemill.kernels.compilation import compiled


@compiled
def trend_strength(
    logs: np.ndarray, broken: np.ndarray, horizons: np.ndarray, window: int, full_deviations: float
) -> tuple[np.ndarray, np.ndarray]:
    """Strength in [-1, +1] and volatility per bar of one instrument, (N,) each, NaN where not known.

    ``logs`` are log closes, ascending; ``broken`` marks bars whose window is full of holes. The mean over
    ``horizons`` (bars) of the return in standard deviations, each over ``full_deviations`` and clipped.
    """
    moves = bar_volatility(logs, broken, window)
    strength = np.full(len(logs), np.nan)
    for i in range(max(horizons.max(), window), len(logs)):
        if np.isnan(moves[i]):
            continue
        total = 0.0
        for horizon in horizons:
            scale = moves[i] * math.sqrt(horizon)
            off = (logs[i] - logs[i - horizon]) / scale if scale > 0.0 else 0.0
            total += min(max(off, -full_deviations), full_deviations) / full_deviations
        strength[i] = total / len(horizons)
    return strength, moves


@compiled
def bar_volatility(logs: np.ndarray, broken: np.ndarray, window: int) -> np.ndarray:
    """Standard deviation of the last ``window`` log returns, (N,), NaN before there are so many.

    It divides by ``window`` and not by one less. NaN where ``broken``.
    """
    deviations = np.full(len(logs), np.nan)
    for i in range(window, len(logs)):
        if broken[i]:
            continue
        mean = (logs[i] - logs[i - window]) / window
        total = 0.0
        for j in range(i - window + 1, i + 1):
            off = logs[j] - logs[j - 1] - mean
            total += off * off
        deviations[i] = math.sqrt(total / window)
    return deviations


@compiled
def bar_return(logs: np.ndarray, broken: np.ndarray, bars: int) -> np.ndarray:
    """Log return over ``bars`` bars, (N,), NaN where not known.

    ``logs`` are log closes, ascending; ``broken`` (N,) bool marks bars whose window is full of gaps. The first
    ``bars`` are NaN.
    """
    returns = np.full(len(logs), np.nan)
    for i in range(bars, len(logs)):
        if not broken[i]:
            returns[i] = logs[i] - logs[i - bars]
    return returns


@compiled
def reversion_rows(moved: np.ndarray, full_deviations: float) -> np.ndarray:
    """Minus the z-score across a row of returns (R, S), NaN = none, over ``full_deviations`` and clipped to 0 to 1.

    Only losers are bought: what rose more than the mean gets 0. A row without spread gives 0, one without any return
    stays NaN.
    """
    strength = np.full(moved.shape, np.nan)
    for row in range(len(moved)):
        returns = moved[row][~np.isnan(moved[row])]
        if not len(returns):
            continue
        mean = returns.mean()
        spread = math.sqrt(((returns - mean) ** 2).mean())
        for s in range(moved.shape[1]):
            if not np.isnan(moved[row, s]):
                off = (moved[row, s] - mean) / spread if spread > 0.0 else 0.0
                strength[row, s] = min(max(-off / full_deviations, 0.0), 1.0)
    return strength


@compiled
def sma_cross(close: np.ndarray, fast: int, slow: int) -> np.ndarray:
    """+1 where the mean of ``fast`` closes crosses above that of ``slow``, -1 below, else 0; int8 (N,).

    0 while the slow mean is not full, and at its first value: a side is not a crossing. Equal means count as below.
    ``close`` must have no NaN.
    """
    crosses = np.zeros(len(close), dtype=np.int8)
    short = long = 0.0
    before = 0
    for i in range(len(close)):
        short += close[i] - (close[i - fast] if i >= fast else 0.0)
        long += close[i] - (close[i - slow] if i >= slow else 0.0)
        if i < slow - 1:
            continue
        off = short / fast - long / slow
        # equal means are a side too, or a touch would count as two crossings
        side = 1 if off > 0.0 else -1
        if side == -before:
            crosses[i] = side
        before = side
    return crosses


@compiled
def inverse_volatility(close: np.ndarray, rows: np.ndarray, window: int, total: float) -> np.ndarray:
    """Weights (len(rows), S) that sum to ``total``, each inverse to the volatility of ``window`` returns.

    The row at r uses log returns up to bar r - 1; ``close`` is (T, S). NaN where the window is not full.
    """
    logs = np.log(close)
    weights = np.full((len(rows), close.shape[1]), np.nan)
    for k in range(len(rows)):
        end = rows[k]
        if end - window - 1 < 0:
            continue
        inverse = np.empty(close.shape[1])
        squares = np.zeros(close.shape[1])
        mean = (logs[end - 1] - logs[end - 1 - window]) / window
        for i in range(end - window, end):
            for s in range(close.shape[1]):
                off = logs[i, s] - logs[i - 1, s] - mean[s]
                squares[s] += off * off
        for s in range(close.shape[1]):
            inverse[s] = 1.0 / math.sqrt(squares[s] / window)
        weights[k] = total * inverse / inverse.sum()
    return weights
