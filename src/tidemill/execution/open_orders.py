"""What the venue did with our orders, written into the ledger by trade id."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from tidemill.domain.market import Instrument
from tidemill.domain.trading import (
    RESTING,
    UNRESOLVED,
    LedgerOrder,
    OrderState,
    Side,
)
from tidemill.execution.desk import Desk
from tidemill.execution.order_plan import allow_buys
from tidemill.execution.placement import resolve_order

POLL_SECONDS = 0.2
LATE_FILLS = timedelta(days=1)


def sync_fills(desk: Desk, instruments: Collection[str]) -> int:
    """Record every fill newer than the ledger's newest of each instrument; return how many were new.

    TransientError when the venue does not answer; what was recorded until then stays.
    """
    added = 0
    for instrument in sorted(instruments):
        newest = desk.ledger.last_trade_id(desk.account, instrument)
        fills = desk.broker.fetch_fills(instrument, newest)
        if fills:
            added += desk.ledger.record_fills(desk.account, fills, stamp=desk.stamp())
    return added


def resolve_open_orders(desk: Desk, *, epoch: int) -> tuple[LedgerOrder, ...]:
    """Resolve every SUBMITTING and UNKNOWN order, refresh resting ones, record their fills and late ones.

    Safe to call again at any time. Returns the orders that could not be resolved. TransientError when the venue does
    not answer; LeaseLost when ``epoch`` no longer holds the account and an order would have to be sent again.
    """
    unresolved = [resolve_order(desk, order, epoch=epoch) for order in desk.orders(states=tuple(UNRESOLVED))]
    catch_up(desk, unresolved)
    return tuple(order for order in unresolved if order.state in UNRESOLVED)


def catch_up(desk: Desk, also: Sequence[LedgerOrder] = ()) -> None:
    """Refresh resting orders; record their fills, late ones, and those of the orders in ``also``."""
    resting = desk.orders(states=tuple(RESTING))
    refresh_orders(desk, resting)
    short = [order for order in _ended_lately(desk) if order.filled < order.quantity]
    sync_fills(desk, {order.intent.instrument for order in [*also, *resting, *short]})


def _ended_lately(desk: Desk) -> Sequence[LedgerOrder]:
    """Orders that have ended at the venue: its list of trades may lag behind its orders, and be read too early."""
    since = desk.wall_clock.now() - LATE_FILLS
    return desk.orders(states=(OrderState.FILLED, OrderState.EXPIRED, OrderState.CANCELLED), sent_since=since)


def refresh_orders(desk: Desk, orders: Iterable[LedgerOrder]) -> None:
    """Ask the venue for the state of each order and record what has changed."""
    for order in orders:
        intent = order.intent
        answer = desk.broker.fetch_order(intent.instrument, intent.client_order_id, order.venue_order_id)
        if answer is not None and (answer.state is not order.state or answer.filled != order.filled):
            desk.ledger.record_state(intent.intent_id, answer.state, stamp=desk.stamp(), order=answer)


def await_fills(desk: Desk, decision_id: str, side: Side, *, wait_seconds: float) -> tuple[LedgerOrder, ...]:
    """Record the fills of a decision's orders of one side, waiting at most ``wait_seconds`` for those that rest.

    For the trades of an order that is filled it waits the visibility delay: the venue has them, and may list them late.
    Returns the orders as the ledger then has them. TransientError when the venue does not answer.
    """
    began = desk.wall_clock.now()
    while True:
        orders = [order for order in desk.orders(decision_id=decision_id) if order.intent.side is side]
        resting = [order for order in orders if order.state in RESTING]
        refresh_orders(desk, resting)
        placed = {order.intent.instrument for order in orders if order.state not in _NEVER_PLACED}
        sync_fills(desk, placed)
        now = [order for order in desk.orders(decision_id=decision_id) if order.intent.side is side]
        unlisted = any(order.state is OrderState.FILLED and order.filled < order.quantity for order in now)
        wait = max(wait_seconds if resting else 0.0, desk.timing.visibility_seconds if unlisted else 0.0)
        if desk.wall_clock.now() >= began + timedelta(seconds=wait):
            return tuple(now)
        desk.sleep(POLL_SECONDS)


def reduce_to_cash(
    desk: Desk, decision_id: str, instruments: Mapping[str, Instrument], quote_fee_rate: Decimal, *, epoch: int
) -> Sequence[LedgerOrder]:
    """Cut the decision's buys, once, to the cash free now; return them as they then are.

    ``quote_fee_rate`` is the fee paid in quote on top, a fraction (0 where fees are taken from what is received).
    LeaseLost when another run took the account over: what is free may be another's by now.
    """
    buys = [order for order in desk.orders(decision_id=decision_id) if order.intent.side is Side.BUY]
    if not buys:
        return ()
    portfolio = desk.ledger.load_portfolio(desk.account)
    allowed: dict[str, Decimal] = {}
    for quote in {instruments[order.intent.instrument].quote for order in buys}:
        same = [order for order in buys if instruments[order.intent.instrument].quote == quote]
        allowed |= allow_buys(same, portfolio.free(quote), instruments=instruments, quote_fee_rate=quote_fee_rate)
    return desk.ledger.reduce_buys(decision_id, allowed, epoch=epoch, stamp=desk.stamp())


def cancel_resting(desk: Desk, *, epoch: int | None) -> int:
    """Cancel every resting order of the account, safe to call again; return how many ended cancelled.

    LeaseLost when another run took the account over. A halt has no ``epoch``: it may come from anywhere.
    """
    if epoch is not None:
        desk.check_lease(epoch)
    return sum(cancel_at_venue(desk, order) for order in desk.orders(states=tuple(RESTING)))


def cancel_at_venue(desk: Desk, order: LedgerOrder) -> bool:
    """Cancel one order that rests, and record its fills; whether it ended cancelled."""
    intent = order.intent
    answer = desk.broker.cancel_order(intent.instrument, intent.client_order_id, order.venue_order_id)
    # Not found on cancel: it may have filled first, so the venue's own record decides.
    answer = answer or desk.broker.fetch_order(intent.instrument, intent.client_order_id, order.venue_order_id)
    if answer is not None and answer.state is not order.state:
        desk.ledger.record_state(intent.intent_id, answer.state, stamp=desk.stamp(), order=answer)
    sync_fills(desk, {intent.instrument})
    return answer is not None and answer.state is OrderState.CANCELLED


_NEVER_PLACED = UNRESOLVED | {OrderState.PLANNED, OrderState.REJECTED, OrderState.NOT_PLACED}
