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
    MARK,
    PEAK,
    PRICE,
    Bounds,
    Costs,
    Sizing,
    State,
    Trail,
)

# how a target is told
WEIGHT, STAKE = 0, 1


def run_forecasts(
    strength: np.ndarray,
    volatility: np.ndarray,
    decides: np.ndarray,
    market: np.ndarray,
    steps: np.ndarray,
    costs: Costs,
    sizing: Sizing,
    bounds: Bounds,
    state: State,
    trail: Trail,
) -> None:
    """Size, limit, plan and fill row by row; ``state`` moves on, ``trail`` is filled.

    ``strength`` and ``volatility`` (per year) are (R, S), NaN = no forecast; ``decides`` (R,) is False
    where the decision is refused; ``market`` and ``steps`` as from ``make_market`` and ``make_steps``.
    """
    _forecasts(
        strength, volatility, decides, market, steps, costs, sizing, bounds,
        state.money, state.held, trail.orders, trail.curve, trail.tally,
    )  # fmt: skip


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
    _targets(
        target, kind, buffer, market, steps, costs, state.money, state.held, trail.orders, trail.curve, trail.tally
    )


@compiled
def _forecasts(
    strength: np.ndarray,
    volatility: np.ndarray,
    decides: np.ndarray,
    market: np.ndarray,
    steps: np.ndarray,
    costs: Costs,
    sizing: Sizing,
    bounds: Bounds,
    money: np.ndarray,
    held: np.ndarray,
    orders: np.ndarray,
    curve: np.ndarray,
    tally: np.ndarray,
) -> None:
    wanted = np.empty(len(held))
    for row in range(len(decides)):
        to = min(row, len(curve) - 1)
        if decides[row]:
            equity = value_at(money[CASH], held, market[row], PRICE)
            money[PEAK] = max(money[PEAK], equity)
            fall = max(0.0, 1.0 - equity / money[PEAK]) if money[PEAK] > 0.0 else 0.0
            size_row(strength[row], volatility[row], market[row], steps, held, equity, sizing, wanted, tally[to])
            limit_row(wanted, market[row], steps, held, equity, fall, bounds, tally[to])
            trade_row(wanted, market[row], steps, costs, money, held, orders[to], tally[to])
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
    money: np.ndarray,
    held: np.ndarray,
    orders: np.ndarray,
    curve: np.ndarray,
    tally: np.ndarray,
) -> None:
    wanted = np.empty(len(held))
    for row in range(len(target)):
        to = min(row, len(curve) - 1)
        whole = max(value_at(money[CASH], held, market[row], PRICE), 0.0) if kind == WEIGHT else 1.0
        for s in range(len(wanted)):
            wanted[s] = max(target[row, s], 0.0) * whole / market[row, s, PRICE]
            if np.isnan(target[row, s]) or (buffer > 0.0 and is_inside(wanted[s], held[s], buffer)):
                wanted[s] = np.nan
        trade_row(wanted, market[row], steps, costs, money, held, orders[to], tally[to])
        curve[to, CASH_AFTER] = money[CASH]
        curve[to, EQUITY_AFTER] = value_at(money[CASH], held, market[row], MARK)
