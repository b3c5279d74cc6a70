"""From allowed quantities to fills, one row at a time: plan, sells, buys within the cash then free.

The functions of one order take and give plain numbers: passing arrays costs more than the arithmetic.
"""

from __future__ import annotations

import numpy as np

from tidemill.kernels.compilation import compiled, inlined
from tidemill.kernels.rounding import SNAP, ceil_step, floor_change, floor_step, is_near, is_near_step, is_over, settle
from tidemill.kernels.values import (
    AT,
    BUY,
    CASH,
    DONE,
    DROPPED,
    EXPIRED,
    FEE,
    FEES,
    FILLED,
    LOT,
    MIN_NOTIONAL,
    NEAR_CASES,
    NOT_PLACED,
    PARTLY_FILLED,
    PRICE,
    PRICE_STEP,
    REJECTED,
    SELL,
    SENT,
    STATE,
    TRADED,
    Costs,
)


@inlined
def trade_row(
    allowed: np.ndarray,
    market: np.ndarray,
    steps: np.ndarray,
    costs: Costs,
    money: np.ndarray,
    held: np.ndarray,
    orders: np.ndarray,
    tally: np.ndarray,
) -> None:
    """Move toward ``allowed`` (S,), NaN = keep: sells before buys, those within the cash then free.

    ``market`` is (S, 6), ``orders`` (S, 5) and ``tally`` (4,): one row. The rules are those of
    ``execution.plan_orders``, ``allow_buys`` and ``matching`` for LIMIT IOC.
    """
    for s in range(len(allowed)):
        sent, near = plan_order(
            allowed[s],
            held[s],
            market[s, PRICE],
            costs.price_cap,
            steps[s, PRICE_STEP],
            steps[s, LOT],
            steps[s, MIN_NOTIONAL],
        )
        orders[s, SENT] = 0.0 if np.isnan(sent) else sent
        orders[s, DONE] = orders[s, AT] = orders[s, FEE] = orders[s, STATE] = 0.0
        tally[DROPPED] += np.isnan(sent)
        tally[NEAR_CASES] += near
    for s in range(len(allowed)):
        if orders[s, SENT] < 0.0:
            tally[NEAR_CASES] += sell(s, market, steps, costs, money, held, orders)
    # buys share the cash that is free once all sells are through, as the stage sends them; what is set aside for one
    # is gone for the next, whether it fills or not
    cash = money[CASH]
    for s in range(len(allowed)):
        if orders[s, SENT] > 0.0:
            reserved, near = buy(s, cash, market, steps, costs, money, held, orders)
            cash -= reserved
            tally[NEAR_CASES] += near


@compiled
def plan_order(
    allowed: float, held: float, price: float, cap: float, price_step: float, lot: float, min_notional: float
) -> tuple[float, int]:
    """Signed quantity to send, 0 for none, NaN for dust, and near cases: whole lots, a sell at most what is held."""
    change = allowed - held
    size = max(abs(allowed), abs(held))
    if np.isnan(allowed) or abs(change) <= SNAP * size:
        return 0.0, 0
    quantity = floor_change(change if change > 0.0 else min(-change, held), size, lot)
    worth = quantity * min(limit_price(change > 0.0, price, cap, price_step), price)
    if is_dust(quantity, worth, lot, min_notional):
        return np.nan, is_near(worth, min_notional)
    return (quantity if change > 0.0 else -quantity), is_near(worth, min_notional)


@compiled
def limit_price(buys: bool, price: float, cap: float, step: float) -> float:
    """Limit price, to the cautious side; without a cap a buy may pay anything and a sell takes anything."""
    if np.isinf(cap):
        return np.inf if buys else 0.0
    if buys:
        return floor_step(price * (1.0 + cap), step)
    return ceil_step(price * (1.0 - cap), step)


@compiled
def is_dust(quantity: float, worth: float, lot: float, min_notional: float) -> bool:
    """Whether a quantity is below one lot, or worth less than the minimum."""
    return quantity <= 0.0 or quantity < 0.5 * lot or is_over(min_notional, worth)


@compiled
def cut_buy(
    intended: float, cash: float, limit: float, cash_rate: float, lot: float, min_notional: float
) -> tuple[float, int]:
    """What of a buy the cash allows, 0 for dust, and near cases."""
    affordable = max(cash, 0.0) / (limit * (1.0 + cash_rate))
    # far from the edge: no rounding to lots can matter, so none is counted as near
    if intended <= affordable * (1.0 - 1e-6):
        return intended, 0
    quantity = min(intended, floor_step(affordable, lot))
    near = is_near_step(affordable, lot) + is_near(quantity * limit, min_notional)
    return (0.0 if is_dust(quantity, quantity * limit, lot, min_notional) else quantity), near


@compiled
def fill_order(
    quantity: float, price: float, traded: float, lot: float, costs: Costs, fee_in_base: bool
) -> tuple[float, float]:
    """Quantity that the bar has room for, and the fee on it, in quote or in base."""
    room = np.inf if np.isinf(costs.participation) else floor_step(traded * costs.participation, lot)
    filled = max(min(room, quantity), 0.0)
    return filled, ceil_step((filled if fee_in_base else filled * price) * costs.fee_rate, costs.fee_step)


@compiled
def sell(
    s: int,
    market: np.ndarray,
    steps: np.ndarray,
    costs: Costs,
    money: np.ndarray,
    held: np.ndarray,
    orders: np.ndarray,
) -> int:
    """Place the sell of one instrument and book what becomes of it; near cases."""
    quantity, raw, step, lot = -orders[s, SENT], market[s, SELL], steps[s, PRICE_STEP], steps[s, LOT]
    price = max(floor_step(raw * (1.0 - costs.slippage), step), step)
    limit = limit_price(False, market[s, PRICE], costs.price_cap, step)
    if np.isnan(raw):
        orders[s, STATE] = REJECTED
        return 0
    if is_over(limit, price):
        orders[s, STATE] = EXPIRED
    else:
        filled, fee = fill_order(quantity, price, market[s, TRADED], lot, costs, False)
        money[CASH] += filled * price - fee
        money[FEES] += fee
        held[s] = settle(held[s] - filled, _held_step(lot, costs))
        book(s, -filled, quantity, price, fee, orders)
    return is_near(limit, price)


@compiled
def buy(
    s: int,
    cash: float,
    market: np.ndarray,
    steps: np.ndarray,
    costs: Costs,
    money: np.ndarray,
    held: np.ndarray,
    orders: np.ndarray,
) -> tuple[float, int]:
    """Cut a buy to ``cash``, place it, book what becomes of it; what is set aside for it, and near cases."""
    raw, step, lot = market[s, BUY], steps[s, PRICE_STEP], steps[s, LOT]
    price = ceil_step(raw * (1.0 + costs.slippage), step)
    limit = limit_price(True, market[s, PRICE], costs.price_cap, step)
    limit = price if np.isinf(limit) else limit
    quantity, near = cut_buy(orders[s, SENT], cash, limit, costs.cash_rate, lot, steps[s, MIN_NOTIONAL])
    orders[s, SENT] = quantity
    if quantity == 0.0:
        orders[s, STATE] = NOT_PLACED
        return 0.0, near
    if np.isnan(raw) or not is_backed(quantity, limit, money[CASH], costs):
        orders[s, STATE] = REJECTED
    elif is_over(price, limit):
        orders[s, STATE] = EXPIRED
    else:
        filled, fee = fill_order(quantity, price, market[s, TRADED], lot, costs, not costs.fee_in_quote)
        paid = _settle_buy(s, filled, price, fee, lot, costs, money, held)
        book(s, filled, quantity, price, paid, orders)
    return quantity * limit * (1.0 + costs.cash_rate), near + (is_near(price, limit) if price != limit else 0)


@compiled
def is_backed(quantity: float, limit: float, cash: float, costs: Costs) -> bool:
    """Whether the venue finds the cash that backs a buy, with the fee where it is taken in quote."""
    locked = quantity * limit
    if costs.fee_in_quote:
        locked += ceil_step(locked * costs.lock_rate, costs.fee_step)
    return not is_over(locked, cash)


@compiled
def _settle_buy(
    s: int,
    filled: float,
    price: float,
    fee: float,
    lot: float,
    costs: Costs,
    money: np.ndarray,
    held: np.ndarray,
) -> float:
    """Pay for a fill and hold it; the fee in quote. A fee in base is taken out of what was bought."""
    paid = fee if costs.fee_in_quote else fee * price
    money[CASH] -= filled * price + (fee if costs.fee_in_quote else 0.0)
    money[FEES] += paid
    held[s] = settle(held[s] + filled - (0.0 if costs.fee_in_quote else fee), _held_step(lot, costs))
    return paid


@compiled
def _held_step(lot: float, costs: Costs) -> float:
    """Grid that holdings lie on: lots, or the fee's step where fees are taken out of what is bought."""
    return lot if costs.fee_in_quote else min(costs.fee_step, lot)


@compiled
def book(s: int, filled: float, quantity: float, price: float, fee: float, orders: np.ndarray) -> None:
    """Write a fill, or that the bar had no room for any."""
    if filled == 0.0:
        orders[s, STATE] = EXPIRED
        return
    orders[s, DONE] = filled
    orders[s, AT] = price
    orders[s, FEE] = fee
    orders[s, STATE] = FILLED if quantity - abs(filled) <= SNAP * quantity else PARTLY_FILLED


@compiled
def value_at(cash: float, held: np.ndarray, market: np.ndarray, column: int) -> float:
    """Cash and positions at one column of prices of a row (S, 6)."""
    total = cash
    for s in range(len(held)):
        total += held[s] * market[s, column]
    return total
