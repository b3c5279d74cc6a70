"""The ledger on SQLite or PostgreSQL: every method that writes is one durable transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters._ledger_rows import (
    decision_row,
    fill_row,
    intent_row,
    stamp_row,
    to_decision,
    to_event,
    to_fill,
    to_order,
)
from tidemill.adapters._ledger_stops import LOCK, SqlStops, check_epoch, check_stops
from tidemill.adapters._ledger_tables import (
    ACCOUNTS,
    BALANCES,
    CASH_EVENTS,
    DECISIONS,
    FILLS,
    INTENTS,
    ORDER_EVENTS,
    SEQUENCES,
)
from tidemill.adapters._ledger_values import (
    REDUCED,
    OrderEvent,
    is_new,
    movements,
    peak_equity,
    reserved_amounts,
)
from tidemill.adapters._sql import open_engine, read, upgrade, write
from tidemill.domain.errors import TradingError
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO, Account, CashEvent, Portfolio
from tidemill.domain.trading import (
    RESTING,
    UNRESOLVED,
    Decision,
    Fill,
    LedgerOrder,
    OrderIntent,
    OrderState,
    Side,
    VenueOrder,
    check_move,
)


class SqlLedger(SqlStops):
    """Every port of the ledger on one database; opening it brings the tables up to date."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, durable=True)
        upgrade(self._engine, "ops")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    # -- decisions

    def record_decision(self, decision: Decision, intents: Sequence[OrderIntent], *, epoch: int) -> bool:
        """See the port."""
        stamp = Stamp(market=decision.market_time, wall=decision.wall_time)
        with write(self._engine, lock=LOCK) as connection:
            known = sa.select(DECISIONS.c.decision_id).where(DECISIONS.c.decision_id == decision.decision_id)
            if connection.execute(known).first():
                return False
            check_epoch(connection, decision.account, epoch, decision.wall_time)
            if intents and (doubtful := _orders(connection, account=decision.account, states=UNRESOLVED)):
                raise TradingError(f"order {doubtful[0].intent.intent_id} is not resolved; decide after it is")
            for order in _orders(connection, account=decision.account, states=(OrderState.PLANNED,)):
                _move(connection, order, OrderState.NOT_PLACED, stamp, "a later decision was recorded")
            connection.execute(DECISIONS.insert(), decision_row(decision, _next(connection)))
            for intent in intents:
                connection.execute(INTENTS.insert(), intent_row(intent))
                _write_event(connection, intent, OrderState.PLANNED, stamp, quantity=intent.quantity)
        return True

    def load_decision(self, decision_id: str) -> Decision | None:
        """See the port."""
        with read(self._engine) as connection:
            query = sa.select(DECISIONS).where(DECISIONS.c.decision_id == decision_id)
            row = connection.execute(query).mappings().first()
        return to_decision(row) if row else None

    def load_decisions(self, account: str, *, since: datetime | None = None) -> Sequence[Decision]:
        """See the port."""
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
        """See the port."""
        with read(self._engine) as connection:
            return _orders(
                connection,
                account=account,
                decision_id=decision_id,
                intent_id=intent_id,
                states=states,
                sent_since=sent_since,
            )

    def load_order_events(self, intent_id: str) -> Sequence[OrderEvent]:
        """The append-only story of one order."""
        query = sa.select(ORDER_EVENTS).where(ORDER_EVENTS.c.intent_id == intent_id).order_by(ORDER_EVENTS.c.sequence)
        with read(self._engine) as connection:
            return [to_event(row) for row in connection.execute(query).mappings()]

    def begin_submit(self, intent_id: str, *, epoch: int, window_ms: int, stamp: Stamp) -> LedgerOrder:
        """See the port."""
        with write(self._engine, lock=LOCK) as connection:
            order = _order(connection, intent_id)
            intent = order.intent
            check_epoch(connection, intent.account, epoch, stamp.wall)
            check_stops(connection, "*", intent.account, intent.instrument)
            if stamp.market >= intent.expires_at:
                raise TradingError(f"intent {intent_id} has expired")
            check_move(order.state, OrderState.SUBMITTING)
            _move(connection, order, OrderState.SUBMITTING, stamp, "", sent_at=stamp.wall, window_ms=window_ms)
            return _order(connection, intent_id)

    def record_state(
        self, intent_id: str, state: OrderState, *, stamp: Stamp, reason: str = "", order: VenueOrder | None = None
    ) -> None:
        """See the port."""
        with write(self._engine, lock=LOCK) as connection:
            known = _order(connection, intent_id)
            venue_id = order.venue_order_id if order else None
            if is_new(known, state, venue_id, order.filled if order else None):
                _move(connection, known, state, stamp, reason, venue_order_id=venue_id)

    def reduce_buys(self, decision_id: str, allowed: Mapping[str, Decimal], *, stamp: Stamp) -> Sequence[LedgerOrder]:
        """See the port."""
        with write(self._engine, lock=LOCK) as connection:
            buys = [one for one in _orders(connection, decision_id=decision_id) if one.intent.side is Side.BUY]
            if not any(one.reduced for one in buys):
                for order in buys:
                    if order.state is OrderState.PLANNED:
                        least = min(allowed.get(order.intent.intent_id, order.quantity), order.quantity)
                        _reduce(connection, order, least, stamp)
            return [one for one in _orders(connection, decision_id=decision_id) if one.intent.side is Side.BUY]

    # -- fills and cash

    def record_fills(self, account: str, fills: Sequence[Fill], *, stamp: Stamp) -> int:
        """See the port."""
        added = 0
        with write(self._engine, lock=LOCK) as connection:
            for fill in fills:
                same = (
                    (FILLS.c.account == account)
                    & (FILLS.c.instrument == fill.instrument)
                    & (FILLS.c.trade_id == fill.trade_id)
                )
                if connection.execute(sa.select(FILLS.c.sequence).where(same)).first():
                    continue
                ours = sa.select(INTENTS.c.intent_id).where(
                    INTENTS.c.account == account, INTENTS.c.venue_order_id == fill.venue_order_id
                )
                intent_id = connection.execute(ours).scalar()
                connection.execute(FILLS.insert(), fill_row(account, fill, intent_id, _next(connection), stamp))
                for asset, amount in movements(fill):
                    _add_balance(connection, account, asset, amount)
                added += 1
        return added

    def load_fills(self, account: str, *, intent_id: str | None = None) -> Sequence[Fill]:
        """See the port."""
        query = sa.select(FILLS).where(FILLS.c.account == account).order_by(FILLS.c.sequence)
        if intent_id is not None:
            query = query.where(FILLS.c.intent_id == intent_id)
        with read(self._engine) as connection:
            return [to_fill(row) for row in connection.execute(query).mappings()]

    def last_trade_id(self, account: str, instrument: str) -> str | None:
        """See the port."""
        query = (
            sa.select(FILLS.c.trade_id)
            .where(FILLS.c.account == account, FILLS.c.instrument == instrument)
            .order_by(FILLS.c.sequence.desc())
            .limit(1)
        )
        with read(self._engine) as connection:
            return connection.execute(query).scalar()

    def load_portfolio(self, account: str) -> Portfolio:
        """See the port."""
        with read(self._engine) as connection:
            currency = connection.execute(sa.select(ACCOUNTS.c.currency).where(ACCOUNTS.c.account == account)).scalar()
            rows = connection.execute(
                sa.select(BALANCES.c.asset, BALANCES.c.amount).where(BALANCES.c.account == account)
            ).all()
            marks = connection.execute(
                sa.select(DECISIONS.c.equity).where(DECISIONS.c.account == account, DECISIONS.c.equity.is_not(None))
            ).scalars()
            return Portfolio(
                account=account,
                currency=currency or "",
                assets={asset: amount for asset, amount in rows if amount},
                reserved=reserved_amounts(_orders(connection, account=account, states=RESTING | UNRESOLVED)),
                ledger_sequence=_last_sequence(connection, account),
                peak_equity=peak_equity({"equity": mark} for mark in marks),
            )

    def open_account(self, account: Account, balances: Mapping[str, Decimal], *, stamp: Stamp) -> bool:
        """See the port."""
        with write(self._engine, lock=LOCK) as connection:
            if connection.execute(sa.select(ACCOUNTS).where(ACCOUNTS.c.account == account.account)).first():
                return False
            row = {name: getattr(account, name) for name in ("account", "venue", "currency", "opened_at")}
            connection.execute(ACCOUNTS.insert(), row)
            for asset, amount in balances.items():
                event = CashEvent(
                    event_id=f"opening-{account.account}-{asset}",
                    account=account.account,
                    asset=asset,
                    amount=amount,
                    kind="opening",
                    because="the account was opened",
                )
                _add_cash(connection, event, stamp)
        return True

    def load_account(self, account: str) -> Account | None:
        """See the port."""
        with read(self._engine) as connection:
            row = connection.execute(sa.select(ACCOUNTS).where(ACCOUNTS.c.account == account)).mappings().first()
        return Account(**row) if row else None

    def record_cash_event(self, event: CashEvent, *, stamp: Stamp) -> bool:
        """See the port."""
        with write(self._engine, lock=LOCK) as connection:
            return _add_cash(connection, event, stamp)


def _orders(
    connection: Connection,
    *,
    account: str | None = None,
    decision_id: str | None = None,
    intent_id: str | None = None,
    states: Sequence[OrderState] | frozenset[OrderState] | None = None,
    sent_since: datetime | None = None,
) -> list[LedgerOrder]:
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
    filled: dict[str, Decimal] = {}
    ids = [row["intent_id"] for row in rows]
    if ids:
        sums = sa.select(FILLS.c.intent_id, FILLS.c.quantity).where(FILLS.c.intent_id.in_(ids))
        for name, quantity in connection.execute(sums):
            filled[name] = filled.get(name, ZERO) + quantity
    return [to_order(row, filled.get(row["intent_id"], ZERO)) for row in rows]


def _order(connection: Connection, intent_id: str) -> LedgerOrder:
    found = _orders(connection, intent_id=intent_id)
    if not found:
        raise TradingError(f"the ledger has no intent {intent_id}")
    return found[0]


def _move(
    connection: Connection, order: LedgerOrder, state: OrderState, stamp: Stamp, reason: str, **changes: Any
) -> None:
    """Append a move and bring the intent's row to it; TradingError when the table forbids it."""
    if state is not order.state:
        check_move(order.state, state)
    intent = order.intent
    told = {name: value for name, value in changes.items() if value is not None}
    _write_event(connection, intent, state, stamp, reason=reason, **told)
    row = {"state": str(state), "state_reason": reason or order.reason, **told}
    connection.execute(INTENTS.update().where(INTENTS.c.intent_id == intent.intent_id).values(**row))
    if venue_order_id := told.get("venue_order_id"):
        orphans = (
            (FILLS.c.account == intent.account)
            & (FILLS.c.venue_order_id == venue_order_id)
            & (FILLS.c.instrument == intent.instrument)
            & FILLS.c.intent_id.is_(None)
        )
        connection.execute(FILLS.update().where(orphans).values(intent_id=intent.intent_id))


def _reduce(connection: Connection, order: LedgerOrder, quantity: Decimal, stamp: Stamp) -> None:
    intent = order.intent
    _write_event(connection, intent, REDUCED, stamp, reason="cut to the cash that is free", quantity=quantity)
    row = {"send_quantity": quantity, "reduced": True}
    connection.execute(INTENTS.update().where(INTENTS.c.intent_id == intent.intent_id).values(**row))
    if quantity <= 0:
        _move(connection, order, OrderState.NOT_PLACED, stamp, "reduced to nothing: no cash is free")


def _write_event(
    connection: Connection, intent: OrderIntent, state: str, stamp: Stamp, *, reason: str = "", **told: Any
) -> None:
    row = {
        "sequence": _next(connection),
        "intent_id": intent.intent_id,
        "account": intent.account,
        "state": str(state),
        "reason": reason,
        **stamp_row(stamp),
        **told,
    }
    connection.execute(ORDER_EVENTS.insert(), row)


def _add_cash(connection: Connection, event: CashEvent, stamp: Stamp) -> bool:
    known = sa.select(CASH_EVENTS.c.event_id).where(CASH_EVENTS.c.event_id == event.event_id)
    if connection.execute(known).first():
        return False
    row = {name: getattr(event, name) for name in ("event_id", "account", "asset", "amount", "kind", "because")}
    connection.execute(CASH_EVENTS.insert(), {**row, "sequence": _next(connection), **stamp_row(stamp)})
    _add_balance(connection, event.account, event.asset, event.amount)
    return True


def _add_balance(connection: Connection, account: str, asset: str, amount: Decimal) -> None:
    """Keep the running sum; in Python, since SQL would add text as floats."""
    same = (BALANCES.c.account == account) & (BALANCES.c.asset == asset)
    before = connection.execute(sa.select(BALANCES.c.amount).where(same)).scalar()
    if before is None:
        connection.execute(BALANCES.insert(), {"account": account, "asset": asset, "amount": amount})
    else:
        connection.execute(BALANCES.update().where(same).values(amount=before + amount))


def _next(connection: Connection) -> int:
    last = int(connection.execute(sa.select(SEQUENCES.c.last)).scalar_one()) + 1
    connection.execute(SEQUENCES.update().values(last=last))
    return last


def _last_sequence(connection: Connection, account: str) -> int:
    """The newest entry of the account, whatever its kind."""
    tables = (DECISIONS, ORDER_EVENTS, FILLS, CASH_EVENTS)
    newest = [
        connection.execute(sa.select(sa.func.max(one.c.sequence)).where(one.c.account == account)).scalar()
        for one in tables
    ]
    return max((int(one) for one in newest if one is not None), default=0)
