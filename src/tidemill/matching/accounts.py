"""Balances with locked amounts; every movement keeps the sum of all balances and fees constant."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal

from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO, Balance
from tidemill.domain.trading import Side
from tidemill.matching.values import FillRules, Ticket

# Fees are told with eight decimals, rounded up: what the exchange takes is never less than its rate.
FEE_STEP = Decimal("1e-8")


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

    def known(self, account: str) -> bool:
        """Whether the account was opened."""
        return account in self._free

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

    def exchange(
        self, account: str, *, pay: tuple[str, Decimal], get: tuple[str, Decimal], fee: tuple[str, Decimal]
    ) -> None:
        """Book one execution out of and into the free balances."""
        free = self._free[account]
        _add(free, pay[0], -pay[1])
        _add(free, get[0], get[1])
        _add(free, fee[0], -fee[1])
        _add(self.fees, fee[0], fee[1])


def _add(amounts: dict[str, Decimal], asset: str, amount: Decimal) -> None:
    amounts[asset] = amounts.get(asset, ZERO) + amount


def needed_lock(
    ticket: Ticket, instrument: Instrument, rest: Decimal, price: Decimal, rules: FillRules
) -> tuple[str, Decimal]:
    """Asset and amount that back ``rest`` of an order at ``price``; a fee taken in quote is locked as well."""
    if ticket.side is Side.SELL:
        return instrument.base, rest
    amount = rest * price
    if rules.fee_asset == "quote":
        amount += fee_amount(amount, max(rules.fee_maker, rules.fee_taker))
    return instrument.quote, amount


def fee_amount(traded: Decimal, rate: Decimal) -> Decimal:
    """Fee on ``traded``, eight decimals, rounded up."""
    return (traded * rate).quantize(FEE_STEP, rounding=ROUND_UP)


def fee_of(
    side: Side, instrument: Instrument, quantity: Decimal, price: Decimal, rate: Decimal, rules: FillRules
) -> tuple[str, Decimal]:
    """Fee asset and amount of an execution: taken from what is received, or always in quote."""
    if side is Side.BUY and rules.fee_asset == "received":
        return instrument.base, fee_amount(quantity, rate)
    return instrument.quote, fee_amount(quantity * price, rate)
