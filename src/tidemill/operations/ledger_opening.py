"""An account's first entry in the ledger."""

from __future__ import annotations

from decimal import Decimal

from tidemill.bootstrap import Services
from tidemill.domain.portfolio import Account


def open_ledger(services: Services, currency: str, cash: Decimal) -> None:
    """Record the account's opening balance in the ledger."""
    stamp = services.clocks.stamp()
    account = Account(
        account=services.settings.account, venue=services.settings.venue.name, currency=currency, opened_at=stamp.market
    )
    services.stores.ledger.open_account(account, {currency: cash}, stamp=stamp)
