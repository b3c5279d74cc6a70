"""What every ledger shares: the event of an order, and the arithmetic of what is held and reserved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tidemill.domain.errors import OrderExpired
from tidemill.domain.market import Stamp, split_instrument_id
from tidemill.domain.portfolio import ZERO, CashEvent
from tidemill.domain.trading import RESTING, UNRESOLVED, Fill, LedgerOrder, OrderIntent, OrderState, Side

REDUCED = "reduced"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One entry of an order's story: a move to ``state``, or a reduction (state ``reduced``)."""

    sequence: int
    intent_id: str
    state: str
    reason: str
    venue_order_id: str | None
    quantity: Decimal | None
    stamp: Stamp


def opening_events(account: str, balances: Mapping[str, Decimal]) -> list[CashEvent]:
    """What an account holds when it is opened, as cash events that can be recorded only once."""
    return [
        CashEvent(
            event_id=f"opening-{account}-{asset}",
            account=account,
            asset=asset,
            amount=amount,
            kind="opening",
            because="the account was opened",
        )
        for asset, amount in balances.items()
    ]


def movements(fill: Fill) -> list[tuple[str, Decimal]]:
    """Asset and signed amount of everything that a fill moves, the fee included."""
    base, quote, _ = split_instrument_id(fill.instrument)
    sign = 1 if fill.side is Side.BUY else -1
    return [
        (base, sign * fill.quantity),
        (quote, -sign * fill.quantity * fill.price),
        (fill.fee_asset, -fill.fee),
    ]


def reserved_amounts(orders: Iterable[LedgerOrder]) -> dict[str, Decimal]:
    """What orders that are or may be at the venue tie up: quote at the limit for a buy, base for a sell."""
    amounts: dict[str, Decimal] = {}
    for order in orders:
        if order.state not in RESTING | UNRESOLVED:
            continue
        base, quote, _ = split_instrument_id(order.intent.instrument)
        rest = max(order.quantity - order.filled, ZERO)
        if order.intent.side is Side.BUY:
            amounts[quote] = amounts.get(quote, ZERO) + rest * (order.intent.limit_price or ZERO)
        else:
            amounts[base] = amounts.get(base, ZERO) + rest
    return {asset: amount for asset, amount in amounts.items() if amount}


def marked_equity(record: Mapping[str, Any]) -> Decimal:
    """The equity that a decision's record has marked; 0 when it has none."""
    return Decimal(str(record["equity"])) if record.get("equity") else ZERO


def is_new(order: LedgerOrder, state: OrderState, venue_order_id: str | None, filled: Decimal | None) -> bool:
    """Whether a reported state says anything that the ledger has not written down yet.

    ``filled`` is what the venue reports as filled, base units; None when the venue did not report the order.
    """
    if state is not order.state:
        return True
    if venue_order_id is not None and venue_order_id != order.venue_order_id:
        return True
    return state is OrderState.PARTLY_FILLED and filled is not None and filled > order.filled


def may_begin(order: LedgerOrder, absent: LedgerOrder | None) -> bool:
    """Whether a send may begin: the first one of a planned order, or one after the last was proven absent."""
    if absent is None:
        return order.state is OrderState.PLANNED
    return order.state is OrderState.UNKNOWN and order.sent_at == absent.sent_at


def check_unexpired(intent: OrderIntent, market: datetime) -> None:
    """Raise OrderExpired when the market's time is past what the intent allows."""
    if market >= intent.expires_at:
        raise OrderExpired("expired before it was sent")
