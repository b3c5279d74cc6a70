"""The ledger on SQLite or PostgreSQL: every method that writes is one durable transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters.sql.engine import LONGEST_WAIT_MS, open_engine, read, upgrade, write
from tidemill.adapters.sql.ledger import _order_path as path
from tidemill.adapters.sql.ledger._accounts import SqlAccounts
from tidemill.adapters.sql.ledger._cash import add_balance, next_number
from tidemill.adapters.sql.ledger._orders import STORY, OrderFilter, add_intents, find_order, find_orders, reduce_order
from tidemill.adapters.sql.ledger._rows import fill_row, to_decision, to_event, to_fill
from tidemill.adapters.sql.ledger._stops import LOCK, check_epoch
from tidemill.adapters.sql.ledger._tables import DECISIONS, FILLS, INTENTS
from tidemill.domain.errors import TradingError
from tidemill.domain.market import Stamp
from tidemill.domain.trading import (
    Decision,
    Fill,
    LedgerOrder,
    OrderIntent,
    OrderState,
    Side,
    VenueOrder,
)
from tidemill.ports.ledger_rules import OrderEvent, movements


class SqlLedger(SqlAccounts):
    """Every port of the ledger on one database; opening it brings the tables up to date."""

    def __init__(self, url: str, *, wait_ms: int = LONGEST_WAIT_MS) -> None:
        self._engine = open_engine(url, durable=True, wait_ms=wait_ms)
        upgrade(self._engine, "ops")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    # -- decisions

    def record_decision(self, decision: Decision, intents: Sequence[OrderIntent], *, epoch: int) -> bool:
        """One write transaction: lease, orders in doubt, the end of earlier plans, decision, intents, peak equity."""
        with write(self._engine, lock=LOCK) as connection:
            return path.record_decision(connection, decision, intents, epoch)

    def add_intent(self, intent: OrderIntent, *, epoch: int, stamp: Stamp) -> bool:
        """One write transaction: the lease, the decision that it belongs to, the intent with its PLANNED event."""
        with write(self._engine, lock=LOCK) as connection:
            if connection.execute(sa.select(INTENTS).where(INTENTS.c.intent_id == intent.intent_id)).first():
                return False
            check_epoch(connection, intent.account, epoch, stamp.wall)
            own = (DECISIONS.c.decision_id == intent.decision_id) & (DECISIONS.c.account == intent.account)
            if not connection.execute(sa.select(DECISIONS.c.decision_id).where(own)).first():
                raise TradingError(f"account {intent.account} has no decision {intent.decision_id}")
            add_intents(connection, [intent], stamp, first=next_number(connection))
        return True

    def load_decision(self, decision_id: str) -> Decision | None:
        """The decision with its record read from JSON, or None."""
        with read(self._engine) as connection:
            query = sa.select(DECISIONS).where(DECISIONS.c.decision_id == decision_id)
            row = connection.execute(query).mappings().first()
        return to_decision(row) if row else None

    def load_watermarks(self) -> Sequence[int]:
        """Each store watermark once, ascending."""
        query = sa.select(DECISIONS.c.store_watermark).distinct().order_by(DECISIONS.c.store_watermark)
        with read(self._engine) as connection:
            return [int(watermark) for watermark in connection.execute(query).scalars()]

    def load_decisions(self, account: str, *, since: datetime | None = None) -> Sequence[Decision]:
        """Decisions of the account by as_of, then attempt."""
        query = sa.select(DECISIONS).where(DECISIONS.c.account == account)
        if since is not None:
            query = query.where(DECISIONS.c.as_of >= since)
        with read(self._engine) as connection:
            rows = connection.execute(query.order_by(DECISIONS.c.as_of, DECISIONS.c.attempt)).mappings().all()
        return [to_decision(row) for row in rows]

    # -- orders

    def load_orders(
        self,
        *,
        account: str | None = None,
        decision_id: str | None = None,
        intent_id: str | None = None,
        states: Sequence[OrderState] | None = None,
        sent_since: datetime | None = None,
    ) -> Sequence[LedgerOrder]:
        """Orders by (as_of, attempt, leg) in one consistent read; by the intent's id alone in the shortest way."""
        query = OrderFilter(
            account=account, decision_id=decision_id, intent_id=intent_id, states=states, sent_since=sent_since
        )
        with read(self._engine) as connection:
            if query == OrderFilter(intent_id=intent_id) and intent_id is not None:
                order = find_order(connection, intent_id)
                return [] if order is None else [order]
            return find_orders(connection, query)

    def load_order_events(self, intent_id: str) -> Sequence[OrderEvent]:
        """The append-only story of one order."""
        query = sa.select(STORY).order_by(STORY.c.sequence)
        with read(self._engine) as connection:
            return [to_event(row) for row in connection.execute(query, {"intent": intent_id}).mappings()]

    def begin_submit(
        self, intent_id: str, *, epoch: int, window_ms: int, stamp: Stamp, absent: LedgerOrder | None = None
    ) -> LedgerOrder | None:
        """One write transaction: lease, stops and expiry are checked where SUBMITTING is written."""
        send = path.Send(epoch=epoch, window_ms=window_ms, stamp=stamp, absent=absent)
        with write(self._engine, lock=LOCK) as connection:
            return path.begin_submit(connection, intent_id, send)

    def record_state(
        self,
        intent_id: str,
        state: OrderState,
        *,
        stamp: Stamp,
        reason: str = "",
        order: VenueOrder | None = None,
        expected: LedgerOrder | None = None,
    ) -> LedgerOrder:
        """One write transaction: the move, unless the order was sent again since; and fills that waited for it."""
        outcome = path.Outcome(state=state, stamp=stamp, reason=reason, venue_order=order, expected=expected)
        with write(self._engine, lock=LOCK) as connection:
            return path.record_outcome(connection, intent_id, outcome)

    def reduce_buys(
        self, decision_id: str, allowed: Mapping[str, Decimal], *, epoch: int, stamp: Stamp
    ) -> Sequence[LedgerOrder]:
        """One write transaction: every planned buy of the decision is cut, or none."""
        with write(self._engine, lock=LOCK) as connection:
            orders = find_orders(connection, OrderFilter(decision_id=decision_id))
            buys = [order for order in orders if order.intent.side is Side.BUY]
            if not buys or any(order.reduced for order in buys):
                return buys
            check_epoch(connection, buys[0].intent.account, epoch, stamp.wall)
            return [_reduce(connection, order, allowed, stamp) for order in buys]

    # -- fills and cash

    def record_fills(self, account: str, fills: Sequence[Fill], *, stamp: Stamp) -> int:
        """One write transaction: all new fills with what they move, or none."""
        with write(self._engine, lock=LOCK) as connection:
            return sum(_add_fill(connection, account, fill, stamp) for fill in fills)

    def load_fills(self, account: str, *, intent_id: str | None = None) -> Sequence[Fill]:
        """Fills by the ledger's sequence."""
        query = sa.select(FILLS).where(FILLS.c.account == account).order_by(FILLS.c.sequence)
        if intent_id is not None:
            query = query.where(FILLS.c.intent_id == intent_id)
        with read(self._engine) as connection:
            return [to_fill(row) for row in connection.execute(query).mappings()]

    def last_trade_id(self, account: str, instrument: str) -> str | None:
        """The trade id with the highest sequence, since venues' ids need not sort as text."""
        query = (
            sa.select(FILLS.c.trade_id)
            .where(FILLS.c.account == account, FILLS.c.instrument == instrument)
            .order_by(FILLS.c.sequence.desc())
            .limit(1)
        )
        with read(self._engine) as connection:
            return connection.execute(query).scalar()


def _add_fill(connection: Connection, account: str, fill: Fill, stamp: Stamp) -> bool:
    """Append a fill and book what it moves; False when it was there already."""
    same = (FILLS.c.account == account) & (FILLS.c.instrument == fill.instrument) & (FILLS.c.trade_id == fill.trade_id)
    if connection.execute(sa.select(FILLS.c.sequence).where(same)).first():
        return False
    # A venue may number the orders of each instrument for itself, so that its id alone names no order.
    of_order = sa.select(INTENTS.c.intent_id).where(
        INTENTS.c.account == account,
        INTENTS.c.instrument == fill.instrument,
        INTENTS.c.venue_order_id == fill.venue_order_id,
    )
    intent_id = connection.execute(of_order).scalar()
    connection.execute(FILLS.insert(), fill_row(account, fill, intent_id, next_number(connection), stamp))
    for asset, amount in movements(fill):
        add_balance(connection, account, asset, amount)
    return True


def _reduce(connection: Connection, order: LedgerOrder, allowed: Mapping[str, Decimal], stamp: Stamp) -> LedgerOrder:
    """Cut a buy that is not sent yet to what it is allowed."""
    if order.state is not OrderState.PLANNED:
        return order
    quantity = min(allowed.get(order.intent.intent_id, order.quantity), order.quantity)
    return reduce_order(connection, order, quantity, stamp)
