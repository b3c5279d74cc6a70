"""Rules that several tests of the kernels share."""

from __future__ import annotations

import numpy as np

from tidemill.kernels import Bounds, Costs, Sizing
from tidemill.sizing import FRACTION_DIGITS, LARGEST_DIVERSIFICATION, SMALLEST_VOLATILITY, UNKNOWN_VOLATILITY

FREE = Costs(0.0, np.inf, np.inf, 0.0, 0.0, 0.0, fee_in_quote=True, fee_step=0.0)
PAID = FREE._replace(fee_rate=0.001, cash_rate=0.001, lock_rate=0.001)
SPOT = Costs(0.001, 0.02, 0.1, 0.001, 0.0, 0.001, fee_in_quote=False, fee_step=1e-8)
SIZING = Sizing(
    volatility_target=0.25,
    max_fraction=0.4,
    buffer=0.1,
    unknown_volatility=UNKNOWN_VOLATILITY,
    smallest_volatility=SMALLEST_VOLATILITY,
    largest_diversification=LARGEST_DIVERSIFICATION,
    fraction_parts=10.0**FRACTION_DIGITS,
)
BOUNDS = Bounds(max_gross=0.95, max_position=0.4, max_order=0.25, max_volume=0.05, max_drawdown=0.25)


def matrix(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.float64)
