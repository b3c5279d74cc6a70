"""Prices and quantities as exact multiples of their steps."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from tidemill.domain.errors import DataError

STEP_TOLERANCE = Decimal("1e-9")


def to_step(value: float | Decimal, step: Decimal) -> Decimal:
    """The one crossing from float to Decimal: ``value`` as an exact multiple of ``step``.

    The shortest decimal text that names the float is quantised to the step. A value further from
    the step than 1e-9 relative is a DataError: it was never a price or quantity of this instrument.
    """
    # repr gives the shortest text that names the float; Decimal(float) would drag its binary tail along
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    if not exact.is_finite():
        raise DataError(f"{value!r} is not a finite number")
    units = (exact / step).to_integral_value()
    stepped = units * step
    if abs(stepped - exact) > abs(exact) * STEP_TOLERANCE:
        raise DataError(f"{value!r} is not a multiple of the step {step}")
    return stepped


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """``value`` rounded toward zero to a multiple of ``step``.

    Never more than ``value`` says, in size: what is sold is held, and what is bought is paid for. ``step`` is
    positive.
    """
    return (value / step).to_integral_value(rounding="ROUND_DOWN") * step


def ceil_to_step(value: Decimal, step: Decimal) -> Decimal:
    """``value`` rounded up to a multiple of ``step``.

    Toward plus infinity, so a negative value comes nearer to zero. ``step`` is positive.
    """
    return (value / step).to_integral_value(rounding="ROUND_CEILING") * step


def parse_step(text: str, name: str) -> Decimal:
    """A decimal string such as ``0.01``; DataError when it is not a positive number."""
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError) as error:
        raise DataError(f"{name} '{text}' is not a decimal number") from error
    if not value.is_finite() or value < 0:
        raise DataError(f"{name} '{text}' must be a number >= 0")
    return value
