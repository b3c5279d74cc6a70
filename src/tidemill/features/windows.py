"""Price and volume features of one instrument: functions of exactly its last LOOKBACK bars.

Every feature has a finite memory and each window is reduced by itself, along its contiguous axis. So a
value does not depend on where the loaded history starts: one point or ten years give the same bits.
Recursive indicators (TA-Lib's EMA, RSI and ATR among them) remember their first bar for ever and could not
be repeated like that; their windowed forms stand here instead: Cutler's RSI, ATR as a plain mean, and
exponential weights cut off at the window and normalised.

NaN policy: a window that reaches beyond the first known bar gives NaN for what needs those bars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# one bar more than the longest return reaches back
LOOKBACK = 169
CHUNK_ROWS = 20_000
RETURN_HORIZONS = (1, 2, 4, 12, 20, 24, 60, 72, 120, 168)
VOLATILITY_WINDOWS = (24, 72, 168)
ZSCORE_WINDOWS = (24, 72)
MEAN_WINDOWS = (20, 100)

WINDOW_FEATURES = (
    *(f"ret_{k}" for k in RETURN_HORIZONS),
    *(f"vol_{k}" for k in VOLATILITY_WINDOWS),
    *(f"zscore_{k}" for k in ZSCORE_WINDOWS),
    *(f"sma_ratio_{k}" for k in MEAN_WINDOWS),
    "macd_12_26",
    "rsi_14",
    "atr_14",
    "channel_24",
    "range_1",
    "volume_z_24",
    "volume_ratio_24_168",
    "signed_volume_24",
    "corr_168",
    "beta_168",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InstrumentBars:
    """Arrays of one instrument, ascending by open time (micros).

    ``reference`` are the closes of the universe's first instrument at the same open times, NaN where it
    has none.
    """

    opens: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    reference: np.ndarray


def window_features(bars: InstrumentBars, rows: np.ndarray) -> np.ndarray:
    """Features at ``rows`` (positions): float64 (len(rows), len(WINDOW_FEATURES)); row i uses bars i-168 to i.

    NaN where a window reaches beyond the first bar, or where a quotient has nothing to divide by.
    """
    values = np.empty((len(rows), len(WINDOW_FEATURES)))
    series = {name: _padded(getattr(bars, name)) for name in ("high", "low", "close", "volume", "reference")}
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        windows = {
            name: np.ascontiguousarray(sliding_window_view(values, LOOKBACK)[chunk]) for name, values in series.items()
        }
        with np.errstate(all="ignore"):  # NaN and division by a flat window are the stated result
            columns = _features_of(windows)
            values[start : start + len(chunk)] = np.column_stack([columns[name] for name in WINDOW_FEATURES])
    values[~np.isfinite(values)] = np.nan
    return values


def _padded(values: np.ndarray) -> np.ndarray:
    return np.concatenate([np.full(LOOKBACK - 1, np.nan), np.asarray(values, dtype=np.float64)])


def _features_of(windows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    close = windows["close"]
    logs = np.log(close)
    returns = np.diff(logs, axis=-1)
    last = close[:, -1]
    features = {f"ret_{k}": logs[:, -1] - logs[:, -1 - k] for k in RETURN_HORIZONS}
    features |= {f"vol_{k}": _std(_last(returns, k)) for k in VOLATILITY_WINDOWS}
    features |= {f"zscore_{k}": _ratio(last - _mean(_last(close, k)), _std(_last(close, k))) for k in ZSCORE_WINDOWS}
    features |= {f"sma_ratio_{k}": last / _mean(_last(close, k)) - 1 for k in MEAN_WINDOWS}
    features["macd_12_26"] = (_weighted(close, 12) - _weighted(close, 26)) / last
    features["rsi_14"] = _rsi(_last(np.diff(close, axis=-1), 14))
    return features | _range_features(windows, last) | _volume_features(windows, returns) | _common(windows, returns)


def _range_features(windows: Mapping[str, np.ndarray], last: np.ndarray) -> dict[str, np.ndarray]:
    high, low, close = windows["high"], windows["low"], windows["close"]
    before = close[:, -15:-1]
    true_range = np.maximum(_last(high, 14), before) - np.minimum(_last(low, 14), before)
    top, bottom = np.max(_last(high, 24), axis=-1), np.min(_last(low, 24), axis=-1)
    return {
        "atr_14": _mean(true_range) / last,
        "channel_24": _ratio(last - bottom, top - bottom),
        "range_1": (high[:, -1] - low[:, -1]) / last,
    }


def _volume_features(windows: Mapping[str, np.ndarray], returns: np.ndarray) -> dict[str, np.ndarray]:
    volume = windows["volume"]
    day = np.ascontiguousarray(_last(volume, 24))
    signed = np.sign(_last(returns, 24)) * day
    return {
        "volume_z_24": _ratio(volume[:, -1] - _mean(day), _std(day)),
        "volume_ratio_24_168": _ratio(_mean(day), _mean(_last(volume, 168))),
        "signed_volume_24": _ratio(_sum(signed), _sum(day)),
    }


def _common(windows: Mapping[str, np.ndarray], returns: np.ndarray) -> dict[str, np.ndarray]:
    """Correlation and beta to the first instrument of the universe, over 168 returns."""
    reference = np.diff(np.log(windows["reference"]), axis=-1)
    own = returns - _mean(returns)[:, None]
    other = reference - _mean(reference)[:, None]
    covariance, variance = _mean(own * other), _mean(other * other)
    return {
        "corr_168": _ratio(covariance, np.sqrt(variance * _mean(own * own))),
        "beta_168": _ratio(covariance, variance),
    }


def _last(values: np.ndarray, count: int) -> np.ndarray:
    return values[:, -count:]


def _sum(values: np.ndarray) -> np.ndarray:
    # a contiguous copy keeps the order of additions the same for one row and for many
    total: np.ndarray = np.sum(np.ascontiguousarray(values), axis=-1)
    return total


def _mean(values: np.ndarray) -> np.ndarray:
    mean: np.ndarray = _sum(values) / values.shape[-1]
    return mean


def _std(values: np.ndarray) -> np.ndarray:
    off = values - _mean(values)[:, None]
    deviation: np.ndarray = np.sqrt(_mean(off * off))
    return deviation


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Quotient; 0 where both are 0: a flat window says nothing either way."""
    quotient: np.ndarray = np.where((under == 0) & (over == 0), 0.0, over / np.where(under == 0, np.nan, under))
    return quotient


def _weighted(values: np.ndarray, span: int) -> np.ndarray:
    """Mean with weights (1 - a)^age, a = 2/(span + 1), cut off at the window and normalised."""
    ages = np.arange(LOOKBACK)[::-1]
    weights = (1 - 2 / (span + 1)) ** ages
    return _sum(values * (weights / weights.sum()))


def _rsi(changes: np.ndarray) -> np.ndarray:
    """Cutler's RSI: gains / (gains + losses), plain sums; 0.5 where nothing moved."""
    gains, losses = _sum(np.maximum(changes, 0)), _sum(np.maximum(-changes, 0))
    total = gains + losses
    strength: np.ndarray = np.where(total == 0, 0.5, gains / np.where(total == 0, np.nan, total))
    return strength
