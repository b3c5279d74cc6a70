"""Forecasts to wanted quantities, and these through the limits: `sizing` and `risk` on one dense row."""

from __future__ import annotations

import math

import numpy as np

from tidemill.kernels.compilation import compiled
from tidemill.kernels.rounding import (
    SNAP,
    ceil_step,
    floor_step,
    is_near,
    is_near_step,
    is_near_tie,
    is_over,
    round_fraction,
)
from tidemill.kernels.values import LOT, NEAR_CASES, PRICE, VETOED, VOLUME, Bounds, Sizing


@compiled
def size_row(
    strength: np.ndarray,
    volatility: np.ndarray,
    market: np.ndarray,
    steps: np.ndarray,
    held: np.ndarray,
    equity: float,
    sizing: Sizing,
    target: np.ndarray,
) -> tuple[int, int]:
    """Write the target quantity of each instrument, NaN where there is no forecast or the buffer keeps it.

    ``strength`` in [-1, +1], NaN = no forecast; ``volatility`` per year. The formula is that of `sizing`. Returns
    how many forecasts there were, and near cases.
    """
    count = near_cases = 0
    for s in range(len(strength)):
        count += not np.isnan(strength[s])
    share = min(math.sqrt(count), sizing.largest_diversification) / max(count, 1)
    for s in range(len(strength)):
        target[s] = np.nan
        if not np.isnan(strength[s]):
            full = max(equity, 0.0) / market[s, PRICE]
            quantity, near = _target_lots(strength[s], volatility[s], full, share, steps[s, LOT], sizing)
            keeps = is_inside(quantity, held[s], sizing.buffer)
            near_cases += near + is_near_band(quantity, held[s], sizing.buffer)
            target[s] = np.nan if keeps else quantity
    return count, near_cases


@compiled
def _target_lots(
    strength: float, volatility: float, full: float, share: float, lot: float, sizing: Sizing
) -> tuple[float, int]:
    """Whole lots to hold, and near cases; ``full`` is what all of equity would buy."""
    moves = max(volatility if volatility != 0.0 else sizing.unknown_volatility, sizing.smallest_volatility)
    fraction = max(strength, 0.0) * min(sizing.max_fraction, sizing.volatility_target / moves * share)
    quantity = full * round_fraction(fraction, sizing.fraction_parts)
    near = is_near_tie(fraction, sizing.fraction_parts) + is_near_step(quantity, lot)
    return floor_step(quantity, lot), near


@compiled
def is_inside(target: float, held: float, buffer: float) -> bool:
    """Whether the change from ``held`` to ``target`` lies inside the no-trade band.

    ``buffer`` is a fraction of the larger of both, in size. The edge itself is inside.
    """
    size = max(abs(target), abs(held))
    return abs(target - held) <= (buffer + SNAP) * size


@compiled
def is_near_band(target: float, held: float, buffer: float) -> int:
    """1 when the change from ``held`` to ``target`` is within NEAR of the band's edge, else 0.

    No change at all is no near case.
    """
    size = max(abs(target), abs(held))
    return is_near(abs(target - held), buffer * size) if target != held else 0


@compiled
def limit_row(
    target: np.ndarray,
    market: np.ndarray,
    steps: np.ndarray,
    held: np.ndarray,
    equity: float,
    fall: float,
    bounds: Bounds,
    tally: np.ndarray,
) -> None:
    """Replace each target by the allowed one nearest to what is held; NaN stays NaN.

    ``equity`` is in quote units and ``fall`` is the drawdown, a fraction. Limits only ever move a target toward
    ``held`` (S,). ``tally`` (4,) gets vetoes and near cases added.
    """
    ratio = _gross_ratio(target, market, held, equity, bounds.max_gross)
    stopped = not is_over(bounds.max_drawdown, fall)
    tally[NEAR_CASES] += is_near(bounds.max_drawdown, fall)
    for s in range(len(target)):
        if not np.isnan(target[s]):
            full, by_volume = equity / market[s, PRICE], bounds.max_volume * market[s, VOLUME]
            allowed, vetoes, near = _allowed(target[s], held[s], steps[s, LOT], full, ratio, by_volume, stopped, bounds)
            target[s] = allowed
            tally[VETOED] += vetoes
            tally[NEAR_CASES] += near


@compiled
def _allowed(
    target: float,
    held: float,
    lot: float,
    full: float,
    ratio: float,
    by_volume: float,
    stopped: bool,
    bounds: Bounds,
) -> tuple[float, int, int]:
    """The most cautious of all limits, vetoes and near cases; ``full`` is what all of equity would buy."""
    allowed, change, vetoes = target, target - held, 0
    # a change within rounding of nothing is no raise, and no limit of raises applies to it
    raises = change > SNAP * max(target, held)
    position, order = bounds.max_position * full, min(bounds.max_order * full, by_volume)
    near = is_near(abs(change), order) + (is_near(target, position) if raises else 0)
    if stopped and raises:
        allowed, vetoes = held, vetoes + 1
    if raises and is_over(target, position):
        allowed, vetoes = _nearer(max(position, held), held, allowed, lot), vetoes + 1
    if raises and ratio < 1.0:
        allowed, vetoes = _nearer(held + change * ratio, held, allowed, lot), vetoes + 1
    # a share of a debt is below nothing, and would turn a sale into a purchase
    for bound in (max(bounds.max_order * full, 0.0), by_volume):
        if is_over(abs(change), bound):
            allowed, vetoes = _nearer(held + math.copysign(bound, change), held, allowed, lot), vetoes + 1
    return allowed, vetoes, near


@compiled
def _nearer(bound: float, held: float, allowed: float, lot: float) -> float:
    """``bound`` in whole lots toward ``held``, never past it, if that is nearer to it than ``allowed``."""
    if bound > held:
        bound = max(held, floor_step(bound, lot))
    elif bound < held:
        bound = min(held, ceil_step(bound, lot))
    return bound if abs(bound - held) < abs(allowed - held) else allowed


@compiled
def _gross_ratio(target: np.ndarray, market: np.ndarray, held: np.ndarray, equity: float, max_gross: float) -> float:
    """Share of all wished raises that fits under the gross limit, given what is held and reduced."""
    base = raises = 0.0
    for s in range(len(target)):
        after = held[s] if np.isnan(target[s]) else target[s]
        base += min(held[s], after) * market[s, PRICE]
        raises += max(after - held[s], 0.0) * market[s, PRICE]
    room = max_gross * equity - base
    return 1.0 if raises <= room or raises == 0.0 else max(room, 0.0) / raises
