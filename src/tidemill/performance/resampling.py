"""How sure a figure is: intervals by the stationary block bootstrap.

D. N. Politis, J. P. Romano, The Stationary Bootstrap, Journal of the American Statistical Association 89 (1994):
blocks of returns with geometric length start anywhere and wrap around, so that dependence between
neighbouring returns, such as clustered volatility, is kept. Seeded: the same returns give the same interval.
Of a long run neighbouring returns are compounded first, until there are at most MOST_RETURNS of them: a year of
minutes is drawn by spans of some two hours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.domain.errors import DataError
from tidemill.performance.json_values import json_number
from tidemill.performance.ratios import NO_DEVIATION
from tidemill.performance.returns import Array

RESAMPLES = 1000
SEED = 20_231_117
FEWEST_RETURNS = 10
MOST_RETURNS = 5_000
# Index arrays are made for so many returns at once, to bound memory.
CHUNK_CELLS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From ``low`` to ``high`` with probability ``level``; both NaN where there are too few returns.

    ``mean_block`` is in periods of the run.
    """

    low: float
    high: float
    level: float
    resamples: int
    mean_block: float

    def to_json(self) -> dict[str, Any]:
        """The same; low and high null where they are NaN."""
        return {
            "low": json_number(self.low),
            "high": json_number(self.high),
            "level": self.level,
            "resamples": self.resamples,
            "mean_block": json_number(self.mean_block),
        }

    def contains(self, value: float) -> bool:
        """Whether ``value`` lies inside; an interval that is not known contains everything."""
        return not (value < self.low or value > self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Intervals of the annual Sharpe ratio, and of total return and largest drawdown over as many periods.

    All of the same resamples, so that they belong together.
    """

    sharpe: Interval
    total_return: Interval
    max_drawdown: Interval

    def to_json(self) -> dict[str, Any]:
        """Each by its name."""
        return {
            "sharpe": self.sharpe.to_json(),
            "total_return": self.total_return.to_json(),
            "max_drawdown": self.max_drawdown.to_json(),
        }


def default_block(count: int) -> float:
    """Mean block length: the cube root of the number of returns, at least 1.

    The rate of the best length (D. N. Politis, H. White, Econometric Reviews 23, 2004), without its constant.
    """
    return max(1.0, math.pow(count, 1.0 / 3.0))


def resampled_rows(count: int, *, resamples: int, mean_block: float, seed: int) -> Iterator[np.ndarray]:
    """Row numbers of ``resamples`` series of ``count`` returns, as int64 arrays of shape (series of a chunk, count).

    At each place a new block starts with probability 1 / ``mean_block``, else the next row follows, the first after
    the last. DataError for a mean block below 1.
    """
    if mean_block < 1:
        raise DataError(f"a mean block of {mean_block} returns is too short; use 1 (independent returns) or more")
    random = np.random.default_rng(seed)
    remaining = resamples
    while remaining:
        chunk = min(remaining, max(1, CHUNK_CELLS // count))
        begun = _block_starts(random, chunk, count, mean_block)
        # within a block the place in the source runs on with the place in the series: one shift a block says it all
        shift = random.integers(0, count, size=len(begun)) - begun % count
        places = np.tile(np.arange(count), chunk) + np.repeat(shift, np.diff(np.append(begun, chunk * count)))
        yield (places % count).reshape(chunk, count)
        remaining -= chunk


def _block_starts(random: np.random.Generator, series: int, count: int, mean_block: float) -> np.ndarray:
    """Ascending starts of blocks in ``series`` runs of ``count`` returns laid end to end; each run begins with one."""
    total, ends = series * count, [0]
    while ends[-1] < total:
        # as many lengths as will do on average and a few more, rather than one after another
        more = random.geometric(1.0 / mean_block, size=int(1.1 * (total - ends[-1]) / mean_block) + 10)
        ends.extend((ends[-1] + np.cumsum(more)).tolist())
    begun = np.array(ends)
    return np.union1d(begun[begun < total], np.arange(series) * count)


def compound(returns: Array, max_returns: int = MOST_RETURNS) -> tuple[Array, int]:
    """At most ``max_returns`` returns, each of so many neighbours as the second tells (the last of what is left).

    Simple returns in and out, through logarithms. The total return stays the same; a drawdown within a span is lost,
    which is the price of resampling a year of minutes at all.
    """
    size = -(-len(returns) // max_returns)
    if size <= 1:
        return returns, 1
    return np.expm1(np.add.reduceat(np.log1p(returns), np.arange(0, len(returns), size))), size


def bootstrap_intervals(
    returns: Array,
    periods: float,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    mean_block: float | None = None,
    seed: int = SEED,
) -> Intervals:
    """Percentile intervals of annual Sharpe ratio, total return and largest drawdown.

    ``mean_block`` is in periods. Unknown (NaN) below 10 returns. A resample whose returns do not vary has no
    Sharpe ratio and is left out; the Sharpe interval is unknown when all are.
    """
    # blocks are of spans then, but are told in periods, which is what the reader knows
    drawn, size = compound(returns)
    block = default_block(len(drawn)) if mean_block is None else max(1.0, mean_block / size)
    chunks: list[tuple[Array, ...]] = [(np.empty(0),) * 3]
    if len(returns) >= FEWEST_RETURNS:
        rows = resampled_rows(len(drawn), resamples=resamples, mean_block=block, seed=seed)
        chunks = [_figures(drawn, chunk_rows, periods / size) for chunk_rows in rows]
    sharpe, total, fall = (
        Interval(low=low, high=high, level=level, resamples=resamples, mean_block=block * size)
        for low, high in (_percentiles(np.concatenate(parts), level) for parts in zip(*chunks, strict=True))
    )
    return Intervals(sharpe=sharpe, total_return=total, max_drawdown=fall)


def _figures(returns: Array, rows: np.ndarray, periods: float) -> tuple[Array, Array, Array]:
    """Annual Sharpe ratio where there is one, total return and largest drawdown of each row of row numbers."""
    drawn = returns[rows]
    deviation = drawn.std(axis=1, ddof=1)
    varied = deviation > NO_DEVIATION
    # in logarithms a path is a sum, and its fall below the peak a difference
    path = np.cumsum(np.log1p(returns)[rows], axis=1)
    deepest = (path - np.maximum(np.maximum.accumulate(path, axis=1), 0.0)).min(axis=1)
    sharpe = drawn.mean(axis=1)[varied] / deviation[varied] * math.sqrt(periods)
    return sharpe, np.expm1(path[:, -1]), -np.expm1(deepest)


def _percentiles(values: Array, level: float) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
