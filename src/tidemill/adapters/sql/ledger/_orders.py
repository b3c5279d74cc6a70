"""Orders, their events and what they move, inside one transaction of the SQL ledger.

The path of an order runs through here three times (decided, sent, answered), each time to a commit that is awaited.
So its statements are built once, and nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters.sql._quick_sql import Quick, Session, insert_all
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
FILL_QUANTITY = FILLS.c.quantity.label("fill_quantity")
WITH_FILLS = INTENTS.outerjoin(FILLS, FILLS.c.intent_id == INTENTS.c.intent_id)
WANTED = INTENTS.c.intent_id == sa.bindparam("wanted")
ONE_ORDER = Quick(sa.select(INTENTS, FILL_QUANTITY).select_from(WITH_FILLS).where(WANTED))
LEFT = UNRESOLVED | {OrderState.PLANNED}
OWN_LEFT = (
    INTENTS.c.account == sa.bindparam("owner"),
    INTENTS.c.live.is_not(None),
    INTENTS.c.state.in_([sa.bindparam(f"state_{state}", str(state)) for state in sorted(LEFT)]),
)
LEFT_ORDERS = Quick(sa.select(INTENTS).where(*OWN_LEFT))
ADD_INTENT = insert_all(INTENTS)
ADD_EVENT = insert_all(
    ORDER_EVENTS,
    previous=sa.select(INTENTS.c.last_event).where(INTENTS.c.intent_id == sa.bindparam("intent_id")).scalar_subquery(),
)
ADD_FIRST_EVENT = insert_all(ORDER_EVENTS, previous=sa.null())
THIS = INTENTS.c.intent_id == sa.bindparam("changed")
CHANGED = ("state", "state_reason", "send_quantity", "reduced", "last_event", *SENDING)
CHANGES: dict[str, Any] = {name: sa.bindparam(name) for name in CHANGED}
CHANGE_INTENT = Quick(INTENTS.update().where(THIS).values(CHANGES))
CHANGE_AND_MARK = Quick(INTENTS.update().where(THIS).values({**CHANGES, "live": sa.bindparam("live")}))
"""Naming the mark at all would write its index anew, so only what changes it does."""
NEWEST_EVENT = (
    sa.select(ORDER_EVENTS)
    .join(INTENTS, INTENTS.c.last_event == ORDER_EVENTS.c.sequence)
    .where(WANTED)
    .cte("story", recursive=True)
)
STORY = NEWEST_EVENT.union_all(sa.select(ORDER_EVENTS).where(ORDER_EVENTS.c.sequence == NEWEST_EVENT.c.previous))
TIE_FILLS = Quick(
    FILLS.update()
    .where(
        FILLS.c.account == sa.bindparam("owner"),
        FILLS.c.venue_order_id == sa.bindparam("told"),
        FILLS.c.instrument == sa.bindparam("traded"),
        FILLS.c.intent_id.is_(None),
    )
    .values(intent_id=sa.bindparam("tied"))
)


def find_orders(
    connection: Connection,
    *,
    account: str | None = None,
    decision_id: str | None = None,
    intent_id: str | None = None,
    states: Sequence[OrderState] | None = None,
    sent_since: datetime | None = None,
) -> list[LedgerOrder]:
    """Orders that match all that is given, by (as_of, attempt, leg)."""
    query = (
        sa.select(INTENTS)
        .join(DECISIONS, DECISIONS.c.decision_id == INTENTS.c.decision_id)
        .order_by(DECISIONS.c.as_of, DECISIONS.c.attempt, INTENTS.c.leg)
    )
    wanted = {"account": account, "decision_id": decision_id, "intent_id": intent_id}
    for name, value in wanted.items():
        if value is not None:
            query = query.where(INTENTS.c[name] == value)
    if states is not None:
        query = query.where(INTENTS.c.state.in_([str(state) for state in states]))
        if LIVE.issuperset(states):
            query = query.where(INTENTS.c.live.is_not(None))
    if sent_since is not None:
        query = query.where(INTENTS.c.sent_at >= sent_since)
    rows = connection.execute(query).mappings().all()
    filled = sum_fills(connection, [row["intent_id"] for row in rows])
    return [to_order(row, filled.get(row["intent_id"], ZERO)) for row in rows]


def sum_fills(connection: Connection, intents: Sequence[str]) -> dict[str, Decimal]:
    """What is filled of each; in Python, since SQL would add text as floats."""
    filled: dict[str, Decimal] = {}
    if intents:
        sums = sa.select(FILLS.c.intent_id, FILLS.c.quantity).where(FILLS.c.intent_id.in_(intents))
        for name, quantity in connection.execute(sums):
            filled[name] = filled.get(name, ZERO) + quantity
    return filled


def left_orders(session: Session, account: str) -> list[LedgerOrder]:
    """Orders of the account that are in doubt or not sent yet; what is filled of them is not read."""
    return [to_order(row, ZERO) for row in LEFT_ORDERS.rows(session, owner=account)]


def one_order(session: Session, intent_id: str) -> list[LedgerOrder]:
    """The order of an intent, or nothing."""
    rows = ONE_ORDER.rows(session, wanted=intent_id)
    return [filled_order(rows, intent_id)] if rows else []


def filled_order(rows: Sequence[Mapping[str, Any]], intent_id: str) -> LedgerOrder:
    """The order of an intent, from one row for each of its fills; TradingError when there is none."""
    if not rows:
        raise TradingError(f"the ledger has no intent {intent_id}")
    filled = sum((row["fill_quantity"] for row in rows if row["fill_quantity"] is not None), ZERO)
    return to_order(rows[0], filled)


def plan(session: Session, intents: Sequence[OrderIntent], stamp: Stamp, *, first: int) -> None:
    """Write intents, each with its PLANNED event; their numbers count from ``first``."""
    for number, intent in enumerate(intents, first):
        ADD_INTENT.run(session, **intent_row(intent, number))
        _write_event(session, number, intent, OrderState.PLANNED, stamp, quantity=intent.quantity, first=True)


def move(
    session: Session,
    order: LedgerOrder,
    state: OrderState,
    stamp: Stamp,
    reason: str = "",
    *,
    number: int = 0,
    **changes: Any,
) -> LedgerOrder:
    """Append a move and bring the intent's row to it; the order as it then is.

    ``number`` is the next one, when it is known. ``changes``: venue_order_id, sent_at, window_ms. TradingError when
    the table of legal moves forbids it.
    """
    if state is not order.state:
        check_move(order.state, state)
    told = {name: value for name, value in changes.items() if value is not None}
    number = number or next_number(session)
    _write_event(session, number, order.intent, state, stamp, reason=reason, **told)
    moved = replace(order, state=state, reason=reason or order.reason, **told)
    _change(session, moved, number, marks=(order.state in LIVE) is not (state in LIVE))
    return moved


def tie(session: Session, order: LedgerOrder) -> LedgerOrder:
    """Give an order the fills that came before it was known; the order with them."""
    intent = order.intent
    told = {"told": order.venue_order_id, "traded": intent.instrument, "tied": intent.intent_id}
    TIE_FILLS.run(session, owner=intent.account, **told)
    return filled_order(ONE_ORDER.rows(session, wanted=intent.intent_id), intent.intent_id)


def reduce(session: Session, order: LedgerOrder, quantity: Decimal, stamp: Stamp) -> LedgerOrder:
    """Cut what may be sent; to nothing: NOT_PLACED."""
    number, reason = next_number(session), "cut to the cash that is free"
    _write_event(session, number, order.intent, REDUCED, stamp, reason=reason, quantity=quantity)
    cut = replace(order, quantity=quantity, reduced=True)
    _change(session, cut, number)
    if quantity > 0:
        return cut
    return move(session, cut, OrderState.NOT_PLACED, stamp, "reduced to nothing: no cash is free")


def _change(session: Session, order: LedgerOrder, number: int, *, marks: bool = False) -> None:
    """Bring the intent's row to the order and its newest event; ``marks``: it is live now, or no more."""
    values: dict[str, Any] = {name: getattr(order, name) for name in SENDING}
    if marks:
        values["live"] = 1 if order.state in LIVE else None
    change = CHANGE_AND_MARK if marks else CHANGE_INTENT
    change.run(
        session,
        changed=order.intent.intent_id,
        last_event=number,
        state=str(order.state),
        state_reason=order.reason,
        send_quantity=order.quantity,
        reduced=order.reduced,
        **values,
    )


def _write_event(
    session: Session,
    number: int,
    intent: OrderIntent,
    state: str,
    stamp: Stamp,
    *,
    reason: str = "",
    quantity: Decimal | None = None,
    venue_order_id: str | None = None,
    sent_at: datetime | None = None,
    window_ms: int | None = None,
    first: bool = False,
) -> None:
    add = ADD_FIRST_EVENT if first else ADD_EVENT
    add.run(
        session,
        sequence=number,
        intent_id=intent.intent_id,
        account=intent.account,
        state=str(state),
        reason=reason,
        quantity=quantity,
        venue_order_id=venue_order_id,
        sent_at=sent_at,
        window_ms=window_ms,
        **stamp_row(stamp),
    )
