"""Balances with locked amounts; every movement keeps the sum of all balances, fees and funding constant.

Nothing here asks whether an account can afford a movement: :mod:`tidemill.matching.admission` has asked before. Funding
alone is taken unasked, and may leave a free quantity below zero.
"""

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
        """Open an account; DataError when it exists.

        ``balances`` are the free quantities by asset; an asset that is left out begins at zero, and nothing is locked.
        """
        if account in self._free:
            raise DataError(f"the venue has an account '{account}' already")
        self._free[account] = self._nothing | dict(balances)
        self._locked[account] = dict(self._nothing)

    def balances(self, account: str) -> dict[str, Balance]:
        """All assets of an account that are not zero.

        Sorted by asset, with what is locked beside what is free. KeyError for an account that was never opened. An
        asset that funding left below zero is in it too.
        """
        free, locked = self._free[account], self._locked[account]
        balances = {
            asset: Balance(asset=asset, free=free.get(asset, ZERO), locked=locked.get(asset, ZERO))
            for asset in sorted({*free, *locked})
        }
        return {asset: balance for asset, balance in balances.items() if balance.total}

    def free(self, account: str, asset: str) -> Decimal:
        """Free quantity of an asset.

        Zero for an asset that the account never had; below zero when funding took more than there was.
        """
        return self._free[account].get(asset, ZERO)

    def lock(self, account: str, asset: str, amount: Decimal) -> None:
        """Move ``amount`` from free to locked (back when negative).

        The sum of both stays as it is. What is free is not checked here.
        """
        self._free[account][asset] -= amount
        self._locked[account][asset] += amount

    def exchange(
        self, account: str, paid_asset: str, paid: Decimal, got_asset: str, got: Decimal, *, released: Decimal
    ) -> None:
        """Book one execution; ``released`` of what is paid was locked for it, the rest is free.

        ``paid`` leaves in ``paid_asset`` and ``got`` comes in ``got_asset``, both before fees. ``released`` may exceed
        ``paid``: a buy that fills below its limit gets the difference back as free.
        """
        free = self._free[account]
        # One addition for both: what was locked comes back as free, and what is paid leaves it.
        free[paid_asset] += released - paid
        free[got_asset] += got
        if released:
            self._locked[account][paid_asset] -= released

    def charge(self, account: str, asset: str, fee: Decimal) -> None:
        """Collect a fee out of the free balance.

        It is added to ``fees`` in the same step, so that balances and fees together stay constant.
        """
        self._free[account][asset] -= fee
        self.fees[asset] = self.fees.get(asset, ZERO) + fee

    def pay_funding(self, account: str, asset: str, amount: Decimal) -> None:
        """Take a funding payment out of the free balance (add it when negative); what is not there is owed.

        ``amount`` is in units of ``asset``. Funding is not optional on an exchange, so the free quantity may end below
        zero; the sum is added to ``funding``.
        """
        self._free[account][asset] -= amount
        self.funding[asset] = self.funding.get(asset, ZERO) + amount
