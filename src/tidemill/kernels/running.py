"""The dense simulators: all rows in one compiled call, from a state to the next.

A period cut in two and run from the first part's state gives the same bits as the whole.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tidemill.kernels.rounding import NEAR_CASES
from tidemill.kernels.sizing import keeps, limit_row, size_row
from tidemill.kernels.trading import trade_row, value_row
from tidemill.kernels.values import NONE, Bounds, Costs, Market, Sizing, State, Steps, Trail

# how a target is told
WEIGHT, STAKE = 0, 1


@njit(cache=True, nogil=True)
def run_forecasts(
    strength: np.ndarray,
    volatility: np.ndarray,
    decides: np.ndarray,
    market: Market,
    steps: Steps,
    costs: Costs,
    sizing: Sizing,
    bounds: Bounds,
    state: State,
    trail: Trail,
) -> None:
    """Size, limit, plan and fill row by row; ``state`` moves on, ``trail`` is filled.

    ``strength`` and ``volatility`` are (R, S), NaN = no forecast; ``decides`` (R,) is False where the
    decision is refused. A trail of one row keeps the last row only, and tallies all.
    """
    wanted = np.empty(len(state.held))
    for row in range(len(decides)):
        to = min(row, len(trail.equity) - 1)
        if decides[row]:
            price = market.price[row]
            equity = value_row(state.money[0], state.held, price)
            peak = max(state.money[1], equity)
            state.money[1] = peak
            fall = max(0.0, 1.0 - equity / peak) if peak > 0.0 else 0.0
            tally = trail.tally[to]
            size_row(strength[row], volatility[row], price, steps.lot, state.held, equity, sizing, wanted, tally)
            limit_row(wanted, price, market.volume[row], steps.lot, state.held, equity, fall, bounds, tally)
            trade_row(row, to, wanted, market, steps, costs, state, trail)
        else:
            _rest_row(to, trail)
        mark_row(row, to, market, state, trail)


@njit(cache=True, nogil=True)
def run_targets(
    target: np.ndarray,
    kind: int,
    buffer: float,
    market: Market,
    steps: Steps,
    costs: Costs,
    state: State,
    trail: Trail,
) -> None:
    """Move to target fractions of equity (WEIGHT) or worths in quote units (STAKE), (R, S), NaN = keep.

    Equity and quantities are told at ``market.price``: for a rebalance at the open that is the open. Long
    only: a negative target is 0.
    """
    wanted = np.empty(len(state.held))
    for row in range(len(target)):
        to = min(row, len(trail.equity) - 1)
        whole = 1.0
        if kind == WEIGHT:
            whole = max(value_row(state.money[0], state.held, market.price[row]), 0.0)
        for s in range(len(wanted)):
            wanted[s] = max(target[row, s], 0.0) * whole / market.price[row, s]
            if np.isnan(target[row, s]) or (buffer > 0.0 and keeps(wanted[s], state.held[s], buffer, trail.tally[to])):
                wanted[s] = np.nan
        trade_row(row, to, wanted, market, steps, costs, state, trail)
        mark_row(row, to, market, state, trail)


@njit(cache=True, nogil=True)
def mark_row(row: int, to: int, market: Market, state: State, trail: Trail) -> None:
    """Write equity and cash after the row."""
    trail.cash[to] = state.money[0]
    trail.equity[to] = value_row(state.money[0], state.held, market.mark[row])


@njit(cache=True, nogil=True)
def _rest_row(to: int, trail: Trail) -> None:
    for s in range(trail.sent.shape[1]):
        trail.sent[to, s] = trail.filled[to, s] = trail.price[to, s] = trail.fee[to, s] = 0.0
        trail.state[to, s] = NONE


def make_trail(rows: int, columns: int) -> Trail:
    """An empty trail."""
    matrices = [np.zeros((rows, columns)) for _ in range(4)]
    states = np.zeros((rows, columns), dtype=np.int8)
    return Trail(*matrices, states, np.zeros(rows), np.zeros(rows), np.zeros((rows, NEAR_CASES + 1), dtype=np.int64))
