"""What the venue did with our orders, taken into the ledger by trade id."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from tidemill.domain.trading import (
    RESTING,
    UNRESOLVED,
    LedgerOrder,
    OrderState,
    Side,
)
from tidemill.execution.desk import Desk
from tidemill.execution.placing import resolve_order

POLL_SECONDS = 0.2


def take_in_fills(desk: Desk, instruments: Collection[str]) -> int:
    """Record every fill newer than the newest known of each instrument; return how many were new."""
    added = 0
    for instrument in sorted(instruments):
        newest = desk.ledger.last_trade_id(desk.account, instrument)
        fills = desk.broker.fetch_fills(instrument, newest)
        if fills:
            added += desk.ledger.record_fills(desk.account, fills, stamp=desk.stamp())
    return added


def settle_account(desk: Desk, *, epoch: int) -> tuple[LedgerOrder, ...]:
    """Resolve every SUBMITTING and UNKNOWN order, refresh resting ones, take in their fills.

    Returns the orders that could not be resolved. TransientError when the venue does not answer.
    """
    unresolved = [resolve_order(desk, order, epoch=epoch) for order in desk.orders(states=tuple(UNRESOLVED))]
    resting = desk.orders(states=tuple(RESTING))
    refresh_orders(desk, resting)
    take_in_fills(desk, {order.intent.instrument for order in [*unresolved, *resting]})
    return tuple(order for order in unresolved if order.state in UNRESOLVED)


def refresh_orders(desk: Desk, orders: Iterable[LedgerOrder]) -> None:
    """Ask the venue for the state of each order and record what has changed."""
    for order in orders:
        found = desk.broker.fetch_order(order.intent.instrument, order.intent.client_order_id, order.venue_order_id)
        if found is not None and (found.state is not order.state or found.filled != order.filled):
            desk.ledger.record_state(order.intent.intent_id, found.state, stamp=desk.stamp(), order=found)


def await_fills(desk: Desk, decision_id: str, side: Side, *, wait_seconds: float) -> tuple[LedgerOrder, ...]:
    """Take in the fills of a decision's orders of one side, waiting at most ``wait_seconds`` for those that rest."""
    deadline = desk.wall_clock.now() + timedelta(seconds=wait_seconds)
    while True:
        orders = [order for order in desk.orders(decision_id=decision_id) if order.intent.side is side]
        resting = [order for order in orders if order.state in RESTING]
        refresh_orders(desk, resting)
        placed = {order.intent.instrument for order in orders if order.state not in _NEVER_PLACED}
        take_in_fills(desk, placed)
        if not resting or desk.wall_clock.now() >= deadline:
            return tuple(order for order in desk.orders(decision_id=decision_id) if order.intent.side is side)
        desk.sleep(POLL_SECONDS)


_NEVER_PLACED = UNRESOLVED | {OrderState.PLANNED, OrderState.REJECTED, OrderState.NOT_PLACED}
