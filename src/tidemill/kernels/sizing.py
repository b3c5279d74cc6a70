"""Forecasts to wanted quantities, and these through the limits: `sizing` and `risk` on one dense row."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tidemill.kernels.rounding import (
    FORECASTS,
    SNAP,
    VETOED,
    ceil_step,
    count_near_step,
    floor_step,
    is_over,
    round_millionth,
)
from tidemill.kernels.values import Bounds, Sizing

SMALLEST_VOLATILITY = 0.01
LARGEST_DIVERSIFICATION = 2.0


@njit(cache=True, nogil=True)
def size_row(
    strength: np.ndarray,
    volatility: np.ndarray,
    price: np.ndarray,
    lot: np.ndarray,
    held: np.ndarray,
    equity: float,
    sizing: Sizing,
    wanted: np.ndarray,
    tally: np.ndarray,
) -> None:
    """Write the quantity wanted of each instrument, NaN where there is no forecast or the buffer keeps it.

    ``strength`` in [-1, +1], NaN = no forecast; ``volatility`` per year. The formula is that of `sizing`.
    """
    count = 0
    for s in range(len(strength)):
        count += not np.isnan(strength[s])
    tally[FORECASTS] += count
    share = min(math.sqrt(count), LARGEST_DIVERSIFICATION) / max(count, 1)
    for s in range(len(strength)):
        wanted[s] = np.nan
        if np.isnan(strength[s]):
            continue
        moves = max(volatility[s] if volatility[s] != 0.0 else 1.0, SMALLEST_VOLATILITY)
        full = min(sizing.max_fraction, sizing.volatility_target / moves * share)
        fraction = round_millionth(max(strength[s], 0.0) * full, tally)
        value = max(equity, 0.0) * fraction / price[s]
        count_near_step(value, lot[s], tally)
        quantity = floor_step(value, lot[s])
        if not keeps(quantity, held[s], sizing.buffer, tally):
            wanted[s] = quantity


@njit(cache=True, nogil=True)
def keeps(wanted: float, held: float, buffer: float, tally: np.ndarray) -> bool:
    """Whether the change from ``held`` to ``wanted`` lies inside the no-trade band."""
    size = max(abs(wanted), abs(held))
    if size == 0.0:
        return True
    change = abs(wanted - held)
    if buffer == 0.0:
        return change <= SNAP * size
    return not is_over(change, buffer * size, tally)


@njit(cache=True, nogil=True)
def limit_row(
    wanted: np.ndarray,
    price: np.ndarray,
    volume: np.ndarray,
    lot: np.ndarray,
    held: np.ndarray,
    equity: float,
    fall: float,
    bounds: Bounds,
    tally: np.ndarray,
) -> None:
    """Replace each wanted quantity by the allowed one nearest to what is held; NaN stays NaN."""
    ratio = _gross_ratio(wanted, price, held, equity, bounds.max_gross)
    stopped = not is_over(bounds.max_drawdown, fall, tally)
    for s in range(len(wanted)):
        if not np.isnan(wanted[s]):
            most = equity / price[s]
            wanted[s] = _allowed(
                wanted[s], held[s], lot[s], most, ratio, bounds.max_volume * volume[s], stopped, bounds, tally
            )


@njit(cache=True, nogil=True)
def _allowed(
    wanted: float,
    held: float,
    lot: float,
    full: float,
    ratio: float,
    most_by_volume: float,
    stopped: bool,
    bounds: Bounds,
    tally: np.ndarray,
) -> float:
    """The most cautious of all limits; ``full`` is what all of equity would buy."""
    allowed, change = wanted, wanted - held
    raises = change > SNAP * max(wanted, held)
    if stopped and raises:
        allowed = _nearer(held, held, allowed, lot, tally)
    most = bounds.max_position * full
    if raises and is_over(wanted, most, tally):
        allowed = _nearer(max(most, held), held, allowed, lot, tally)
    if raises and ratio < 1.0:
        allowed = _nearer(held + change * ratio, held, allowed, lot, tally)
    for most in (bounds.max_order * full, most_by_volume):
        if is_over(abs(change), most, tally):
            allowed = _nearer(held + (most if change > 0.0 else -most), held, allowed, lot, tally)
    return allowed


@njit(cache=True, nogil=True)
def _nearer(bound: float, held: float, allowed: float, lot: float, tally: np.ndarray) -> float:
    """Count the veto; ``bound`` in whole lots toward ``held`` if that is nearer than ``allowed``."""
    tally[VETOED] += 1
    if bound > held:
        bound = floor_step(bound, lot)
    elif bound < held:
        bound = ceil_step(bound, lot)
    return bound if abs(bound - held) < abs(allowed - held) else allowed


@njit(cache=True, nogil=True)
def _gross_ratio(wanted: np.ndarray, price: np.ndarray, held: np.ndarray, equity: float, max_gross: float) -> float:
    """Share of all wished raises that fits under the gross limit, given what is held and reduced."""
    base = raises = 0.0
    for s in range(len(wanted)):
        target = held[s] if np.isnan(wanted[s]) else wanted[s]
        base += min(held[s], target) * price[s]
        raises += max(target - held[s], 0.0) * price[s]
    room = max_gross * equity - base
    return 1.0 if raises <= room or raises == 0.0 else max(room, 0.0) / raises
