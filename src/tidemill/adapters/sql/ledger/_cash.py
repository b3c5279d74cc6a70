"""Cash events and running balances, inside one transaction of the SQL ledger; and the sequence of all its entries."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters.sql._quick_sql import Quick, Session
from tidemill.adapters.sql.ledger._rows import stamp_row
from tidemill.adapters.sql.ledger._tables import BALANCES, CASH_EVENTS, DECISIONS, FILLS, ORDER_EVENTS
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import CashEvent

NUMBERED = (DECISIONS, ORDER_EVENTS, FILLS, CASH_EVENTS)
"""Tables whose rows share one sequence; none of their rows is ever taken away."""
NEWEST = sa.union_all(*(sa.select(sa.func.max(one.c.sequence).label("number")) for one in NUMBERED)).subquery()
LAST_NUMBER = sa.select(sa.func.max(NEWEST.c.number).label("last"))
LAST = Quick(LAST_NUMBER)


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
    (newest,) = LAST.rows(session)
    return following(newest)


def following(row: Mapping[str, Any]) -> int:
    """The number of the next row, from one that was read with ``LAST_NUMBER`` in it."""
    return 1 + int(row["last"] or 0)


def last_number(connection: Connection, account: str) -> int:
    """The newest entry of the account, whatever its kind."""
    newest = [
        connection.execute(sa.select(sa.func.max(one.c.sequence)).where(one.c.account == account)).scalar()
        for one in NUMBERED
    ]
    return max((int(one) for one in newest if one is not None), default=0)
