"""Accounts, their cash and their holdings in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO, Account, CashEvent
from tidemill.memory._stops import MemoryStops
from tidemill.ports.ledger_rules import opening_events


class MemoryAccounts(MemoryStops):
    """The accounts' part of the ledger, and the sequence that all its parts count on."""

    def __init__(self) -> None:
        super().__init__()
        self._sequence = 0
        self._last: dict[str, int] = {}
        self._accounts: dict[str, Account] = {}
        self._assets: dict[str, dict[str, Decimal]] = {}
        self._cash: dict[str, CashEvent] = {}

    def open_account(self, account: Account, balances: Mapping[str, Decimal], *, stamp: Stamp) -> bool:
        """Record the account and its opening balances, once."""
        with self._lock:
            if account.account in self._accounts:
                return False
            self._accounts[account.account] = account
            for event in opening_events(account.account, balances):
                self.record_cash_event(event, stamp=stamp)
            return True

    def load_account(self, account: str) -> Account | None:
        """The account, or None."""
        return self._accounts.get(account)

    def load_cash_events(self, account: str) -> Sequence[CashEvent]:
        """Cash events of the account in the order in which they were recorded."""
        return [event for event in self._cash.values() if event.account == account]

    def record_cash_event(self, event: CashEvent, *, stamp: Stamp) -> bool:
        """Append by event id and book the amount."""
        del stamp
        with self._lock:
            if event.event_id in self._cash:
                return False
            self._cash[event.event_id] = event
            self._book(event.account, event.asset, event.amount)
            self._next(event.account)
            return True

    def _book(self, account: str, asset: str, amount: Decimal) -> None:
        assets = self._assets.setdefault(account, {})
        assets[asset] = assets.get(asset, ZERO) + amount

    def _next(self, account: str) -> int:
        self._sequence += 1
        self._last[account] = self._sequence
        return self._sequence
