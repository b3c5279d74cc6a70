"""Orders cancelled, and cancelled to be placed anew: as safe to do again as placing them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tidemill.domain.errors import TransientError
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import (
    REPLACEMENT_LEGS,
    RESTING,
    UNRESOLVED,
    LedgerOrder,
    OrderIntent,
    OrderState,
    replacement_id,
)
from tidemill.execution.desk import Desk
from tidemill.execution.open_orders import cancel_at_venue, sync_fills
from tidemill.execution.placement import give_up, place_order, resolve_order


def cancel_order(desk: Desk, intent_id: str, *, epoch: int) -> LedgerOrder:
    """End one order: an intent not yet sent is never sent, one in doubt is resolved first, one that rests cancelled.

    Safe to call again at any time; an order that is done is left alone. The result may still be UNKNOWN when the
    venue does not answer. TransientError when it does not answer to the cancel; LeaseLost as for placing.
    """
    desk.check_lease(epoch)
    order = desk.order(intent_id)
    if order.state is OrderState.PLANNED:
        order = give_up(desk, order, "cancelled before it was sent")
    if order.state in UNRESOLVED:
        order = resolve_order(desk, order, epoch=epoch, sends_left=0)
    if order.state in RESTING:
        cancel_at_venue(desk, order)
    return desk.order(intent_id)


def replace_order(desk: Desk, intent_id: str, *, limit_price: Decimal, epoch: int) -> LedgerOrder:
    """Cancel one order, then place what is left of it at another limit; return the order in its place.

    The new order belongs to the same decision, under an id that follows from the old one's: called again, after a
    crash at any point, it is the same order and placed once, at the limit of the first call. When nothing is left,
    or the old order never was at the venue, nothing takes its place and it is returned: the next decision decides
    anew. TransientError while the venue has not said how the old one ended.
    """
    new_id = replacement_id(intent_id)
    if desk.ledger.load_orders(intent_id=new_id):
        return place_order(desk, new_id, epoch=epoch)
    old = cancel_order(desk, intent_id, epoch=epoch)
    rest = _rest_of(desk, old)
    if rest <= ZERO:
        return old
    desk.ledger.add_intent(_in_place_of(old.intent, new_id, rest, limit_price), epoch=epoch, stamp=desk.stamp())
    return place_order(desk, new_id, epoch=epoch)


def _rest_of(desk: Desk, old: LedgerOrder) -> Decimal:
    """What an ended order has not filled, by the venue; TransientError while some of its trades are not listed."""
    intent = old.intent
    if old.state in UNRESOLVED | RESTING:
        raise TransientError(f"order {intent.client_order_id} is {old.state}; what is left of it is not known yet")
    if old.venue_order_id is None:
        return ZERO
    answer = desk.broker.fetch_order(intent.instrument, intent.client_order_id, old.venue_order_id)
    sync_fills(desk, {intent.instrument})
    filled = desk.order(intent.intent_id).filled
    if answer is None or answer.filled != filled:
        raise TransientError(f"the trades of order {intent.client_order_id} are not all told yet")
    return old.quantity - filled


def _in_place_of(old: OrderIntent, new_id: str, quantity: Decimal, limit_price: Decimal) -> OrderIntent:
    return replace(
        old,
        intent_id=new_id,
        client_order_id=new_id,
        leg=old.leg + REPLACEMENT_LEGS,
        quantity=quantity,
        limit_price=limit_price,
    )
