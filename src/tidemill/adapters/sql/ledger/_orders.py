"""Orders, their events and what they move, inside one transaction of the SQL ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters.sql.ledger._cash import next_number
from tidemill.adapters.sql.ledger._rows import intent_row, stamp_row, to_order
from tidemill.adapters.sql.ledger._tables import DECISIONS, FILLS, INTENTS, ORDER_EVENTS
from tidemill.domain.errors import TradingError
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import LIVE, UNRESOLVED, LedgerOrder, OrderIntent, OrderState, check_move
from tidemill.ports.ledger_rules import REDUCED

SENDING = ("venue_order_id", "sent_at", "window_ms")
"""What a move may change beside the state."""
UNSENT = UNRESOLVED | {OrderState.PLANNED}
ORDER = sa.select(INTENTS).where(INTENTS.c.intent_id == sa.bindparam("intent"))
FILL_QUANTITIES = sa.select(FILLS.c.quantity).where(FILLS.c.intent_id == sa.bindparam("intent"))
# The mark of a live order has an index that holds the live ones only, so that they are found in a ledger of any length.
UNSENT_ORDERS = sa.select(INTENTS).where(
    INTENTS.c.account == sa.bindparam("owner"),
    INTENTS.c.live.is_not(None),
    INTENTS.c.state.in_([str(state) for state in sorted(UNSENT)]),
)
# The story of an order is a chain from its newest event back, so that no index of all events has to be kept.
ADD_EVENT = ORDER_EVENTS.insert().values(
    previous=sa.select(INTENTS.c.last_event).where(INTENTS.c.intent_id == sa.bindparam("intent")).scalar_subquery()
)
NEWEST_EVENT = (
    sa.select(ORDER_EVENTS)
    .join(INTENTS, INTENTS.c.last_event == ORDER_EVENTS.c.sequence)
    .where(INTENTS.c.intent_id == sa.bindparam("intent"))
    .cte("story", recursive=True)
)
STORY = NEWEST_EVENT.union_all(sa.select(ORDER_EVENTS).where(ORDER_EVENTS.c.sequence == NEWEST_EVENT.c.previous))
CHANGE_INTENT = INTENTS.update().where(INTENTS.c.intent_id == sa.bindparam("intent"))
LINK_FILLS = (
    FILLS.update()
    .where(
        FILLS.c.account == sa.bindparam("owner"),
        FILLS.c.venue_order_id == sa.bindparam("venue_order"),
        FILLS.c.instrument == sa.bindparam("traded"),
        FILLS.c.intent_id.is_(None),
    )
    .values(intent_id=sa.bindparam("intent"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders are asked for: those that match all that is set."""

    account: str | None = None
    decision_id: str | None = None
    intent_id: str | None = None
    states: Sequence[OrderState] | None = None
    sent_since: datetime | None = None


def find_orders(connection: Connection, query: OrderFilter) -> list[LedgerOrder]:
    """Orders that match all of the filter, by (as_of, attempt, leg)."""
    statement = (
        sa.select(INTENTS)
        .join(DECISIONS, DECISIONS.c.decision_id == INTENTS.c.decision_id)
        .order_by(DECISIONS.c.as_of, DECISIONS.c.attempt, INTENTS.c.leg)
    )
    for name in ("account", "decision_id", "intent_id"):
        if (value := getattr(query, name)) is not None:
            statement = statement.where(INTENTS.c[name] == value)
    if query.states is not None:
        statement = statement.where(INTENTS.c.state.in_([str(state) for state in query.states]))
        if LIVE.issuperset(query.states):
            # lets the index of live orders be used, which a ledger of years needs
            statement = statement.where(INTENTS.c.live.is_not(None))
    if query.sent_since is not None:
        statement = statement.where(INTENTS.c.sent_at >= query.sent_since)
    rows = connection.execute(statement).mappings().all()
    filled = sum_fills(connection, [row["intent_id"] for row in rows])
    return [to_order(row, filled.get(row["intent_id"], ZERO)) for row in rows]


def sum_fills(connection: Connection, intents: Sequence[str]) -> dict[str, Decimal]:
    """What is filled of each intent that has fills; in Python, since SQL would add text as floats."""
    filled: dict[str, Decimal] = {}
    if intents:
        fills = sa.select(FILLS.c.intent_id, FILLS.c.quantity).where(FILLS.c.intent_id.in_(intents))
        for name, quantity in connection.execute(fills):
            filled[name] = filled.get(name, ZERO) + quantity
    return filled


def unsent_orders(connection: Connection, account: str) -> list[LedgerOrder]:
    """Orders of the account that are in doubt or not sent yet; what is filled of them is not read."""
    return [to_order(row, ZERO) for row in connection.execute(UNSENT_ORDERS, {"owner": account}).mappings()]


def find_order(connection: Connection, intent_id: str) -> LedgerOrder | None:
    """The order of an intent, or None."""
    row = connection.execute(ORDER, {"intent": intent_id}).mappings().first()
    if row is None:
        return None
    if row["venue_order_id"] is None:
        return to_order(row, ZERO)  # fills are linked by the venue's id, so without one there are none
    return to_order(row, sum(connection.execute(FILL_QUANTITIES, {"intent": intent_id}).scalars(), ZERO))


def need_order(connection: Connection, intent_id: str) -> LedgerOrder:
    """The order of an intent; TradingError when there is none."""
    order = find_order(connection, intent_id)
    if order is None:
        raise TradingError(f"the ledger has no intent {intent_id}")
    return order


def add_intents(connection: Connection, intents: Sequence[OrderIntent], stamp: Stamp, *, first: int) -> None:
    """Write intents, each with its PLANNED event; the events are numbered from ``first``."""
    if not intents:
        return
    planned = list(enumerate(intents, first))
    connection.execute(INTENTS.insert(), [intent_row(intent, number) for number, intent in planned])
    events = [
        {**_event_row(intent, number, OrderState.PLANNED, stamp, quantity=intent.quantity), "previous": None}
        for number, intent in planned
    ]
    connection.execute(ORDER_EVENTS.insert(), events)


def move_order(
    connection: Connection, order: LedgerOrder, state: OrderState, stamp: Stamp, reason: str = "", **changes: Any
) -> LedgerOrder:
    """Append a move and bring the intent's row to it; the order as it then is.

    ``changes``: venue_order_id, sent_at, window_ms; None changes nothing. TradingError when the table of legal moves
    forbids it.
    """
    if state is not order.state:
        check_move(order.state, state)
    details = {name: value for name, value in changes.items() if value is not None}
    moved = replace(order, state=state, reason=reason or order.reason, **details)
    number = _add_event(connection, order.intent, state, stamp, reason=reason, **details)
    # The index of live orders is written only when the mark changes: naming the column at all would write it anew.
    mark = {"live": 1 if state in LIVE else None} if (order.state in LIVE) is not (state in LIVE) else {}
    _change_intent(connection, moved, number, **mark)
    return moved


def link_fills(connection: Connection, order: LedgerOrder) -> LedgerOrder:
    """Give an order the fills that came before its venue id was known; the order with them."""
    intent = order.intent
    place = {"owner": intent.account, "traded": intent.instrument, "intent": intent.intent_id}
    linked = connection.execute(LINK_FILLS, {**place, "venue_order": order.venue_order_id}).rowcount
    return need_order(connection, intent.intent_id) if linked else order


def reduce_order(connection: Connection, order: LedgerOrder, quantity: Decimal, stamp: Stamp) -> LedgerOrder:
    """Cut what may be sent; to nothing: NOT_PLACED."""
    reason = "cut to the cash that is free"
    number = _add_event(connection, order.intent, REDUCED, stamp, reason=reason, quantity=quantity)
    cut = replace(order, quantity=quantity, reduced=True)
    _change_intent(connection, cut, number)
    if quantity > 0:
        return cut
    return move_order(connection, cut, OrderState.NOT_PLACED, stamp, "reduced to nothing: no cash is free")


def _change_intent(connection: Connection, order: LedgerOrder, number: int, **mark: int | None) -> None:
    """Bring the intent's row to the order and its newest event; ``mark`` says that it is live now, or no more."""
    row = {
        "state": str(order.state),
        "state_reason": order.reason,
        "send_quantity": order.quantity,
        "reduced": order.reduced,
        "last_event": number,
        **{name: getattr(order, name) for name in SENDING},
        **mark,
    }
    connection.execute(CHANGE_INTENT, {"intent": order.intent.intent_id, **row})


def _add_event(connection: Connection, intent: OrderIntent, state: str, stamp: Stamp, **details: Any) -> int:
    """Append an event to an order's story; its number."""
    number = next_number(connection)
    row = _event_row(intent, number, state, stamp, **details)
    connection.execute(ADD_EVENT, {**row, "intent": intent.intent_id})
    return number


def _event_row(intent: OrderIntent, number: int, state: str, stamp: Stamp, **details: Any) -> dict[str, Any]:
    """An event for its table; ``details``: reason, quantity and what a move may change."""
    return {
        "sequence": number,
        "intent_id": intent.intent_id,
        "account": intent.account,
        "state": str(state),
        "reason": "",
        "quantity": None,
        **dict.fromkeys(SENDING),
        **details,
        **stamp_row(stamp),
    }
