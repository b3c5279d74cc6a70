"""Cash events and running balances, inside one transaction of the SQL ledger; and the sequence of all its entries."""

from __future__ import annotations

from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters.sql.ledger._rows import stamp_row
from tidemill.adapters.sql.ledger._tables import BALANCES, CASH_EVENTS, DECISIONS, FILLS, ORDER_EVENTS
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import CashEvent

NUMBERED = (DECISIONS, ORDER_EVENTS, FILLS, CASH_EVENTS)
"""Tables whose rows share one sequence; none of their rows is ever taken away."""
NEWEST = sa.union_all(*(sa.select(sa.func.max(table.c.sequence).label("number")) for table in NUMBERED)).subquery()
LAST_NUMBER = sa.select(sa.func.max(NEWEST.c.number))


def add_cash(connection: Connection, event: CashEvent, stamp: Stamp) -> bool:
    """Append a cash event by its id; False when it was there already."""
    same = sa.select(CASH_EVENTS.c.event_id).where(CASH_EVENTS.c.event_id == event.event_id)
    if connection.execute(same).first():
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


def next_number(connection: Connection) -> int:
    """The number of the next row; it is taken by writing that row, in this write transaction, before asking again."""
    return 1 + int(connection.execute(LAST_NUMBER).scalar() or 0)


def last_number(connection: Connection, account: str) -> int:
    """The newest entry of the account, whatever its kind; 0 without any."""
    newest = (
        connection.execute(sa.select(sa.func.max(table.c.sequence)).where(table.c.account == account)).scalar()
        for table in NUMBERED
    )
    return max((int(number) for number in newest if number is not None), default=0)
