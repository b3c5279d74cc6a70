"""What the kernels take and give: tuples of numbers and dense arrays, rows = decisions, columns = instruments.

Columns are in the order of legs: what a decision sells or buys first stands first. Money is in quote units,
quantities in base units, times are rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NONE, FILLED, PARTLY_FILLED, EXPIRED, REJECTED, NOT_PLACED = range(6)
STATE_NAMES = ("", "filled", "partly_filled", "expired", "rejected", "not_placed")


class Costs(NamedTuple):
    """Fractions: of price (``slippage``, ``price_cap``), of volume (``participation``), of what is traded (rates).

    ``price_cap`` and ``participation`` may be infinite: market orders, and no end of liquidity.
    ``cash_rate`` is set aside on top of a buy's price, ``lock_rate`` must be there when it is placed (both
    0 where the fee is taken from what is received). ``fee_step`` 0: fees are not rounded.
    """

    slippage: float
    price_cap: float
    participation: float
    fee_rate: float
    cash_rate: float
    lock_rate: float
    fee_in_quote: bool
    fee_step: float


class Sizing(NamedTuple):
    """Volatility target per year, most of equity in one instrument, and the no-trade band."""

    volatility_target: float
    max_fraction: float
    buffer: float


class Bounds(NamedTuple):
    """Limits as fractions: of equity, or (``max_volume``) of the decided bar's volume; infinite: no limit."""

    max_gross: float
    max_position: float
    max_order: float
    max_volume: float
    max_drawdown: float


class Steps(NamedTuple):
    """Trading rules by instrument, float64 (S,); a step of 0 switches its rounding off."""

    price: np.ndarray
    lot: np.ndarray
    min_notional: np.ndarray


class Market(NamedTuple):
    """What a decision sees and meets, float64 (R, S) each.

    ``price`` and ``volume`` are the last known bar's (0 where none is known). ``buy`` and ``sell`` are the
    prices that an order of that side meets before slippage, NaN where the instrument does not trade;
    ``traded`` is the volume of that bar. ``mark`` are the prices that equity is marked at after the row.
    """

    price: np.ndarray
    volume: np.ndarray
    buy: np.ndarray
    sell: np.ndarray
    traded: np.ndarray
    mark: np.ndarray


class State(NamedTuple):
    """An account between two rows: ``money`` is float64 (3,) cash, peak equity, fees so far; ``held`` (S,)."""

    money: np.ndarray
    held: np.ndarray


class Trail(NamedTuple):
    """All that happened, (R, S): signed quantity sent and filled, price, fee in quote units, state (int8).

    ``equity`` and ``cash`` are (R,), after the row; ``tally`` is int64 (R, 4): forecasts, vetoes, dropped
    and near cases.
    """

    sent: np.ndarray
    filled: np.ndarray
    price: np.ndarray
    fee: np.ndarray
    state: np.ndarray
    equity: np.ndarray
    cash: np.ndarray
    tally: np.ndarray


def open_state(cash: float, columns: int) -> State:
    """An account that holds ``cash`` and nothing else."""
    return State(np.array([cash, 0.0, 0.0]), np.zeros(columns))


def copy_state(state: State) -> State:
    """An account that may be moved on without touching ``state``."""
    return State(state.money.copy(), state.held.copy())
