"""The path of an order through the SQL ledger: decided, sent, answered, each a transaction whose commit is awaited.

What a step must know stands in one row, read by one statement; then it writes. The rules are those of the table of
legal moves and of the port.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tidemill.adapters.sql._quick_sql import Quick, Session, insert_all
from tidemill.adapters.sql.ledger._cash import LAST_NUMBER, following, next_number
from tidemill.adapters.sql.ledger._orders import (
    FILL_QUANTITY,
    OWN_LEFT,
    WANTED,
    WITH_FILLS,
    filled_order,
    left_orders,
    move,
    plan,
    tie,
)
from tidemill.adapters.sql.ledger._rows import decision_row
from tidemill.adapters.sql.ledger._stops import check_held, check_stops
from tidemill.adapters.sql.ledger._tables import ACCOUNTS, DECISIONS, FILLS, FREEZES, INTENTS, LEASES
from tidemill.domain.errors import TradingError
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import UNRESOLVED, Decision, LedgerOrder, OrderIntent, OrderState, VenueOrder
from tidemill.ports.ledger_rules import check_unexpired, is_new, marked_equity, may_begin

ADD_DECISION = insert_all(DECISIONS)
LAST = LAST_NUMBER.scalar_subquery().label("last")
OWN_LEASE = LEASES.c.name == sa.bindparam("owner")
OWN_ACCOUNT = ACCOUNTS.c.account == sa.bindparam("owner")
TO_DECIDE = Quick(
    sa.select(
        sa.exists().where(DECISIONS.c.decision_id == sa.bindparam("wanted")).label("known"),
        sa.exists().where(*OWN_LEFT).label("left"),
        sa.select(LEASES.c.epoch).where(OWN_LEASE).scalar_subquery().label("epoch"),
        sa.select(LEASES.c.expires).where(OWN_LEASE).scalar_subquery().label("expires"),
        sa.select(ACCOUNTS.c.peak_equity).where(OWN_ACCOUNT).scalar_subquery().label("peak"),
        LAST,
    )
)
RAISE_PEAK = Quick(ACCOUNTS.update().where(OWN_ACCOUNT).values(peak_equity=sa.bindparam("peak_equity")))
STOPS = sa.exists().where(FREEZES.c.resumed.is_(None))
"""Whether anything at all is stopped; if so, it is looked at."""
TO_SEND = Quick(
    sa.select(
        INTENTS,
        FILL_QUANTITY,
        LEASES.c.epoch,
        LEASES.c.expires,
        STOPS.label("stops"),
        LAST,
    )
    .select_from(WITH_FILLS.outerjoin(LEASES, LEASES.c.name == INTENTS.c.account))
    .where(WANTED)
)
OTHER = FILLS.alias()
UNTIED = sa.exists().where(
    OTHER.c.account == INTENTS.c.account,
    OTHER.c.instrument == INTENTS.c.instrument,
    OTHER.c.venue_order_id == sa.bindparam("told"),
    OTHER.c.intent_id.is_(None),
)
TO_RECORD = Quick(sa.select(INTENTS, FILL_QUANTITY, UNTIED.label("untied"), LAST).select_from(WITH_FILLS).where(WANTED))


def decide(session: Session, decision: Decision, intents: Sequence[OrderIntent], epoch: int) -> bool:
    """Write a decision with its intents; see ``record_decision`` of the port."""
    (found,) = TO_DECIDE.rows(session, wanted=decision.decision_id, owner=decision.account)
    if found["known"]:
        return False
    stamp, number = Stamp(market=decision.market_time, wall=decision.wall_time), following(found)
    check_held(found, decision.account, epoch, stamp.wall)
    if found["left"]:
        _end_planned(session, decision, stamp, decides=bool(intents))
        number = next_number(session)
    ADD_DECISION.run(session, **decision_row(decision, number))
    plan(session, intents, stamp, first=number + 1)
    if (marked := marked_equity(decision.record)) > (found["peak"] or ZERO):
        RAISE_PEAK.run(session, owner=decision.account, peak_equity=marked)
    return True


def _end_planned(session: Session, decision: Decision, stamp: Stamp, *, decides: bool) -> None:
    left = left_orders(session, decision.account)
    if decides and (doubtful := [one for one in left if one.state in UNRESOLVED]):
        raise TradingError(f"order {doubtful[0].intent.intent_id} is not resolved; decide after it is")
    for order in left:
        if order.state is OrderState.PLANNED:
            move(session, order, OrderState.NOT_PLACED, stamp, "a later decision was recorded")


def begin(
    session: Session, intent_id: str, *, epoch: int, window_ms: int, stamp: Stamp, absent: LedgerOrder | None
) -> LedgerOrder | None:
    """Write SUBMITTING; see ``begin_submit`` of the port."""
    rows = TO_SEND.rows(session, wanted=intent_id)
    order = filled_order(rows, intent_id)
    if not may_begin(order, absent):
        return None
    check_held(rows[0], order.intent.account, epoch, stamp.wall)
    if rows[0]["stops"]:
        check_stops(session, order.intent.account, order.intent.instrument)
    check_unexpired(order.intent, stamp.market)
    number = following(rows[0])
    return move(session, order, OrderState.SUBMITTING, stamp, number=number, sent_at=stamp.wall, window_ms=window_ms)


def hear(
    session: Session,
    intent_id: str,
    state: OrderState,
    *,
    stamp: Stamp,
    reason: str,
    told: VenueOrder | None,
    seen: LedgerOrder | None,
) -> LedgerOrder:
    """Write what the venue told, or what is concluded; see ``record_state`` of the port."""
    venue_id = told.venue_order_id if told else None
    rows = TO_RECORD.rows(session, wanted=intent_id, told=venue_id)
    known = filled_order(rows, intent_id)
    news = is_new(known, state, venue_id, told.filled if told else None)
    if not news or (seen is not None and seen.sent_at != known.sent_at):
        return known
    moved = move(session, known, state, stamp, reason, number=following(rows[0]), venue_order_id=venue_id)
    return tie(session, moved) if rows[0]["untied"] else moved
