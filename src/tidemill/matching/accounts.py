"""Balances with locked amounts; every movement keeps the sum of all balances, fees and funding constant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tidemill.domain.errors import DataError
from tidemill.domain.portfolio import ZERO, Balance


class Accounts:
    """Free and locked quantities per account and asset, and the fees and funding collected so far.

    ``assets`` are all that can ever move.
    """

    def __init__(self, assets: Iterable[str]) -> None:
        self._nothing = dict.fromkeys(assets, ZERO)
        self._free: dict[str, dict[str, Decimal]] = {}
        self._locked: dict[str, dict[str, Decimal]] = {}
        self.fees: dict[str, Decimal] = {}
        self.funding: dict[str, Decimal] = {}

    def open(self, account: str, balances: Mapping[str, Decimal]) -> None:
        """Open an account; DataError when it exists."""
        if account in self._free:
            raise DataError(f"the venue has an account '{account}' already")
        self._free[account] = self._nothing | dict(balances)
        self._locked[account] = dict(self._nothing)

    def balances(self, account: str) -> dict[str, Balance]:
        """All assets of an account that are not zero."""
        free, locked = self._free[account], self._locked[account]
        balances = {
            asset: Balance(asset=asset, free=free.get(asset, ZERO), locked=locked.get(asset, ZERO))
            for asset in sorted({*free, *locked})
        }
        return {asset: balance for asset, balance in balances.items() if balance.total}

    def free(self, account: str, asset: str) -> Decimal:
        """Free quantity of an asset."""
        return self._free[account].get(asset, ZERO)

    def lock(self, account: str, asset: str, amount: Decimal) -> None:
        """Move ``amount`` from free to locked (back when negative)."""
        self._free[account][asset] -= amount
        self._locked[account][asset] += amount

    def exchange(
        self, account: str, paid_asset: str, paid: Decimal, got_asset: str, got: Decimal, *, released: Decimal
    ) -> None:
        """Book one execution; ``released`` of what is paid was locked for it, the rest is free."""
        free = self._free[account]
        free[paid_asset] += released - paid
        free[got_asset] += got
        if released:
            self._locked[account][paid_asset] -= released

    def charge(self, account: str, asset: str, fee: Decimal) -> None:
        """Collect a fee out of the free balance."""
        self._free[account][asset] -= fee
        self.fees[asset] = self.fees.get(asset, ZERO) + fee

    def pay_funding(self, account: str, asset: str, amount: Decimal) -> None:
        """Take a funding payment out of the free balance (add it when negative); what is not there is owed."""
        self._free[account][asset] -= amount
        self.funding[asset] = self.funding.get(asset, ZERO) + amount
