"""The path of an order through the SQL ledger: decided, sent, answered, each a transaction whose commit is awaited.

Each function here runs inside one write transaction: what it reads cannot change until what it writes is on the disk.
The rules are those of the table of legal moves and of the port.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters.sql.ledger._cash import next_number
from tidemill.adapters.sql.ledger._orders import add_intents, link_fills, move_order, need_order, unsent_orders
from tidemill.adapters.sql.ledger._rows import decision_row
from tidemill.adapters.sql.ledger._stops import check_epoch, check_stops
from tidemill.adapters.sql.ledger._tables import ACCOUNTS, DECISIONS
from tidemill.domain.errors import TradingError
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import UNRESOLVED, Decision, LedgerOrder, OrderIntent, OrderState, VenueOrder
from tidemill.ports.ledger_rules import check_unexpired, is_new, marked_equity, may_begin

DECISION = sa.select(DECISIONS.c.decision_id).where(DECISIONS.c.decision_id == sa.bindparam("decision"))
PEAK = sa.select(ACCOUNTS.c.peak_equity).where(ACCOUNTS.c.account == sa.bindparam("owner"))
RAISE_PEAK = ACCOUNTS.update().where(ACCOUNTS.c.account == sa.bindparam("owner"))


def record_decision(connection: Connection, decision: Decision, intents: Sequence[OrderIntent], epoch: int) -> bool:
    """Write a decision with its intents; see ``record_decision`` of the port."""
    if connection.execute(DECISION, {"decision": decision.decision_id}).first():
        return False
    stamp = Stamp(market=decision.market_time, wall=decision.wall_time)
    check_epoch(connection, decision.account, epoch, stamp.wall)
    _end_planned(connection, decision, stamp, decides=bool(intents))
    number = next_number(connection)
    connection.execute(DECISIONS.insert(), decision_row(decision, number))
    add_intents(connection, intents, stamp, first=number + 1)
    _raise_peak(connection, decision)
    return True


def _end_planned(connection: Connection, decision: Decision, stamp: Stamp, *, decides: bool) -> None:
    """What earlier decisions left unsent is never sent; what is in doubt forbids another decision."""
    orders = unsent_orders(connection, decision.account)
    if decides and (doubtful := [order for order in orders if order.state in UNRESOLVED]):
        raise TradingError(f"order {doubtful[0].intent.intent_id} is not resolved; decide after it is")
    for order in orders:
        if order.state is OrderState.PLANNED:
            move_order(connection, order, OrderState.NOT_PLACED, stamp, "a later decision was recorded")


def _raise_peak(connection: Connection, decision: Decision) -> None:
    """Keep the account's highest equity, from which its drawdown is measured."""
    equity = marked_equity(decision.record)
    owner = {"owner": decision.account}
    if equity and equity > (connection.execute(PEAK, owner).scalar() or ZERO):
        connection.execute(RAISE_PEAK, {**owner, "peak_equity": equity})


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A send that is about to begin; ``absent`` is the order whose last send was proven absent, if there was one."""

    epoch: int
    window_ms: int
    stamp: Stamp
    absent: LedgerOrder | None = None


def begin_submit(connection: Connection, intent_id: str, send: Send) -> LedgerOrder | None:
    """Write SUBMITTING; see ``begin_submit`` of the port.

    Lease, stops and expiry are looked at here and nowhere earlier: between an earlier look and the write another
    process could take the lease or a person could halt.
    """
    order = need_order(connection, intent_id)
    if not may_begin(order, send.absent):
        return None
    stamp = send.stamp
    check_epoch(connection, order.intent.account, send.epoch, stamp.wall)
    check_stops(connection, order.intent.account, order.intent.instrument)
    check_unexpired(order.intent, stamp.market)
    return move_order(connection, order, OrderState.SUBMITTING, stamp, sent_at=stamp.wall, window_ms=send.window_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a send: the state, why, the venue's order if it answered, and the order as the caller read it."""

    state: OrderState
    stamp: Stamp
    reason: str = ""
    venue_order: VenueOrder | None = None
    expected: LedgerOrder | None = None


def record_outcome(connection: Connection, intent_id: str, outcome: Outcome) -> LedgerOrder:
    """Write what the venue answered, or what is concluded; see ``record_state`` of the port."""
    order, answer = need_order(connection, intent_id), outcome.venue_order
    venue_id = answer.venue_order_id if answer else None
    if not is_new(order, outcome.state, venue_id, answer.filled if answer else None):
        return order
    if outcome.expected is not None and outcome.expected.sent_at != order.sent_at:
        return order  # it was sent again since: what an older send came to says nothing of the newer one
    moved = move_order(connection, order, outcome.state, outcome.stamp, outcome.reason, venue_order_id=venue_id)
    return link_fills(connection, moved) if moved.venue_order_id else moved
