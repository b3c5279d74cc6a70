"""Cash, positions, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One asset at the venue, in its own unit; ``locked`` backs open orders and is not in ``free``."""

    asset: str
    free: Decimal
    locked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Free + locked."""
        return self.free + self.locked


@dataclass(frozen=True, slots=True, kw_only=True)
class CashEvent:
    """A change of balance that is no fill: opening, deposit, withdrawal, adjustment or funding.

    ``amount`` is signed, in the asset's own unit. ``event_id`` makes it recorded once, whoever records it again.
    """

    event_id: str
    account: str
    asset: str
    amount: Decimal
    kind: Literal["opening", "deposit", "withdrawal", "adjustment", "funding"]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A set of keys and balances at one venue; ``currency`` is what its equity is counted in.

    It holds no key: those come from the environment of the run.
    """

    account: str
    venue: str
    currency: str
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """What an account holds by the ledger, in asset units.

    ``assets`` maps asset -> total quantity (cash and positions alike); ``reserved`` is quote cash or
    base quantity tied up in open orders. ``ledger_sequence`` is the last ledger entry it includes.
    ``peak_equity`` is the highest equity marked so far, for the drawdown.
    """

    account: str
    currency: str
    assets: Mapping[str, Decimal]
    reserved: Mapping[str, Decimal] = field(default_factory=dict)
    ledger_sequence: int = 0
    peak_equity: Decimal = ZERO

    def quantity(self, asset: str) -> Decimal:
        """Total of ``asset`` held, 0 when none.

        Cash and positions alike, reserved or not, in the asset's own unit.
        """
        return self.assets.get(asset, ZERO)

    def free(self, asset: str) -> Decimal:
        """What of ``asset`` is not tied up in open orders.

        It is below zero when more is reserved than held, which only a disagreement with the venue brings about.
        """
        return self.quantity(asset) - self.reserved.get(asset, ZERO)

    def equity(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Value in account currency; ``prices`` maps asset -> price in that currency.

        An asset without a price counts zero: callers pass the last known price of all they hold.
        """
        value = self.quantity(self.currency)
        for asset, quantity in self.assets.items():
            if asset != self.currency:
                value += quantity * prices.get(asset, ZERO)
        return value


def drawdown(equity: Decimal, peak: Decimal) -> Decimal:
    """1 - equity/peak, never below 0; 0 while there is no peak.

    Both in account currency; the answer is a fraction in [0, 1] while equity is not negative.
    """
    return max(ZERO, 1 - equity / peak) if peak > 0 else ZERO
