"""Accounts, what they hold, and their cash events, on SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import sqlalchemy as sa

from tidemill.adapters.sql.engine import read, write
from tidemill.adapters.sql.ledger._cash import add_cash, last_number
from tidemill.adapters.sql.ledger._orders import OrderFilter, find_orders
from tidemill.adapters.sql.ledger._rows import to_cash
from tidemill.adapters.sql.ledger._stops import LOCK, SqlStops
from tidemill.adapters.sql.ledger._tables import ACCOUNTS, BALANCES, CASH_EVENTS
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO, Account, CashEvent, Portfolio
from tidemill.domain.trading import RESTING, UNRESOLVED
from tidemill.ports.ledger_rules import opening_events, reserved_amounts

ACCOUNT_FIELDS = ("account", "venue", "currency", "opened_at")


class SqlAccounts(SqlStops):
    """The account port, on top of leases and freezes."""

    def load_portfolio(self, account: str) -> Portfolio:
        """Running sums, reserved amounts and the newest sequence in one consistent read."""
        with read(self._engine) as connection:
            row = sa.select(ACCOUNTS.c.currency, ACCOUNTS.c.peak_equity).where(ACCOUNTS.c.account == account)
            currency, peak = connection.execute(row).first() or ("", None)
            at_venue = OrderFilter(account=account, states=tuple(RESTING | UNRESOLVED))
            rows = connection.execute(
                sa.select(BALANCES.c.asset, BALANCES.c.amount).where(BALANCES.c.account == account)
            ).all()
            return Portfolio(
                account=account,
                currency=currency,
                assets={asset: amount for asset, amount in rows if amount},
                reserved=reserved_amounts(find_orders(connection, at_venue)),
                ledger_sequence=last_number(connection, account),
                peak_equity=peak or ZERO,
            )

    def open_account(self, account: Account, balances: Mapping[str, Decimal], *, stamp: Stamp) -> bool:
        """One write transaction: the account and its opening balances as cash events."""
        with write(self._engine, lock=LOCK) as connection:
            if connection.execute(sa.select(ACCOUNTS).where(ACCOUNTS.c.account == account.account)).first():
                return False
            row = {name: getattr(account, name) for name in ACCOUNT_FIELDS}
            connection.execute(ACCOUNTS.insert(), row)
            for event in opening_events(account.account, balances):
                add_cash(connection, event, stamp)
        return True

    def load_account(self, account: str) -> Account | None:
        """The account, or None."""
        with read(self._engine) as connection:
            query = sa.select(ACCOUNTS).where(ACCOUNTS.c.account == account)
            row = connection.execute(query).mappings().first()
        return Account(**{name: row[name] for name in ACCOUNT_FIELDS}) if row else None

    def load_cash_events(self, account: str) -> Sequence[CashEvent]:
        """Cash events of the account by the ledger's sequence."""
        query = sa.select(CASH_EVENTS).where(CASH_EVENTS.c.account == account).order_by(CASH_EVENTS.c.sequence)
        with read(self._engine) as connection:
            return [to_cash(row) for row in connection.execute(query).mappings()]

    def record_cash_event(self, event: CashEvent, *, stamp: Stamp) -> bool:
        """One write transaction: the event and the balance that it changes."""
        with write(self._engine, lock=LOCK) as connection:
            return add_cash(connection, event, stamp)
