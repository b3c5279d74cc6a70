"""Steps, thresholds and fees in float64, as near to the Decimal rules as float64 allows.

A quotient within SNAP of a whole number counts as that number, so that 0.3 / 0.1 is three lots. Whatever
is decided by a comparison closer than NEAR (both relative) may come out differently in Decimal: such
comparisons are counted. A step of 0 switches its rounding off.
"""

from __future__ import annotations

import numpy as np
from numba import njit

SNAP = 1e-12
NEAR = 1e-9
MILLION = 1e6

# what a run counts
FORECASTS, VETOED, DROPPED, NEAR_CASES, TALLIES = 0, 1, 2, 3, 4


@njit(cache=True, nogil=True)
def floor_step(value: float, step: float) -> float:
    """``value`` rounded toward zero to a multiple of ``step``."""
    if step <= 0.0 or np.isinf(value):
        return value
    units = value / step
    whole = np.rint(units)
    if abs(units - whole) > SNAP * max(1.0, abs(units)):
        whole = np.trunc(units)
    return whole * step


@njit(cache=True, nogil=True)
def ceil_step(value: float, step: float) -> float:
    """``value`` rounded up to a multiple of ``step``."""
    if step <= 0.0 or np.isinf(value):
        return value
    units = value / step
    whole = np.rint(units)
    if abs(units - whole) > SNAP * max(1.0, abs(units)):
        whole = np.ceil(units)
    return whole * step


@njit(cache=True, nogil=True)
def settle(value: float, step: float) -> float:
    """The multiple of ``step`` next to ``value``: takes away what float64 additions have left behind."""
    return value if step <= 0.0 else np.rint(value / step) * step


@njit(cache=True, nogil=True)
def is_over(value: float, bound: float, tally: np.ndarray) -> bool:
    """Whether ``value`` > ``bound``; equal within SNAP is not over; nearer than NEAR is counted."""
    size = max(abs(value), abs(bound))
    if size > 0.0 and abs(value - bound) <= NEAR * size:
        tally[NEAR_CASES] += 1
    return value - bound > SNAP * size


@njit(cache=True, nogil=True)
def count_near_step(value: float, step: float, tally: np.ndarray) -> None:
    """Count a quantity that lies within NEAR of a whole number of steps, other than none."""
    if step > 0.0 and value != 0.0:
        units = value / step
        if abs(units - np.rint(units)) <= NEAR * max(1.0, abs(units)):
            tally[NEAR_CASES] += 1


@njit(cache=True, nogil=True)
def round_millionth(value: float, tally: np.ndarray) -> float:
    """``value`` rounded to a millionth; a tie within NEAR is counted."""
    units = value * MILLION
    if abs(units - np.floor(units) - 0.5) <= NEAR * max(1.0, units):
        tally[NEAR_CASES] += 1
    return np.rint(units) / MILLION
