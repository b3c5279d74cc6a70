"""Positive decimals on a step, exactly and fast: by whole division, without a rounded quotient between."""

from __future__ import annotations

from decimal import Decimal


def floor_step(value: Decimal, step: Decimal) -> Decimal:
    """``value`` >= 0 rounded down to a multiple of ``step``.

    Exact: the integer quotient is never rounded. ``step`` > 0; a negative ``value`` would be rounded towards zero.
    """
    return value // step * step


def ceil_step(value: Decimal, step: Decimal) -> Decimal:
    """``value`` >= 0 rounded up to a multiple of ``step``.

    ``value`` itself when it lies on the step already. ``step`` > 0.
    """
    whole = value // step * step
    return whole if whole == value else whole + step
