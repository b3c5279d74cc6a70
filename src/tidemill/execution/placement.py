"""One intent, placed exactly once, and the proof of what became of it.

The ledger says SUBMITTING, with send time and window, before anything leaves; the request is signed
with exactly these, so a process that wakes up late is refused by the venue. After the send only
evidence counts. UNKNOWN is resolved by asking, never by sending again: "not found" proves absence
only after the window, the venue's internal timeout and a margin have passed and several looks agree.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import timedelta

from tidemill.domain.errors import OrderExpired, TradingError, TradingStopped, TransientError
from tidemill.domain.trading import (
    UNRESOLVED,
    LedgerOrder,
    OrderRequest,
    OrderState,
    Placement,
    VenueOrder,
)
from tidemill.execution.desk import Desk

log = logging.getLogger(__name__)

MOST_SENDS = 3
"""How often one call sends an intent, each but the first after proof that the one before left no trace."""
PLACEMENT_STATES = {"rejected": OrderState.REJECTED, "unknown": OrderState.UNKNOWN}


def place_order(desk: Desk, intent_id: str, *, epoch: int) -> LedgerOrder:
    """Bring one intent to the venue, at most once; return the order as the ledger then knows it.

    Safe to call again at any time, after any crash: a planned intent is sent, an unresolved one is
    resolved, any other is left alone. LeaseLost when another run took the account over. The result
    may still be UNKNOWN when the venue does not answer; the next run or ``reconcile`` goes on.
    """
    placed = _send(desk, intent_id, epoch=epoch)
    if placed is not None:
        return placed
    order = desk.order(intent_id)
    return resolve_order(desk, order, epoch=epoch) if order.state in UNRESOLVED else order


def resolve_order(desk: Desk, order: LedgerOrder, *, epoch: int, sends_left: int = MOST_SENDS - 1) -> LedgerOrder:
    """Find out what became of a SUBMITTING or UNKNOWN order.

    Found: the venue's state is recorded. Proven absent: sent again with the same id while the intent
    is unexpired (at most ``sends_left`` times), else NOT_PLACED. Neither within four settle times: it
    stays UNKNOWN.
    """
    if order.state is OrderState.SUBMITTING:
        _record(desk, order, OrderState.UNKNOWN, "not answered")
    absences = 0
    for _ in _polls(desk):
        try:
            found = _look(desk, order)
        except TransientError as error:
            log.warning("order %s: %s", order.intent.client_order_id, error)
            continue
        if found is not None:
            return _record_found(desk, order, found)
        absences = absences + 1 if _settled(desk, order) else 0
        if absences >= desk.timing.absence_queries:
            return _absent(desk, order, epoch=epoch, sends_left=sends_left)
    return desk.order(order.intent.intent_id)


def _send(
    desk: Desk, intent_id: str, *, epoch: int, absent: LedgerOrder | None = None, sends_left: int = MOST_SENDS - 1
) -> LedgerOrder | None:
    """Send a planned intent, or one whose last send is proven ``absent``; None when the ledger knows of another."""
    window = desk.timing.window_ms
    try:
        order = desk.ledger.begin_submit(intent_id, epoch=epoch, window_ms=window, stamp=desk.stamp(), absent=absent)
    except (TradingStopped, OrderExpired) as stop:
        return _not_sent(desk, intent_id, absent, str(stop))
    if order is None:
        return None
    placement = desk.broker.place_order(_request(order))
    order = _record_placement(desk, order, placement)
    if placement.outcome == "unknown" and order.state in UNRESOLVED:
        return resolve_order(desk, order, epoch=epoch, sends_left=sends_left)
    return order


def _not_sent(desk: Desk, intent_id: str, absent: LedgerOrder | None, reason: str) -> LedgerOrder | None:
    """Give up what may not be sent; None when another process has sent it in the meantime."""
    if absent is not None:
        return give_up(desk, absent, f"proven absent; {reason}")
    order = desk.order(intent_id)
    return give_up(desk, order, reason) if order.state is OrderState.PLANNED else None


def _request(order: LedgerOrder) -> OrderRequest:
    if order.sent_at is None or order.window_ms is None:
        raise TradingError(f"order {order.intent.intent_id} has no recorded send time")
    intent = order.intent
    return OrderRequest(
        client_order_id=intent.client_order_id,
        instrument=intent.instrument,
        side=intent.side,
        order_type=intent.order_type,
        time_in_force=intent.time_in_force,
        quantity=order.quantity,
        limit_price=intent.limit_price,
        sent_at=order.sent_at,
        window_ms=order.window_ms,
    )


def _record_placement(desk: Desk, order: LedgerOrder, placement: Placement) -> LedgerOrder:
    if placement.order is not None:
        return _record_found(desk, order, placement.order)
    return _record(desk, order, PLACEMENT_STATES[placement.outcome], placement.evidence)


def _record_found(desk: Desk, order: LedgerOrder, found: VenueOrder) -> LedgerOrder:
    return desk.ledger.record_state(order.intent.intent_id, found.state, stamp=desk.stamp(), order=found)


def give_up(desk: Desk, order: LedgerOrder, reason: str) -> LedgerOrder:
    """Never send this intent (again), unless another process has done so since; the order as it then is."""
    return _record(desk, order, OrderState.NOT_PLACED, reason)


def _record(desk: Desk, order: LedgerOrder, state: OrderState, reason: str) -> LedgerOrder:
    """Record what is concluded of the send that ``order`` shows, and of no later one; the order as it then is."""
    return desk.ledger.record_state(order.intent.intent_id, state, stamp=desk.stamp(), reason=reason, expected=order)


def _polls(desk: Desk) -> Iterator[int]:
    """Yield before each look, with growing pauses between them, for at most four settle times."""
    end = desk.wall_clock.now() + timedelta(seconds=4 * desk.timing.visibility_seconds)
    pause = desk.timing.first_poll_seconds
    count = 0
    while desk.wall_clock.now() < end:
        yield count
        count += 1
        desk.sleep(pause)
        pause = min(2 * pause, desk.timing.last_poll_seconds)


def _settled(desk: Desk, order: LedgerOrder) -> bool:
    if order.sent_at is None:
        return True
    return desk.wall_clock.now() >= order.sent_at + timedelta(seconds=desk.timing.visibility_seconds)


def _look(desk: Desk, order: LedgerOrder) -> VenueOrder | None:
    """Ask for the order by id; once the settle time has passed, also through the lists of the venue.

    TransientError when the venue does not answer, or tells of several orders that this one could be.
    """
    intent = order.intent
    found = desk.broker.fetch_order(intent.instrument, intent.client_order_id, order.venue_order_id)
    if found is not None or not _settled(desk, order) or order.sent_at is None:
        return found
    seen = [*desk.broker.fetch_open_orders([intent.instrument])]
    seen += desk.broker.fetch_orders(intent.instrument, order.sent_at - timedelta(seconds=1))
    named = next((one for one in seen if one.client_order_id == intent.client_order_id), None)
    return named or _renamed(desk, order, seen)


def _renamed(desk: Desk, order: LedgerOrder, seen: Iterable[VenueOrder]) -> VenueOrder | None:
    """The order under another name: who cancels it by hand takes its client order id away.

    It is known by its shape, among the cancelled orders of no other intent. TransientError when several would
    fit: then neither presence nor absence is proven, and a person decides.
    """
    known = {one.venue_order_id for one in desk.orders() if one.venue_order_id}
    fitting = {one.venue_order_id: one for one in seen if one.venue_order_id not in known and _fits(order, one)}
    if len(fitting) > 1:
        ids = ", ".join(sorted(fitting))
        raise TransientError(f"each of the cancelled orders {ids} could be {order.intent.client_order_id}")
    return next(iter(fitting.values()), None)


def _fits(order: LedgerOrder, seen: VenueOrder) -> bool:
    intent = order.intent
    same = (seen.side, seen.quantity, seen.limit_price) == (intent.side, order.quantity, intent.limit_price)
    return same and seen.state is OrderState.CANCELLED


def _absent(desk: Desk, order: LedgerOrder, *, epoch: int, sends_left: int) -> LedgerOrder:
    if sends_left <= 0:
        return give_up(desk, order, "proven absent; not sent again")
    log.info("order %s is proven absent; it is sent again unless it has expired", order.intent.client_order_id)
    again = _send(desk, order.intent.intent_id, epoch=epoch, absent=order, sends_left=sends_left - 1)
    return again or desk.order(order.intent.intent_id)
