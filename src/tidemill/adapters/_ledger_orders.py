"""Orders, their events and what they move, inside one transaction of the SQL ledger.

The path of an order runs through here three times (decided, sent, answered), each time to a commit that is awaited.
So its statements are built once, and nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters._ledger_rows import intent_row, stamp_row, to_order
from tidemill.adapters._ledger_tables import (
    BALANCES,
    CASH_EVENTS,
    DECISIONS,
    FILLS,
    INTENTS,
    ORDER_EVENTS,
)
from tidemill.adapters._ledger_values import REDUCED
from tidemill.adapters._quick_sql import Quick, Session, insert_all
from tidemill.domain.errors import TradingError
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO, CashEvent
from tidemill.domain.trading import UNRESOLVED, LedgerOrder, OrderIntent, OrderState, check_move

SENDING = ("venue_order_id", "sent_at", "window_ms")
"""What a move may change beside the state."""
ONE_ORDER = Quick(
    sa.select(INTENTS, FILLS.c.quantity.label("fill_quantity"))
    .select_from(INTENTS.outerjoin(FILLS, FILLS.c.intent_id == INTENTS.c.intent_id))
    .where(INTENTS.c.intent_id == sa.bindparam("wanted"))
)
LEFT = UNRESOLVED | {OrderState.PLANNED}
LEFT_ORDERS = Quick(
    sa.select(INTENTS).where(
        INTENTS.c.account == sa.bindparam("owner"),
        INTENTS.c.state.in_([sa.bindparam(f"state_{state}", str(state)) for state in sorted(LEFT)]),
    )
)
ADD_INTENT = insert_all(INTENTS)
ADD_EVENT = insert_all(ORDER_EVENTS)
CHANGE_INTENT = Quick(
    INTENTS.update()
    .where(INTENTS.c.intent_id == sa.bindparam("changed"))
    .values({name: sa.bindparam(name) for name in ("state", "state_reason", "send_quantity", "reduced", *SENDING)})
)
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
NUMBERED = (DECISIONS, ORDER_EVENTS, FILLS, CASH_EVENTS)
"""Tables whose rows share one sequence; none of their rows is ever taken away."""
NEWEST = sa.union_all(*(sa.select(sa.func.max(one.c.sequence).label("number")) for one in NUMBERED)).subquery()
LAST = Quick(sa.select(sa.func.max(NEWEST.c.number).label("last")))


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
    filled = sum((row["fill_quantity"] for row in rows if row["fill_quantity"] is not None), ZERO)
    return [to_order(row, filled) for row in rows[:1]]


def known_order(session: Session, intent_id: str) -> LedgerOrder:
    """The order of an intent; TradingError when there is none."""
    found = one_order(session, intent_id)
    if not found:
        raise TradingError(f"the ledger has no intent {intent_id}")
    return found[0]


def plan(session: Session, intents: Sequence[OrderIntent], stamp: Stamp, *, first: int) -> None:
    """Write intents, each with its PLANNED event; their numbers count from ``first``."""
    for number, intent in enumerate(intents, first):
        ADD_INTENT.run(session, **intent_row(intent))
        _write_event(session, number, intent, OrderState.PLANNED, stamp, quantity=intent.quantity)


def move(
    session: Session, order: LedgerOrder, state: OrderState, stamp: Stamp, reason: str = "", **changes: Any
) -> LedgerOrder:
    """Append a move and bring the intent's row to it; the order as it then is.

    ``changes``: venue_order_id, sent_at, window_ms. TradingError when the table of legal moves forbids it.
    """
    if state is not order.state:
        check_move(order.state, state)
    told = {name: value for name, value in changes.items() if value is not None}
    _write_event(session, next_number(session), order.intent, state, stamp, reason=reason, **told)
    moved = replace(order, state=state, reason=reason or order.reason, **told)
    _change(session, moved)
    if moved.venue_order_id != order.venue_order_id:
        return _tie(session, moved)
    return moved


def reduce(session: Session, order: LedgerOrder, quantity: Decimal, stamp: Stamp) -> LedgerOrder:
    """Cut what may be sent; to nothing: NOT_PLACED."""
    number, reason = next_number(session), "cut to the cash that is free"
    _write_event(session, number, order.intent, REDUCED, stamp, reason=reason, quantity=quantity)
    cut = replace(order, quantity=quantity, reduced=True)
    _change(session, cut)
    if quantity > 0:
        return cut
    return move(session, cut, OrderState.NOT_PLACED, stamp, "reduced to nothing: no cash is free")


def _change(session: Session, order: LedgerOrder) -> None:
    """Bring the intent's row to the order."""
    CHANGE_INTENT.run(
        session,
        changed=order.intent.intent_id,
        state=str(order.state),
        state_reason=order.reason,
        send_quantity=order.quantity,
        reduced=order.reduced,
        **{name: getattr(order, name) for name in SENDING},
    )


def _tie(session: Session, order: LedgerOrder) -> LedgerOrder:
    """Give an order the fills that came before it was known."""
    intent = order.intent
    told = {"told": order.venue_order_id, "traded": intent.instrument, "tied": intent.intent_id}
    tied = TIE_FILLS.run(session, owner=intent.account, **told)
    return known_order(session, intent.intent_id) if tied else order


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
) -> None:
    ADD_EVENT.run(
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


def add_cash(connection: Connection, event: CashEvent, stamp: Stamp) -> bool:
    """Append a cash event by its id; False when it was there already."""
    known = sa.select(CASH_EVENTS.c.event_id).where(CASH_EVENTS.c.event_id == event.event_id)
    if connection.execute(known).first():
        return False
    row = {name: getattr(event, name) for name in ("event_id", "account", "asset", "amount", "kind", "because")}
    connection.execute(CASH_EVENTS.insert(), {**row, "sequence": next_number(connection), **stamp_row(stamp)})
    add_balance(connection, event.account, event.asset, event.amount)
    return True


def add_balance(connection: Connection, account: str, asset: str, amount: Decimal) -> None:
    """Keep the running sum; in Python, since SQL would add text as floats."""
    same = (BALANCES.c.account == account) & (BALANCES.c.asset == asset)
    before = connection.execute(sa.select(BALANCES.c.amount).where(same)).scalar()
    if before is None:
        connection.execute(BALANCES.insert(), {"account": account, "asset": asset, "amount": amount})
    else:
        connection.execute(BALANCES.update().where(same).values(amount=before + amount))


def next_number(session: Session) -> int:
    """The number of the next row; it is taken by writing that row, in this write transaction, before asking again."""
    row = LAST.first(session)
    return 1 + (row["last"] or 0) if row else 1


def last_number(connection: Connection, account: str) -> int:
    """The newest entry of the account, whatever its kind."""
    newest = [
        connection.execute(sa.select(sa.func.max(one.c.sequence)).where(one.c.account == account)).scalar()
        for one in NUMBERED
    ]
    return max((int(one) for one in newest if one is not None), default=0)
