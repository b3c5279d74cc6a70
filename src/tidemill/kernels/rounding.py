"""Steps, thresholds and fees in float64, as near to the Decimal rules as float64 allows.

A quotient within SNAP of a whole number counts as that number, so that 0.3 / 0.1 is three lots. Whatever
is decided by a comparison closer than NEAR (both relative) may come out differently in Decimal: such
comparisons are counted. A step of 0 switches its rounding off.
"""

from __future__ import annotations

import numpy as np

from tidemill.kernels.compilation import compiled

SNAP = 1e-12
NEAR = 1e-9


@compiled
def floor_step(value: float, step: float) -> float:
    """``value`` rounded toward zero to a multiple of ``step``.

    A quotient within SNAP of a whole number is that number; a step of 0 or an infinite value comes back as it is.
    """
    if step <= 0.0 or np.isinf(value):
        return value
    units = value / step
    whole: float = np.rint(units)
    if abs(units - whole) > SNAP * max(1.0, abs(units)):
        whole = np.trunc(units)
    return whole * step


@compiled
def floor_change(change: float, size: float, step: float) -> float:
    """``change`` >= 0, a difference of quantities up to ``size``, rounded toward zero to a multiple of ``step``.

    What the subtraction has lost of the digits is allowed for.
    """
    if step <= 0.0:
        return change
    units = change / step
    whole: float = np.rint(units)
    if abs(units - whole) > SNAP * max(1.0, size / step):
        whole = np.trunc(units)
    return whole * step


@compiled
def ceil_step(value: float, step: float) -> float:
    """``value`` rounded up to a multiple of ``step``.

    A quotient within SNAP of a whole number is that number; a step of 0 or an infinite value comes back as it is.
    """
    if step <= 0.0 or np.isinf(value):
        return value
    units = value / step
    whole: float = np.rint(units)
    if abs(units - whole) > SNAP * max(1.0, abs(units)):
        whole = np.ceil(units)
    return whole * step


@compiled
def settle(value: float, step: float) -> float:
    """The multiple of ``step`` next to ``value``: takes away what float64 additions have left behind.

    For sums of multiples only, whose distance from the grid is rounding. A step of 0 leaves the value alone.
    """
    whole: float = np.rint(value / step) if step > 0.0 else value
    return whole * step if step > 0.0 else whole


@compiled
def is_over(value: float, bound: float) -> bool:
    """Whether ``value`` > ``bound``; equal within SNAP is not over.

    SNAP is relative to the larger of both.
    """
    return value - bound > SNAP * max(abs(value), abs(bound))


@compiled
def is_near(value: float, bound: float) -> int:
    """1 when ``value`` and ``bound``, not both 0, are nearer than NEAR, else 0.

    Both 0 is no near case: nothing was computed that could have come out otherwise.
    """
    size = max(abs(value), abs(bound))
    return 1 if size > 0.0 and abs(value - bound) <= NEAR * size else 0


@compiled
def is_near_step(value: float, step: float) -> int:
    """1 when a quantity lies within NEAR of a whole number of steps, other than none, else 0.

    0 for a step of 0, where nothing is rounded.
    """
    if step <= 0.0 or value == 0.0:
        return 0
    units = value / step
    return 1 if abs(units - np.rint(units)) <= NEAR * max(1.0, abs(units)) else 0


@compiled
def round_fraction(value: float, parts: float) -> float:
    """``value`` rounded to a whole number of 1 / ``parts``.

    Halves go to the even neighbour.
    """
    whole: float = np.rint(value * parts)
    return whole / parts


@compiled
def is_near_tie(value: float, parts: float) -> int:
    """1 when :func:`round_fraction` of ``value`` >= 0 lies within NEAR of a tie, else 0.

    There the Decimal rule and this one may round to different sides.
    """
    units = value * parts
    return 1 if abs(units - np.floor(units) - 0.5) <= NEAR * max(1.0, units) else 0
