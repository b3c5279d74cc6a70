"""How sure a figure is: intervals by the stationary block bootstrap.

D. N. Politis, J. P. Romano, The Stationary Bootstrap, Journal of the American Statistical Association 89 (1994):
blocks of returns with geometric length start anywhere and wrap around, so that dependence between
neighbouring returns, such as clustered volatility, is kept. Seeded: the same returns give the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tidemill.domain.errors import DataError
from tidemill.performance.ratios import NO_DEVIATION
from tidemill.performance.returns import Array

RESAMPLES = 1000
SEED = 20_231_117
FEWEST_RETURNS = 10
# Index arrays are made for so many returns at once, to bound memory.
CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From ``low`` to ``high`` with probability ``level``; both NaN where there are too few returns."""

    low: float
    high: float
    level: float
    resamples: int
    mean_block: float

    def contains(self, value: float) -> bool:
        """Whether ``value`` lies inside; an interval that is not known contains everything."""
        return not (value < self.low or value > self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Intervals of the annual Sharpe ratio and of the total return over the same number of periods."""

    sharpe: Interval
    total_return: Interval


def default_block(count: int) -> float:
    """Mean block length: the cube root of the number of returns, at least 1.

    The rate of the best length (D. N. Politis, H. White, Econometric Reviews 23, 2004), without its constant.
    """
    return max(1.0, math.pow(count, 1.0 / 3.0))


def resampled_rows(count: int, *, resamples: int, mean_block: float, seed: int) -> Iterator[np.ndarray]:
    """Row numbers of ``resamples`` series of ``count`` returns, as int64 arrays (some, count).

    At each place a new block starts with probability 1 / ``mean_block``, else the next row follows, the first after
    the last. DataError for a mean block below 1.
    """
    if mean_block < 1:
        raise DataError(f"a mean block of {mean_block} returns is too short; use 1 (independent returns) or more")
    random = np.random.default_rng(seed)
    places = np.arange(count)
    left = resamples
    while left:
        some = min(left, max(1, CHUNK_CELLS // count))
        starts = random.random((some, count)) < 1.0 / mean_block
        starts[:, 0] = True
        begun = np.maximum.accumulate(np.where(starts, places, 0), axis=1)
        first = np.take_along_axis(random.integers(0, count, size=(some, count)), begun, axis=1)
        yield (first + places - begun) % count
        left -= some


def bootstrap_intervals(
    returns: Array,
    periods: float,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    mean_block: float | None = None,
    seed: int = SEED,
) -> Intervals:
    """Percentile intervals of annual Sharpe ratio and total return.

    Unknown (NaN) below 10 returns. A resample whose returns do not vary has no Sharpe ratio and is left
    out; the Sharpe interval is unknown when all are.
    """
    block = default_block(len(returns)) if mean_block is None else mean_block
    if len(returns) < FEWEST_RETURNS:
        nothing = Interval(low=math.nan, high=math.nan, level=level, resamples=resamples, mean_block=block)
        return Intervals(sharpe=nothing, total_return=nothing)
    sharpes, totals = [], []
    for rows in resampled_rows(len(returns), resamples=resamples, mean_block=block, seed=seed):
        drawn = returns[rows]
        deviation = drawn.std(axis=1, ddof=1)
        varied = deviation > NO_DEVIATION
        sharpes.append(drawn.mean(axis=1)[varied] / deviation[varied] * math.sqrt(periods))
        totals.append(np.prod(1.0 + drawn, axis=1) - 1.0)
    told = [
        Interval(low=low, high=high, level=level, resamples=resamples, mean_block=block)
        for low, high in (_percentiles(np.concatenate(one), level) for one in (sharpes, totals))
    ]
    return Intervals(sharpe=told[0], total_return=told[1])


def _percentiles(values: Array, level: float) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
