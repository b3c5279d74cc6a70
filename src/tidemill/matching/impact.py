"""Slippage that grows with the share of a bar's volume that an order takes.

Only bars need it: on a book an order moves the price by walking the levels. The rate is a setting, since it differs
from market to market.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tidemill.domain.portfolio import ZERO
from tidemill.matching.steps import ceil_step, floor_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """The price of ``quantity`` out of a bar of ``volume``: raw * (1 +- (cost + rate * sqrt(quantity / volume))).

    The square-root law: a large order moves the price with the square root of its share of what is traded
    (B. Toth and others, "Anomalous price impact and the critical nature of liquidity in financial markets",
    Physical Review X 1, 021006, 2011). ``cost`` is spread and slippage that any order pays. Rounded to the price
    step against the order, and never below one step.
    """

    raw: Decimal
    cost: Decimal
    rate: Decimal
    volume: Decimal
    price_step: Decimal
    lot_step: Decimal
    is_buy: bool

    def price(self, quantity: Decimal) -> Decimal:
        """Price at which ``quantity`` fills.

        ``quantity`` from 0 to ``volume``, in base units; the result is a multiple of the price step.
        """
        moved = self.cost + self.rate * (quantity / self.volume).sqrt()
        if self.is_buy:
            return ceil_step(self.raw * (1 + moved), self.price_step)
        return max(floor_step(self.raw * (1 - moved), self.price_step), self.price_step)

    def largest_within(self, limit: Decimal, maximum: Decimal) -> Decimal:
        """The largest quantity up to ``maximum``, in whole lots, whose price is no worse than ``limit``.

        The formula is solved for the quantity; rounding to lots and steps may miss by little, which the loop mends.
        Zero when even one lot is too dear.
        """
        if self._is_within(maximum, limit):
            return maximum
        room = (limit / self.raw - 1 if self.is_buy else 1 - limit / self.raw) - self.cost
        quantity = floor_step(min(maximum, self.volume * (room / self.rate) ** 2), self.lot_step) if room > 0 else ZERO
        # a limit off the price step is met by a price rounded the other way
        while quantity > 0 and not self._is_within(quantity, limit):
            quantity -= self.lot_step
        return max(quantity, ZERO)

    def _is_within(self, quantity: Decimal, limit: Decimal) -> bool:
        price = self.price(quantity)
        return price <= limit if self.is_buy else price >= limit
