"""A strategy asked at one point: its answer checked, and turned into forecasts or targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError, StrategyError
from tidemill.domain.market import format_time, timeframe_seconds
from tidemill.domain.trading import Forecast, NoForecast
from tidemill.forecasting.rows import FeatureRows
from tidemill.forecasting.shipped import VOLATILITY, bars_per_year
from tidemill.forecasting.strategy import Strategy, Targets, View, Wish

FEW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """What a strategy gave in one decision, and the instruments without a forecast, with the reason.

    ``targets``: positions in base units, when the strategy gave these; then there are no forecasts.
    """

    forecasts: tuple[Forecast, ...]
    without: tuple[NoForecast, ...]
    targets: Mapping[str, Decimal] | None = None


def make_forecasts(strategy: Strategy, view: View) -> Forecasts:
    """Ask ``strategy`` at one point; ``view`` holds all its feature rows, complete or not.

    An instrument whose needed features are not all known gets no forecast, and the names of what is missing;
    volatility is always needed, for sizing. DataError when a needed feature is none of ours; StrategyError
    when the strategy raises, names an instrument that it was not given, or gives NaN, an infinite number or
    a strength beyond 1.
    """
    rows = view.rows
    if not len(rows):
        return Forecasts(forecasts=(), without=())
    needed = list(dict.fromkeys([*strategy.needs(view.grid, view.champion), VOLATILITY]))
    _check_known(strategy, needed, rows)
    unknown = np.isnan(rows.values[:, [rows.columns[name] for name in needed]])
    complete = rows.only(~unknown.any(axis=1))
    without = [
        NoForecast(instrument=name, reason=_lacking([needed[k] for k in np.flatnonzero(row)]))
        for name, row in zip(rows.names, unknown, strict=True)
        if row.any()
    ]
    if not len(complete):
        return Forecasts(forecasts=(), without=tuple(without))
    wish = _ask(strategy, replace(view, rows=complete))
    if isinstance(wish, Targets):
        return Forecasts(forecasts=(), without=tuple(without), targets=_checked_targets(strategy, view, wish, complete))
    strengths = _checked_strengths(strategy, view, wish, complete)
    silent = [name for name in complete.names if name not in strengths]
    without += [NoForecast(instrument=name, reason=f"{strategy.name} gives none") for name in silent]
    return Forecasts(forecasts=_forecasts(strategy, view, strengths, complete), without=tuple(without))


def _check_known(strategy: Strategy, needed: list[str], rows: FeatureRows) -> None:
    unknown = [name for name in needed if name not in rows.columns]
    if unknown and strategy.name == "model":
        raise DataError(f"the champion wants features that are not made here: {', '.join(unknown)}; retrain it")
    if unknown:
        raise StrategyError(f"strategy '{strategy.name}' needs features that are not made here: {', '.join(unknown)}")


def _lacking(names: list[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return f"features not known: {', '.join(names[:FEW])}{more}"


def _ask(strategy: Strategy, view: View) -> Wish:
    try:
        return strategy.decide(view)
    except DataError:
        raise
    except (Exception, SystemExit) as error:
        # a strategy is a stranger's code: whatever it raises, SystemExit too, must end as a recorded refusal
        message = " ".join(str(error).split()) or "no message"
        raise StrategyError(f"{_at(strategy, view)} raised {type(error).__name__}: {message}") from error


def _at(strategy: Strategy, view: View) -> str:
    return f"strategy '{strategy.name}' at {format_time(view.as_of)}"


def _checked_strengths(strategy: Strategy, view: View, wish: Wish, rows: FeatureRows) -> dict[str, float]:
    """The strengths as floats by instrument."""
    if not isinstance(wish, Mapping | pd.Series):
        kind = type(wish).__name__
        raise StrategyError(f"{_at(strategy, view)} gave {kind}; give strengths by instrument, or Targets")
    strengths: dict[str, float] = {}
    for name, value in wish.items():
        _check_name(strategy, view, str(name), rows.names)
        try:
            strength = float(value)
        except (TypeError, ValueError):
            raise StrategyError(f"{_at(strategy, view)} gave {value!r} for {name}; a strength is a number") from None
        if not math.isfinite(strength) or abs(strength) > 1:
            text = "NaN" if math.isnan(strength) else repr(strength)
            raise StrategyError(f"{_at(strategy, view)} gave {text} for {name}; a strength lies within [-1, +1]")
        strengths[str(name)] = strength
    return strengths


def _checked_targets(strategy: Strategy, view: View, wish: Targets, rows: FeatureRows) -> dict[str, Decimal]:
    for name, value in wish.quantities.items():
        _check_name(strategy, view, str(name), rows.names)
        if not (isinstance(value, Decimal) and value.is_finite()):
            raise StrategyError(f"{_at(strategy, view)} wants {value!r} of {name}; a target is a finite Decimal")
    return {str(name): value for name, value in wish.quantities.items()}


def _check_name(strategy: Strategy, view: View, name: str, names: list[str]) -> None:
    if name not in names:
        listed = ", ".join(names)
        raise StrategyError(f"{_at(strategy, view)} wants {name}, which it was not given; it was given {listed}")


def _forecasts(
    strategy: Strategy, view: View, strengths: Mapping[str, float], rows: FeatureRows
) -> tuple[Forecast, ...]:
    grid = view.grid
    seconds = strategy.horizon_bars(grid, view.champion) * timeframe_seconds(grid.timeframe)
    return tuple(
        Forecast(
            instrument=name,
            strength=strengths[name],
            horizon_seconds=seconds,
            made_at=view.as_of,
            expires_at=grid.next_as_of(view.as_of),
            volatility_annual=volatility * math.sqrt(bars_per_year(grid)),
        )
        for name, volatility in zip(rows.names, rows.column(VOLATILITY).tolist(), strict=True)
        if name in strengths
    )
