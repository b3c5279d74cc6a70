"""Approved targets become intents: sells before buys, LIMIT IOC with a price cap, whole lots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tidemill.domain.market import Instrument, ceil_to_step, floor_to_step
from tidemill.domain.portfolio import ZERO, Portfolio
from tidemill.domain.trading import (
    Dropped,
    LedgerOrder,
    OrderIntent,
    OrderState,
    OrderType,
    Side,
    TargetPosition,
    TimeInForce,
    decision_id,
    intent_id,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionKey:
    """What makes a decision unique, and when its intents expire."""

    account: str
    strategy: str
    as_of: datetime
    attempt: int
    expires_at: datetime

    @property
    def decision_id(self) -> str:
        """The decision's stable id."""
        return decision_id(account=self.account, strategy=self.strategy, as_of=self.as_of, attempt=self.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlan:
    """Intents in the order of their legs (sells first), and the wishes that became no order."""

    intents: tuple[OrderIntent, ...]
    dropped: tuple[Dropped, ...]


def plan_orders(
    targets: Sequence[TargetPosition],
    portfolio: Portfolio,
    *,
    instruments: Mapping[str, Instrument],
    key: DecisionKey,
    price_cap_fraction: Decimal,
) -> OrderPlan:
    """Turn each target into at most one LIMIT IOC intent.

    The quantity is rounded toward zero to the lot; a sell is at most what is free. A buy's intent is
    the most that may be bought: it is reduced once the sells are done (:func:`allow_buys`).
    """
    wishes: list[tuple[Side, Instrument, Decimal, Decimal]] = []
    dropped: list[Dropped] = []
    for target in targets:
        instrument = instruments[target.instrument]
        change = target.quantity - portfolio.quantity(instrument.base)
        side = Side.BUY if change > 0 else Side.SELL
        quantity = _sendable(side, instrument, change, portfolio)
        limit = cap_price(side, target.price, instrument, price_cap_fraction)
        if reason := _dust(instrument, quantity, min(limit, target.price)):
            dropped.append(Dropped(instrument=target.instrument, quantity=change, reason=reason))
        else:
            wishes.append((side, instrument, quantity, limit))
    wishes.sort(key=lambda wish: wish[0] is Side.BUY)
    intents = tuple(_intent(key, leg, *wish) for leg, wish in enumerate(wishes))
    return OrderPlan(intents=intents, dropped=tuple(dropped))


def cap_price(side: Side, price: Decimal, instrument: Instrument, fraction: Decimal) -> Decimal:
    """Limit price: ``price`` moved by ``fraction`` in the order's favour to fill, rounded to the cautious side."""
    if side is Side.BUY:
        return floor_to_step(price * (1 + fraction), instrument.price_step)
    return ceil_to_step(price * (1 - fraction), instrument.price_step)


def allow_buys(
    buys: Sequence[LedgerOrder],
    free_cash: Decimal,
    *,
    instruments: Mapping[str, Instrument],
    quote_fee_rate: Decimal,
) -> dict[str, Decimal]:
    """Quantity that each planned buy may still have, by intent id, so that all fit into ``free_cash``.

    Served in leg order; a buy that shrinks below the lot or the minimum notional gets 0.
    ``quote_fee_rate`` is the fee paid in quote on top (0 where fees are taken from what is received).
    """
    allowed: dict[str, Decimal] = {}
    cash = free_cash
    for order in buys:
        if order.state is not OrderState.PLANNED:
            continue
        instrument = instruments[order.intent.instrument]
        price = order.intent.limit_price or ZERO
        unit_cost = price * (1 + quote_fee_rate)
        quantity = min(order.quantity, floor_to_step(max(cash, ZERO) / unit_cost, instrument.lot_step))
        if _dust(instrument, quantity, price):
            quantity = ZERO
        allowed[order.intent.intent_id] = quantity
        cash -= quantity * unit_cost
    return allowed


def _sendable(side: Side, instrument: Instrument, change: Decimal, portfolio: Portfolio) -> Decimal:
    """What of a wished change can be sent: whole lots, and for a sell no more than is free."""
    quantity = abs(change) if side is Side.BUY else min(abs(change), portfolio.free(instrument.base))
    return floor_to_step(max(quantity, ZERO), instrument.lot_step)


def _dust(instrument: Instrument, quantity: Decimal, price: Decimal) -> str:
    if quantity < instrument.lot_step:
        return f"below one lot of {instrument.lot_step}"
    if quantity * price < instrument.min_notional:
        return f"worth less than the minimum notional of {instrument.min_notional} {instrument.quote}"
    return ""


def _intent(
    key: DecisionKey, leg: int, side: Side, instrument: Instrument, quantity: Decimal, limit: Decimal
) -> OrderIntent:
    identity = intent_id(
        account=key.account,
        strategy=key.strategy,
        instrument=instrument.id,
        as_of=key.as_of,
        attempt=key.attempt,
        leg=leg,
    )
    return OrderIntent(
        intent_id=identity,
        decision_id=key.decision_id,
        account=key.account,
        instrument=instrument.id,
        leg=leg,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=quantity,
        limit_price=limit,
        client_order_id=identity,
        expires_at=key.expires_at,
    )
