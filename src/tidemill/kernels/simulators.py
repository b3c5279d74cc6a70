"""The dense simulators: all rows in one compiled call, from a state to the next.

A period cut in two and run from the first part's state gives the same bits as the whole.
"""

from __future__ import annotations

import numpy as np

from tidemill.kernels.compilation import compiled
from tidemill.kernels.order_fills import trade_row, value_at
from tidemill.kernels.sizing import is_inside, limit_row, size_row
from tidemill.kernels.values import (
    CASH,
    CASH_AFTER,
    EQUITY_AFTER,
    FORECASTS,
    MARK,
    NEAR_CASES,
    PEAK,
    PRICE,
    Account,
    Bounds,
    Costs,
    Rows,
    Signals,
    Sizing,
    State,
    Trail,
)

# how a target is told
WEIGHT, STAKE = 0, 1


def run_forecasts(
    signals: Signals,
    market: np.ndarray,
    steps: np.ndarray,
    costs: Costs,
    sizing: Sizing,
    bounds: Bounds,
    state: State,
    trail: Trail,
) -> None:
    """Size, limit, plan and fill row by row; ``state`` moves on, ``trail`` is filled.

    ``market`` (R, S, 6) and ``steps`` (S, 3) are as from ``make_market`` and ``make_steps``.
    """
    _forecasts(signals, market, steps, costs, sizing, bounds, state.arrays, trail.rows)


def run_targets(
    target: np.ndarray,
    kind: int,
    buffer: float,
    market: np.ndarray,
    steps: np.ndarray,
    costs: Costs,
    state: State,
    trail: Trail,
) -> None:
    """Move to target fractions of equity (WEIGHT) or worths in quote units (STAKE), (R, S), NaN = keep.

    Equity and quantities are told at the market's price: for a rebalance at the open that is the open.
    Long only: a negative target is 0.
    """
    _targets(target, kind, buffer, market, steps, costs, state.arrays, trail.rows)


@compiled
def _forecasts(
    signals: Signals,
    market: np.ndarray,
    steps: np.ndarray,
    costs: Costs,
    sizing: Sizing,
    bounds: Bounds,
    account: Account,
    rows: Rows,
) -> None:
    strength, volatility, decides = signals
    money, held = account
    orders, curve, tally = rows
    target = np.empty(len(held))
    for row in range(len(decides)):
        # a trail of a single row keeps the last one only, see make_trail
        to = min(row, len(curve) - 1)
        if decides[row]:
            equity = value_at(money[CASH], held, market[row], PRICE)
            money[PEAK] = max(money[PEAK], equity)
            fall = max(0.0, 1.0 - equity / money[PEAK]) if money[PEAK] > 0.0 else 0.0
            forecasts, near = size_row(strength[row], volatility[row], market[row], steps, held, equity, sizing, target)
            tally[to, FORECASTS] += forecasts
            tally[to, NEAR_CASES] += near
            limit_row(target, market[row], steps, held, equity, fall, bounds, tally[to])
            trade_row(target, market[row], steps, costs, money, held, orders[to], tally[to])
        else:
            orders[to] = 0.0
        curve[to, CASH_AFTER] = money[CASH]
        curve[to, EQUITY_AFTER] = value_at(money[CASH], held, market[row], MARK)


@compiled
def _targets(
    target: np.ndarray,
    kind: int,
    buffer: float,
    market: np.ndarray,
    steps: np.ndarray,
    costs: Costs,
    account: Account,
    rows: Rows,
) -> None:
    money, held = account
    orders, curve, tally = rows
    quantities = np.empty(len(held))
    for row in range(len(target)):
        to = min(row, len(curve) - 1)
        whole = max(value_at(money[CASH], held, market[row], PRICE), 0.0) if kind == WEIGHT else 1.0
        for s in range(len(quantities)):
            quantities[s] = max(target[row, s], 0.0) * whole / market[row, s, PRICE]
            if np.isnan(target[row, s]) or (buffer > 0.0 and is_inside(quantities[s], held[s], buffer)):
                quantities[s] = np.nan
        trade_row(quantities, market[row], steps, costs, money, held, orders[to], tally[to])
        curve[to, CASH_AFTER] = money[CASH]
        curve[to, EQUITY_AFTER] = value_at(money[CASH], held, market[row], MARK)
