"""From allowed quantities to fills, one row at a time: plan, sells, buys within the cash then free."""

from __future__ import annotations

import numpy as np
from numba import njit

from tidemill.kernels.rounding import DROPPED, SNAP, ceil_step, count_near_step, floor_step, is_over, settle
from tidemill.kernels.values import (
    EXPIRED,
    FILLED,
    NONE,
    NOT_PLACED,
    PARTLY_FILLED,
    REJECTED,
    Costs,
    Market,
    State,
    Steps,
    Trail,
)


@njit(cache=True, nogil=True)
def trade_row(
    row: int, to: int, allowed: np.ndarray, market: Market, steps: Steps, costs: Costs, state: State, trail: Trail
) -> None:
    """Move toward ``allowed`` (S,), NaN = keep: sells before buys; everything is written to row ``to``.

    The rules are those of ``execution.plan_orders``, ``allow_buys`` and ``matching``, LIMIT IOC.
    """
    count = len(allowed)
    for s in range(count):
        sent = _plan(s, row, allowed[s], market, steps, costs, state, trail.tally[to])
        trail.sent[to, s] = sent
        trail.filled[to, s] = trail.price[to, s] = trail.fee[to, s] = 0.0
        trail.state[to, s] = NONE
    for s in range(count):
        if trail.sent[to, s] < 0.0:
            _sell(s, row, to, market, steps, costs, state, trail)
    cash = state.money[0]
    for s in range(count):
        if trail.sent[to, s] > 0.0:
            cash -= _buy(s, row, to, cash, market, steps, costs, state, trail)


@njit(cache=True, nogil=True)
def _plan(
    s: int, row: int, allowed: float, market: Market, steps: Steps, costs: Costs, state: State, tally: np.ndarray
) -> float:
    """Signed quantity to send, 0 for none: whole lots, a sell at most what is held, no dust."""
    held = state.held[s]
    change = allowed - held
    if np.isnan(allowed) or abs(change) <= SNAP * max(abs(allowed), abs(held)):
        return 0.0
    quantity = floor_step(change if change > 0.0 else min(-change, held), steps.lot[s])
    price = market.price[row, s]
    limit = _limit(s, change, price, steps, costs)
    if _is_dust(s, quantity, min(limit, price), steps, tally):
        tally[DROPPED] += 1
        return 0.0
    return quantity if change > 0.0 else -quantity


@njit(cache=True, nogil=True)
def _limit(s: int, change: float, price: float, steps: Steps, costs: Costs) -> float:
    """Limit price, to the cautious side; without a cap a buy may pay anything and a sell takes anything."""
    if change > 0.0:
        return floor_step(price * (1.0 + costs.price_cap), steps.price[s])
    if np.isinf(costs.price_cap):
        return price
    return ceil_step(price * (1.0 - costs.price_cap), steps.price[s])


@njit(cache=True, nogil=True)
def _is_dust(s: int, quantity: float, price: float, steps: Steps, tally: np.ndarray) -> bool:
    if quantity <= 0.0 or quantity < steps.lot[s] * 0.5:
        return True
    return steps.min_notional[s] > 0.0 and is_over(steps.min_notional[s], quantity * price, tally)


@njit(cache=True, nogil=True)
def _sell(
    s: int, row: int, to: int, market: Market, steps: Steps, costs: Costs, state: State, trail: Trail
) -> None:
    quantity = -trail.sent[to, s]
    raw = market.sell[row, s]
    if np.isnan(raw):
        trail.state[to, s] = REJECTED
        return
    price = max(floor_step(raw * (1.0 - costs.slippage), steps.price[s]), steps.price[s])
    if not np.isinf(costs.price_cap):
        limit = _limit(s, -1.0, market.price[row, s], steps, costs)
        if is_over(limit, price, trail.tally[to]):
            trail.state[to, s] = EXPIRED
            return
    _fill(s, row, to, -1.0, quantity, price, market, steps, costs, state, trail)


@njit(cache=True, nogil=True)
def _buy(
    s: int, row: int, to: int, cash: float, market: Market, steps: Steps, costs: Costs, state: State, trail: Trail
) -> float:
    """Cut to ``cash``, place, and return what was set aside for the order."""
    raw, tally = market.buy[row, s], trail.tally[to]
    price = ceil_step(raw * (1.0 + costs.slippage), steps.price[s])
    limit = _limit(s, 1.0, market.price[row, s], steps, costs)
    if np.isinf(limit):
        limit = price
    if np.isnan(limit):
        trail.state[to, s] = REJECTED
        return 0.0
    unit = limit * (1.0 + costs.cash_rate)
    quantity = _affordable(s, trail.sent[to, s], max(cash, 0.0), unit, steps, tally)
    if _is_dust(s, quantity, limit, steps, tally):
        trail.sent[to, s] = 0.0
        trail.state[to, s] = NOT_PLACED
        return 0.0
    trail.sent[to, s] = quantity
    locked = quantity * limit
    if costs.fee_in_quote:
        locked += ceil_step(locked * costs.lock_rate, costs.fee_step)
    if np.isnan(raw) or is_over(locked, state.money[0], tally):
        trail.state[to, s] = REJECTED
    elif is_over(price, limit, tally):
        trail.state[to, s] = EXPIRED
    else:
        _fill(s, row, to, 1.0, quantity, price, market, steps, costs, state, trail)
    return quantity * unit


@njit(cache=True, nogil=True)
def _affordable(s: int, wanted: float, cash: float, unit: float, steps: Steps, tally: np.ndarray) -> float:
    if wanted * unit <= cash * (1.0 - 1e-6):
        return wanted
    count_near_step(cash / unit, steps.lot[s], tally)
    return min(wanted, floor_step(cash / unit, steps.lot[s]))


@njit(cache=True, nogil=True)
def _fill(
    s: int,
    row: int,
    to: int,
    sign: float,
    quantity: float,
    price: float,
    market: Market,
    steps: Steps,
    costs: Costs,
    state: State,
    trail: Trail,
) -> None:
    """Book the fill: what the bar has room for, its fee in quote or out of what is received."""
    room = np.inf
    if not np.isinf(costs.participation):
        room = floor_step(market.traded[row, s] * costs.participation, steps.lot[s])
    done = min(room, quantity)
    if done <= 0.0:
        trail.state[to, s] = EXPIRED
        return
    whole = quantity - done <= SNAP * quantity
    in_base = sign > 0.0 and not costs.fee_in_quote
    fee = ceil_step((done if in_base else done * price) * costs.fee_rate, costs.fee_step)
    state.money[0] -= sign * done * price + (0.0 if in_base else fee)
    state.held[s] += sign * done - (fee if in_base else 0.0)
    state.held[s] = settle(state.held[s], steps.lot[s] if costs.fee_in_quote else min(costs.fee_step, steps.lot[s]))
    paid = fee * price if in_base else fee
    state.money[2] += paid
    trail.filled[to, s] = sign * done
    trail.price[to, s] = price
    trail.fee[to, s] = paid
    trail.state[to, s] = FILLED if whole else PARTLY_FILLED


@njit(cache=True, nogil=True)
def value_row(cash: float, held: np.ndarray, prices: np.ndarray) -> float:
    """Cash and positions at ``prices`` (S,)."""
    total = cash
    for s in range(len(held)):
        total += held[s] * prices[s]
    return total
