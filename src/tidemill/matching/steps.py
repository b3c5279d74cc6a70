"""Positive decimals on a step, exactly and fast: by whole division, without a rounded quotient between."""

from __future__ import annotations

from decimal import Decimal


def floor_step(value: Decimal, step: Decimal) -> Decimal:
    """``value`` >= 0 rounded down to a multiple of ``step``."""
    return value // step * step


def ceil_step(value: Decimal, step: Decimal) -> Decimal:
    """``value`` >= 0 rounded up to a multiple of ``step``."""
    whole = value // step * step
    return whole if whole == value else whole + step
