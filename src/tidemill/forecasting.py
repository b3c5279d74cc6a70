"""Feature rows become forecasts: by the rules `trend` and `reversion`, or by the champion.

All three are vectorised over rows; one row or ten years give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import DecisionGrid, timeframe_seconds
from tidemill.domain.trading import Forecast, NoForecast
from tidemill.ports import FittedModel

YEAR_SECONDS = 365 * 86400
SESSIONS_PER_YEAR = 252
# A return of this many standard deviations over the horizon is a full forecast.
FULL_DEVIATIONS = 2.0
HOURLY_HORIZONS = (24, 72, 168)
SESSION_HORIZONS = (20, 60, 120)
REVERSION_BARS = 24
VOLATILITY = "vol_72"
STRATEGIES = ("trend", "reversion", "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """Forecasts of one decision, and the instruments without one, with the reason."""

    forecasts: tuple[Forecast, ...]
    without: tuple[NoForecast, ...]


def make_forecasts(
    strategy: str, table: pd.DataFrame, *, champion: FittedModel | None, grid: DecisionGrid, point: datetime
) -> Forecasts:
    """Forecasts at one point; ``table`` holds its feature rows by instrument.

    An instrument whose needed features are not all known gets none, and the names of what is missing.
    DataError for an unknown strategy, or a champion that wants features which the table does not have.
    """
    needed = needed_features(strategy, champion, grid)
    unknown = [name for name in needed if len(table) and name not in table.columns]
    if unknown:
        raise DataError(f"the champion wants features that are not made here: {', '.join(unknown)}; retrain it")
    forecasts: list[Forecast] = []
    without: list[NoForecast] = []
    if not len(table):
        return Forecasts(forecasts=(), without=())
    missing = {str(name): [one for one in needed if math.isnan(row[one])] for name, row in table[needed].iterrows()}
    complete = table[[not missing[str(name)] for name in table.index]]
    strengths = make_strengths(strategy, complete, champion, grid)
    for name, strength, volatility in zip(complete.index, strengths, complete[VOLATILITY], strict=True):
        forecasts.append(
            Forecast(
                instrument=str(name),
                strength=float(strength),
                horizon_seconds=_horizon_seconds(strategy, champion, grid),
                made_at=grid.as_of(point),
                expires_at=grid.next_as_of(grid.as_of(point)),
                volatility_annual=float(volatility) * math.sqrt(bars_per_year(grid)),
            )
        )
    for name, names in missing.items():
        if names:
            some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            without.append(NoForecast(instrument=name, reason=f"features not known: {some}"))
    return Forecasts(forecasts=tuple(forecasts), without=tuple(without))


def make_strengths(strategy: str, table: pd.DataFrame, champion: FittedModel | None, grid: DecisionGrid) -> np.ndarray:
    """Strengths in [-1, +1] of complete feature rows of one point: float64 (rows,)."""
    if not len(table):
        return np.empty(0)
    if strategy == "trend":
        return _trend(table, grid)
    if strategy == "reversion":
        return _reversion(table)
    if champion is None:
        raise DataError("strategy 'model' needs a champion; run retrain, or use trend")
    return _predicted(table, champion)


def needed_features(strategy: str, champion: FittedModel | None, grid: DecisionGrid) -> list[str]:
    """Features that a strategy cannot do without."""
    if strategy == "trend":
        return [*(f"ret_{k}" for k in _horizons(grid)), VOLATILITY]
    if strategy == "reversion":
        return [f"ret_{REVERSION_BARS}", VOLATILITY]
    if strategy == "model":
        return list(dict.fromkeys([*(champion.feature_names if champion else ()), VOLATILITY]))
    raise DataError(f"strategy '{strategy}' is unknown; use one of {', '.join(STRATEGIES)}")


def bars_per_year(grid: DecisionGrid) -> float:
    """Bars in a year: by the clock on a 24x7 grid, 252 sessions on a recorded one."""
    if grid.calendar == "as-recorded":
        return SESSIONS_PER_YEAR * 86400 / timeframe_seconds(grid.timeframe)
    return YEAR_SECONDS / timeframe_seconds(grid.timeframe)


def _trend(table: pd.DataFrame, grid: DecisionGrid) -> np.ndarray:
    """Mean over horizons of the return in standard deviations, each clipped at two and halved."""
    volatility = table[VOLATILITY].to_numpy()
    parts = []
    for horizon in _horizons(grid):
        deviations = _over(table[f"ret_{horizon}"].to_numpy(), volatility * math.sqrt(horizon))
        parts.append(np.clip(deviations, -FULL_DEVIATIONS, FULL_DEVIATIONS) / FULL_DEVIATIONS)
    made: np.ndarray = (parts[0] + parts[1] + parts[2]) / 3
    return made


def _reversion(table: pd.DataFrame) -> np.ndarray:
    """Last day's losers against its winners: minus the z-score across instruments, long only."""
    moved = table[f"ret_{REVERSION_BARS}"].to_numpy()
    off = moved - moved.mean()
    made: np.ndarray = np.clip(-_over(off, np.full(len(off), off.std())) / FULL_DEVIATIONS, 0.0, 1.0)
    return made


def _predicted(table: pd.DataFrame, champion: FittedModel) -> np.ndarray:
    rows = np.ascontiguousarray(table[list(champion.feature_names)].to_numpy(dtype=np.float64))
    # row by row, so that a prediction does not depend on how many rows are asked for
    predicted = np.array([float(champion.estimator.predict(row[None, :])[0]) for row in rows])
    made: np.ndarray = np.clip(predicted / champion.strength_scale, -1.0, 1.0)
    return made


def _over(value: np.ndarray, scale: np.ndarray) -> np.ndarray:
    made: np.ndarray = np.where(scale > 0, value / np.where(scale > 0, scale, 1.0), 0.0)
    return made


def _horizons(grid: DecisionGrid) -> Sequence[int]:
    """Horizons in bars; the hourly counts serve every 24x7 timeframe."""
    return SESSION_HORIZONS if grid.calendar == "as-recorded" else HOURLY_HORIZONS


def _horizon_seconds(strategy: str, champion: FittedModel | None, grid: DecisionGrid) -> int:
    bars = REVERSION_BARS if strategy == "reversion" else max(_horizons(grid))
    if strategy == "model" and champion is not None:
        bars = champion.horizon_bars
    return bars * timeframe_seconds(grid.timeframe)
