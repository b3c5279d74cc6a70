"""One intent, placed exactly once, and the proof of what became of it.

The ledger says SUBMITTING, with send time and window, before anything leaves; the request is signed
with exactly these, so a process that wakes up late is refused by the venue. After the send only
evidence counts. UNKNOWN is resolved by queries, never by sending again: "not found" proves absence
only after the window, the venue's internal timeout and a margin have passed and several queries agree.
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

    The venue has it: the venue's state is recorded. Proven absent: sent again with the same id while the
    intent is unexpired (at most ``sends_left`` times), else NOT_PLACED. Neither within four visibility
    delays: it stays UNKNOWN. Returns the order as the ledger then has it; LeaseLost as for placing.
    """
    if order.state is OrderState.SUBMITTING:
        _record(desk, order, OrderState.UNKNOWN, "not answered")
    absences = 0
    for _ in _polls(desk):
        try:
            answer = _query(desk, order)
        except TransientError as error:
            log.warning("order %s: %s", order.intent.client_order_id, error)
            continue
        if answer is not None:
            return _record_answer(desk, order, answer)
        # An absence before the visibility delay is over proves nothing: the request may still be on its way.
        absences = absences + 1 if _would_be_visible(desk, order) else 0
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
    # SUBMITTING is on the disk now. A crash from here on leaves an order in doubt, which is looked up before any other.
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
        return _record_answer(desk, order, placement.order)
    return _record(desk, order, PLACEMENT_STATES[placement.outcome], placement.evidence)


def _record_answer(desk: Desk, order: LedgerOrder, answer: VenueOrder) -> LedgerOrder:
    return desk.ledger.record_state(order.intent.intent_id, answer.state, stamp=desk.stamp(), order=answer)


def give_up(desk: Desk, order: LedgerOrder, reason: str) -> LedgerOrder:
    """Never send this intent (again), unless another process has done so since; the order as it then is."""
    return _record(desk, order, OrderState.NOT_PLACED, reason)


def _record(desk: Desk, order: LedgerOrder, state: OrderState, reason: str) -> LedgerOrder:
    """Record what is concluded of the send that ``order`` shows, and of no later one; the order as it then is."""
    return desk.ledger.record_state(order.intent.intent_id, state, stamp=desk.stamp(), reason=reason, expected=order)


def _polls(desk: Desk) -> Iterator[int]:
    """Yield before each query, with growing pauses between them, for at most four visibility delays."""
    end = desk.wall_clock.now() + timedelta(seconds=4 * desk.timing.visibility_seconds)
    pause = desk.timing.first_poll_seconds
    count = 0
    while desk.wall_clock.now() < end:
        yield count
        count += 1
        desk.sleep(pause)
        pause = min(2 * pause, desk.timing.last_poll_seconds)


def _would_be_visible(desk: Desk, order: LedgerOrder) -> bool:
    """Whether the venue's queries would show the order by now, had the last send of it arrived."""
    if order.sent_at is None:
        return True
    return desk.wall_clock.now() >= order.sent_at + timedelta(seconds=desk.timing.visibility_seconds)


def _query(desk: Desk, order: LedgerOrder) -> VenueOrder | None:
    """Ask for the order by id; once the visibility delay has passed, also through the lists of the venue.

    TransientError when the venue does not answer, or lists several orders that this one could be.
    """
    intent = order.intent
    answer = desk.broker.fetch_order(intent.instrument, intent.client_order_id, order.venue_order_id)
    if answer is not None or not _would_be_visible(desk, order) or order.sent_at is None:
        return answer
    # A venue may lose the way by id and still list the order, so absence is proven by all three answers together.
    listed = [*desk.broker.fetch_open_orders([intent.instrument])]
    listed += desk.broker.fetch_orders(intent.instrument, order.sent_at - timedelta(seconds=1))
    named = next((row for row in listed if row.client_order_id == intent.client_order_id), None)
    return named or _renamed(desk, order, listed)


def _renamed(desk: Desk, order: LedgerOrder, listed: Iterable[VenueOrder]) -> VenueOrder | None:
    """The order under another name: who cancels it by hand takes its client order id away.

    It is recognised by its shape, among the cancelled orders of no other intent. TransientError when several would
    fit: then neither presence nor absence is proven, and a person decides.
    """
    # a venue may number the orders of each instrument for itself
    recorded = [entry for entry in desk.orders() if entry.intent.instrument == order.intent.instrument]
    taken = {entry.venue_order_id for entry in recorded if entry.venue_order_id}
    fitting = {row.venue_order_id: row for row in listed if row.venue_order_id not in taken and _fits(order, row)}
    if len(fitting) > 1:
        ids = ", ".join(sorted(fitting))
        raise TransientError(f"each of the cancelled orders {ids} could be {order.intent.client_order_id}")
    return next(iter(fitting.values()), None)


def _fits(order: LedgerOrder, row: VenueOrder) -> bool:
    intent = order.intent
    same = (row.side, row.quantity, row.limit_price) == (intent.side, order.quantity, intent.limit_price)
    return same and row.state is OrderState.CANCELLED


def _absent(desk: Desk, order: LedgerOrder, *, epoch: int, sends_left: int) -> LedgerOrder:
    if sends_left <= 0:
        return give_up(desk, order, "proven absent; not sent again")
    log.info("order %s is proven absent; it is sent again unless it has expired", order.intent.client_order_id)
    again = _send(desk, order.intent.intent_id, epoch=epoch, absent=order, sends_left=sends_left - 1)
    return again or desk.order(order.intent.intent_id)
