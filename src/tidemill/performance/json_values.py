"""Figures as JSON has them: money as decimal strings, ratios as numbers, null for what is not defined."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

from tidemill.performance.returns import DAY_SECONDS

MONEY_DIGITS = 10


def json_number(value: float) -> float | None:
    """``value``, or None for NaN and infinity, which JSON does not know."""
    return float(value) if math.isfinite(value) else None


def json_money(value: Decimal) -> str:
    """Money without exponent, to ten digits after the point.

    What lies behind comes from dividing for the average cost, and would differ with the order of the fills.
    """
    return format(round(value, MONEY_DIGITS).normalize(), "f")


def json_days(span: timedelta) -> float:
    """A span of time in days."""
    return span.total_seconds() / DAY_SECONDS
