"""A recording as dense time x instrument arrays: rows = decisions, columns = instruments by id."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from tidemill.backtest import BacktestPlan
from tidemill.decision import ALL_STALE, VENUE_DOWN
from tidemill.domain.market import DecisionGrid, timeframe_seconds, to_micros, to_step
from tidemill.features import LARGEST_SPAN, LOOKBACK
from tidemill.forecasting import FULL_DEVIATIONS, REVERSION_BARS, VOLATILITY_BARS, bars_per_year, horizons
from tidemill.kernels import MARK, bar_return, bar_volatility, make_market, make_steps, reversion_rows, trend_strength
from tidemill.ports.frames import MICROS_PER_SECOND
from tidemill.recording import Recording
from tidemill.recording.values import BAR_DELAY
from tidemill.research.fast_backtest.coverage import refuse_late, refuse_shared_bar


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DenseMarket:
    """Everything that a run needs and that no parameter of sizing, limits or costs changes.

    ``strength`` and ``volatility`` (per year) are (R, S), NaN = no forecast; ``market`` (R, S, 6) and ``steps``
    (S, 3) as the kernels take them; ``reasons`` (R,) why a row is refused, "" where it decides; ``last`` (S,) the
    prices of the final mark.
    """

    names: tuple[str, ...]
    as_of: tuple[datetime, ...]
    strength: np.ndarray
    volatility: np.ndarray
    market: np.ndarray
    steps: np.ndarray
    reasons: tuple[str, ...]
    last: np.ndarray

    @property
    def decides(self) -> np.ndarray:
        """Whether each row decides, (R,) bool.

        False where the venue is down or no instrument has its decided bar.
        """
        return np.array([not reason for reason in self.reasons])

    def part(self, first: int, end: int) -> DenseMarket:
        """Rows ``first`` <= row < ``end``; a part that is not the last is finally marked at its last row's prices.

        Arrays are views of this one's. With the state of the part before it, it gives the same bits as one run.
        """
        whole = end >= len(self.as_of)
        return DenseMarket(
            names=self.names,
            as_of=self.as_of[first:end],
            strength=self.strength[first:end],
            volatility=self.volatility[first:end],
            market=self.market[first:end],
            steps=self.steps,
            reasons=self.reasons[first:end],
            last=self.last if whole else self.market[end - 1, :, MARK],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    """The decisions' times in micros, (R,)."""

    points: np.ndarray
    as_of: np.ndarray
    decided: np.ndarray
    length: int


def build_dense(recording: Recording, plan: BacktestPlan, points: Sequence[datetime]) -> DenseMarket:
    """Arrays of all decisions at ``points``; DataError for bars off their steps or outside the subset.

    ``points`` are the grid's, ascending. Instruments are put in order of their ids, which is the order of legs. An
    instrument without a bar known yet has price 0 and no forecast.
    """
    names = tuple(sorted(plan.rules.universe))
    rows = _rows(plan.rules.grid, points)
    until = min(plan.end, recording.last_close)
    columns = [_column(recording, plan, name, rows, to_micros(until)) for name in names]
    price, volume, mark, moved, strength, spread, fresh, last = (
        np.stack(part, axis=-1) for part in zip(*columns, strict=True)
    )
    if plan.rules.strategy == "reversion":
        strength = reversion_rows(np.where(np.isnan(spread), np.nan, moved), FULL_DEVIATIONS)
    met = {name: _met(recording, name, plan, rows) for name in recording.instruments}
    buy, sell, traded = (np.stack([met[name][k] for name in names], axis=-1) for k in range(3))
    return DenseMarket(
        names=names,
        as_of=tuple(map(plan.rules.grid.as_of, points)),
        strength=strength,
        volatility=spread * math.sqrt(bars_per_year(plan.rules.grid)),
        market=make_market(price=price, volume=volume, buy=buy, sell=sell, traded=traded, mark=mark),
        steps=_steps(plan, names),
        reasons=_reasons(np.column_stack([prices[0] for prices in met.values()]), fresh),
        last=last,
    )


def _reasons(prices: np.ndarray, fresh: np.ndarray) -> tuple[str, ...]:
    """Why each row is refused: no instrument trades (NaN), or of none the decided bar is known."""
    down = np.asarray(np.isnan(prices).all(axis=1))
    stale = np.asarray(~fresh.any(axis=1))
    return tuple(VENUE_DOWN if down[row] else ALL_STALE * bool(stale[row]) for row in range(len(fresh)))


def _rows(grid: DecisionGrid, points: Sequence[datetime]) -> _Rows:
    return _Rows(
        points=np.array([to_micros(point) for point in points]),
        as_of=np.array([to_micros(grid.as_of(point)) for point in points]),
        decided=np.array([to_micros(grid.decided_open(point)) for point in points]),
        length=timeframe_seconds(grid.timeframe) * MICROS_PER_SECOND,
    )


def _column(recording: Recording, plan: BacktestPlan, name: str, rows: _Rows, until: int) -> tuple[np.ndarray, ...]:
    """One instrument's matrices' columns: what is known at each decision, and its signal."""
    grid, rules = plan.rules.grid, plan.rules
    bars = recording.as_bars(name, recording.first_open, plan.end, timeframe=grid.timeframe)
    opens = bars["open_time"].to_numpy("datetime64[us]").astype(np.int64)
    close, volume = (bars[column].to_numpy(np.float64) for column in ("close", "volume"))
    _check_step(close, rules.instruments[name].price_step)
    at = np.searchsorted(opens, rows.decided, side="right") - 1
    fresh = (at >= 0) & (opens[np.maximum(at, 0)] == rows.decided)
    if np.any(fresh & (rows.decided + rows.length + _micros(BAR_DELAY) > rows.as_of)):
        raise refuse_late(name)
    marked = np.searchsorted(opens, np.append(rows.points, until) - rows.length, side="right") - 1
    marks = _values_at(close, marked, 0.0)
    moved, strength, spread = _signals(opens, close, grid, rows.length)
    picked = (np.where(fresh, _values_at(values, at, np.nan), np.nan) for values in (moved, strength, spread))
    return (_values_at(close, at, 0.0), _values_at(volume, at, 0.0), marks[:-1], *picked, fresh, marks[-1])


def _signals(
    opens: np.ndarray, close: np.ndarray, grid: DecisionGrid, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return over the reversion's bars, trend strength and volatility per bar, as `features` and `forecasting` tell."""
    logs = np.log(close)
    first = np.maximum(np.arange(len(opens)) - (LOOKBACK - 1), 0)
    steps = np.arange(len(opens)) - first
    round_the_clock = grid.calendar == "24x7"
    broken = (opens - opens[first] > LARGEST_SPAN * steps * length) & round_the_clock
    strength, _ = trend_strength(logs, broken, np.array(horizons(grid)), VOLATILITY_BARS, FULL_DEVIATIONS)
    return bar_return(logs, broken, REVERSION_BARS), strength, bar_volatility(logs, broken, VOLATILITY_BARS)


def _met(recording: Recording, name: str, plan: BacktestPlan, rows: _Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prices that a buy and a sell sent at as_of meet, and the volume of that bar; NaN where there is none."""
    series = recording.series_of(name)
    opens, length = series.open_micros, timeframe_seconds(series.timeframe) * MICROS_PER_SECOND
    at = np.searchsorted(opens, rows.as_of, side="right") - 1
    inside = (at >= 0) & (rows.as_of < opens[np.maximum(at, 0)] + length)
    if np.any(np.diff(at[inside]) == 0):
        raise refuse_shared_bar(name)
    at = np.maximum(at, 0)
    early = rows.as_of <= opens[at] + _micros(plan.fills.decision_delay)
    fields = {field: series.bars[field].to_numpy(np.float64)[at] for field in ("open", "high", "low", "volume")}
    for field in ("open", "high", "low"):
        _check_step(fields[field], series.instrument.price_step)
    buy = np.where(early, fields["open"], fields["high"])
    sell = np.where(early, fields["open"], fields["low"])
    return np.where(inside, buy, np.nan), np.where(inside, sell, np.nan), fields["volume"]


def _values_at(values: np.ndarray, at: np.ndarray, missing: float) -> np.ndarray:
    return np.where(at >= 0, values[np.maximum(at, 0)], missing)


def _check_step(prices: np.ndarray, step: Decimal) -> None:
    """The check of ``to_step`` over an array; the sentence is its own."""
    units = prices / float(step)
    off = np.abs(np.rint(units) - units) > 1e-9 * np.abs(units)
    for price in prices[off][:1]:
        to_step(float(price), step)


def _steps(plan: BacktestPlan, names: Sequence[str]) -> np.ndarray:
    instruments = [plan.rules.instruments[name] for name in names]
    fields = ("price_step", "lot_step", "min_notional")
    columns = [[float(getattr(instrument, field)) for instrument in instruments] for field in fields]
    return make_steps(*map(np.array, columns))


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
