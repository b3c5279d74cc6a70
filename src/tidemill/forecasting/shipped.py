"""The strategies that ship: `trend`, `reversion` and `model`, all through the interface of :class:`Strategy`.

Their strengths are vectorised over rows; one row or ten years give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import TRADING_DAYS_PER_YEAR, DecisionGrid, timeframe_seconds
from tidemill.forecasting.strategy import Strategy, View
from tidemill.ports import FittedModel

DAY_SECONDS = 86400
# A return of this many standard deviations over the horizon is a full forecast.
FULL_DEVIATIONS = 2.0
HOURLY_HORIZONS = (24, 72, 168)
SESSION_HORIZONS = (20, 60, 120)
REVERSION_BARS = 24
VOLATILITY_BARS = 72
VOLATILITY = f"vol_{VOLATILITY_BARS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What rose goes on rising: returns of three horizons, each in standard deviations.

    Sizing aims at the volatility target, so a calm instrument gets a larger position than a wild one.
    """

    name: str = "trend"
    code_hash: str = ""
    source: str = ""

    def needs(self, grid: DecisionGrid, champion: FittedModel | None) -> Sequence[str]:
        """Returns of the three horizons, and volatility."""
        del champion
        return [*(f"ret_{k}" for k in horizons(grid)), VOLATILITY]

    def horizon_bars(self, grid: DecisionGrid, champion: FittedModel | None) -> int:
        """The longest horizon."""
        del champion
        return max(horizons(grid))

    def decide(self, view: View) -> Mapping[str, float]:
        """Strengths in [-1, +1].

        An instrument without volatility gets 0.
        """
        return _by_name(view.features, trend_strengths(view.features, view.grid))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversion:
    """Yesterday's losers against its winners, across instruments; ``long_only`` leaves out the winners' side.

    Short-term reversal of returns: N. Jegadeesh, Evidence of Predictable Behavior of Security Returns (1990).
    """

    name: str = "reversion"
    code_hash: str = ""
    source: str = ""
    long_only: bool = True

    def needs(self, grid: DecisionGrid, champion: FittedModel | None) -> Sequence[str]:
        """Return of the bars looked back on, and volatility."""
        del grid, champion
        return [f"ret_{REVERSION_BARS}", VOLATILITY]

    def horizon_bars(self, grid: DecisionGrid, champion: FittedModel | None) -> int:
        """As far as it looks back."""
        del grid, champion
        return REVERSION_BARS

    def decide(self, view: View) -> Mapping[str, float]:
        """Strengths in [0, +1], or in [-1, +1] when not long only.

        Instruments are compared with one another, so a single one gets 0.
        """
        return _by_name(view.features, reversion_strengths(view.features, long_only=self.long_only))


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The champion's prediction, in units of the return that makes a full forecast.

    DataError without a champion. Features that the champion lacks are not asked for, but volatility always is, because
    sizing needs it.
    """

    name: str = "model"
    code_hash: str = ""
    source: str = ""

    def needs(self, grid: DecisionGrid, champion: FittedModel | None) -> Sequence[str]:
        """What the champion was trained on, and volatility.

        Without a champion it is volatility alone, and :meth:`decide` then says what is missing.
        """
        del grid
        return list(dict.fromkeys([*(champion.feature_names if champion else ()), VOLATILITY]))

    def horizon_bars(self, grid: DecisionGrid, champion: FittedModel | None) -> int:
        """The champion's own.

        Without a champion it is the longest horizon of the rules.
        """
        return champion.horizon_bars if champion else max(horizons(grid))

    def decide(self, view: View) -> Mapping[str, float]:
        """Strengths in [-1, +1]; DataError without a champion.

        Rows are predicted one by one, so that the answer does not depend on which others are asked for.
        """
        if view.champion is None:
            raise DataError("strategy 'model' needs a champion; run retrain, or use trend")
        return _by_name(view.features, model_strengths(view.features, view.champion))


SHIPPED: Mapping[str, Strategy] = {strategy.name: strategy for strategy in (Trend(), Reversion(), Model())}
STRATEGIES = tuple(SHIPPED)
PRICE_RULES = (Trend().name, Reversion().name)
"""The strategies whose features are made of prices and volumes alone."""


def find_shipped(name: str) -> Strategy:
    """The strategy that ships under ``name``; DataError names those there are.

    The same object at each call; strategies that ship keep no state.
    """
    if name not in SHIPPED:
        raise DataError(f"strategy '{name}' is unknown; use one of {', '.join(SHIPPED)}, or a file that ends in .py")
    return SHIPPED[name]


def trend_strengths(table: pd.DataFrame, grid: DecisionGrid) -> np.ndarray:
    """Mean over horizons of the return in standard deviations, each clipped at two and halved: float64 (rows,).

    ``table`` has a row per instrument with VOLATILITY and ``ret_k`` of each horizon k, all known. A return over k bars
    has sqrt(k) times the deviation of one bar; without any volatility the strength is 0. Time series momentum:
    T. Moskowitz, Y. Ooi, L. Pedersen (2012), here over three horizons.
    """
    volatility = table[VOLATILITY].to_numpy()
    parts = []
    for horizon in horizons(grid):
        deviations = _over(table[f"ret_{horizon}"].to_numpy(), volatility * math.sqrt(horizon))
        parts.append(np.clip(deviations, -FULL_DEVIATIONS, FULL_DEVIATIONS) / FULL_DEVIATIONS)
    strengths: np.ndarray = (parts[0] + parts[1] + parts[2]) / 3
    return strengths


def reversion_strengths(table: pd.DataFrame, *, long_only: bool = True) -> np.ndarray:
    """Minus half the z-score of the last moves across the rows of one point, clipped: float64 (rows,).

    ``table`` has the rows of one point only, since they are compared with one another. One row alone, or equal moves,
    give 0.
    """
    moved = table[f"ret_{REVERSION_BARS}"].to_numpy()
    off = moved - moved.mean()
    scores = -_over(off, np.full(len(off), off.std())) / FULL_DEVIATIONS
    strengths: np.ndarray = np.clip(scores, 0.0 if long_only else -1.0, 1.0)
    return strengths


def model_strengths(table: pd.DataFrame, champion: FittedModel) -> np.ndarray:
    """Predicted returns over the champion's scale, clipped to [-1, +1]: float64 (rows,).

    ``table`` has the champion's features, none NaN, in any order of columns.
    """
    rows = np.ascontiguousarray(table[list(champion.feature_names)].to_numpy(dtype=np.float64))
    # row by row, so that a prediction does not depend on how many rows are asked for
    predicted = np.array([float(champion.estimator.predict(row[None, :])[0]) for row in rows])
    strengths: np.ndarray = np.clip(predicted / champion.strength_scale, -1.0, 1.0)
    return strengths


def bars_per_year(grid: DecisionGrid) -> float:
    """Bars in a year: by the clock on a 24x7 grid, 252 sessions on a recorded one.

    The root of it turns volatility per bar into volatility per year.
    """
    return TRADING_DAYS_PER_YEAR[grid.calendar] * DAY_SECONDS / timeframe_seconds(grid.timeframe)


def horizons(grid: DecisionGrid) -> Sequence[int]:
    """Horizons in bars; the hourly counts serve every 24x7 timeframe.

    Sessions are days: their counts are about one, three and six months.
    """
    return SESSION_HORIZONS if grid.calendar == "as-recorded" else HOURLY_HORIZONS


def _by_name(table: pd.DataFrame, strengths: np.ndarray) -> dict[str, float]:
    return {str(name): float(strength) for name, strength in zip(table.index, strengths, strict=True)}


def _over(value: np.ndarray, scale: np.ndarray) -> np.ndarray:
    quotient: np.ndarray = np.where(scale > 0, value / np.where(scale > 0, scale, 1.0), 0.0)
    return quotient
