"""Balances with locked amounts; every movement keeps the sum of all balances and fees constant."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tidemill.domain.errors import DataError
from tidemill.domain.portfolio import ZERO, Balance


class Accounts:
    """Free and locked quantities per account and asset, and the fees collected so far."""

    def __init__(self) -> None:
        self._free: dict[str, dict[str, Decimal]] = {}
        self._locked: dict[str, dict[str, Decimal]] = {}
        self.fees: dict[str, Decimal] = {}

    def open(self, account: str, balances: Mapping[str, Decimal]) -> None:
        """Open an account; DataError when it exists."""
        if account in self._free:
            raise DataError(f"the venue has an account '{account}' already")
        self._free[account] = dict(balances)
        self._locked[account] = {}

    def balances(self, account: str) -> dict[str, Balance]:
        """All assets of an account that are not zero."""
        free, locked = self._free[account], self._locked[account]
        found = {
            asset: Balance(asset=asset, free=free.get(asset, ZERO), locked=locked.get(asset, ZERO))
            for asset in sorted({*free, *locked})
        }
        return {asset: balance for asset, balance in found.items() if balance.total}

    def free(self, account: str, asset: str) -> Decimal:
        """Free quantity of an asset."""
        return self._free[account].get(asset, ZERO)

    def lock(self, account: str, asset: str, amount: Decimal) -> None:
        """Move ``amount`` from free to locked (back when negative)."""
        _add(self._free[account], asset, -amount)
        _add(self._locked[account], asset, amount)

    def exchange(self, account: str, *, pay: tuple[str, Decimal], get: tuple[str, Decimal], released: Decimal) -> None:
        """Book one execution; ``released`` of what is paid was locked for it, the rest is free."""
        free = self._free[account]
        _add(free, pay[0], released - pay[1])
        _add(free, get[0], get[1])
        if released:
            _add(self._locked[account], pay[0], -released)

    def charge(self, account: str, asset: str, fee: Decimal) -> None:
        """Collect a fee out of the free balance."""
        _add(self._free[account], asset, -fee)
        _add(self.fees, asset, fee)


def _add(amounts: dict[str, Decimal], asset: str, amount: Decimal) -> None:
    amounts[asset] = amounts.get(asset, ZERO) + amount
