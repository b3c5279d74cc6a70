"""An order book as it was fed, and what our orders have left of it.

A book comes as a snapshot and is not changed. What orders take of it is counted in a :class:`Depth` per side, until the
next snapshot replaces both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO
from tidemill.matching.steps import floor_step

Level = tuple[Decimal, Decimal]
"""Price and quantity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Levels of price and quantity on both sides, best first; a side may be empty.

    DataError when a number is not a positive Decimal, a side is out of order, or the sides cross.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    def __post_init__(self) -> None:
        for name, levels in (("bids", self.bids), ("asks", self.asks)):
            for level in levels:
                if not all(isinstance(value, Decimal) and value.is_finite() and value > 0 for value in level):
                    raise DataError(f"a level of the {name} is {level}; price and quantity are Decimals > 0")
        # Equal neighbours are refused as well: two levels of one price would be one level.
        if any(worse[0] >= better[0] for better, worse in pairwise(self.bids)):
            raise DataError("the bids of a book must fall from level to level; give them best first")
        if any(worse[0] <= better[0] for better, worse in pairwise(self.asks)):
            raise DataError("the asks of a book must rise from level to level; give them best first")
        if self.bids and self.asks and self.bids[0][0] >= self.asks[0][0]:
            raise DataError(f"the book is crossed: best bid {self.bids[0][0]}, best ask {self.asks[0][0]}")

    @classmethod
    def of(cls, bids: Sequence[Sequence[Decimal]], asks: Sequence[Sequence[Decimal]]) -> Book:
        """A book of any sequences of pairs.

        A level is a pair of price and quantity; DataError for one that is not, and for all that the class refuses.
        """
        return cls(bids=_levels("bids", bids), asks=_levels("asks", asks))

    def check_steps(self, instrument: Instrument) -> None:
        """DataError when a price is none of the instrument's: no order could have it.

        The exchange's price filter lets no order off the price step into its book, so such a level points to the book
        of another instrument, or to prices that were rounded on their way.
        """
        for price, _ in (*self.bids, *self.asks):
            if price % instrument.price_step:
                raise DataError(f"{price} in the book of {instrument.id} is not a multiple of {instrument.price_step}")


def _levels(name: str, side: Sequence[Sequence[Decimal]]) -> tuple[Level, ...]:
    try:
        return tuple((price, quantity) for price, quantity in side)
    except (TypeError, ValueError) as error:
        raise DataError(f"the {name} of a book are pairs of price and quantity") from error


class Depth:
    """One side of a fed book, less what our orders took of it since; whole lots only.

    ``levels`` come best first; a level below one lot is left out, since no order could take it. ``is_ask`` tells which
    prices are better: lower ones of asks, higher ones of bids.
    """

    def __init__(self, levels: Sequence[Level], lot_step: Decimal, *, is_ask: bool) -> None:
        whole = [[price, floor_step(quantity, lot_step)] for price, quantity in levels]
        # Worst first, so that a level that is used up is popped off the end.
        self._levels = [level for level in reversed(whole) if level[1] > 0]
        self._is_ask = is_ask

    @property
    def best(self) -> Decimal | None:
        """Best price left, None when nothing is."""
        return self._levels[-1][0] if self._levels else None

    @property
    def remaining(self) -> list[Level]:
        """Levels with what is left of them, best first."""
        return [(price, quantity) for price, quantity in reversed(self._levels)]

    def reach(self, limit: Decimal | None, maximum: Decimal, *, beyond: bool = False) -> list[Level]:
        """What an order would get within ``limit`` (None: any price), at most ``maximum``; best first.

        Pairs of price and quantity, quantities in whole lots; their sum may be less than ``maximum``, and the list is
        empty when nothing lies within the limit. Nothing is used up. ``beyond`` leaves out the limit itself: only
        levels strictly better.
        """
        levels: list[Level] = []
        for price, quantity in reversed(self._levels):
            if maximum <= 0 or (limit is not None and not self._is_within(price, limit, beyond)):
                break
            levels.append((price, min(quantity, maximum)))
            maximum -= quantity
        return levels

    def take(self, quantity: Decimal) -> None:
        """Use up ``quantity``, best level first.

        What there is not is ignored: a caller takes what :meth:`reach` has just offered.
        """
        while quantity > 0 and self._levels:
            level = self._levels[-1]
            taken = min(quantity, level[1])
            level[1] -= taken
            quantity -= taken
            if not level[1]:
                self._levels.pop()

    def bill(self, quantity: Decimal) -> list[Level]:
        """What a market order of ``quantity`` must be able to pay for: what is there.

        Less than ``quantity`` where the book is thin, for the rest expires unpaid.
        """
        return self.reach(None, quantity)

    def quantity_for(self, quote: Decimal, lot_step: Decimal) -> Decimal:
        """Quantity that ``quote`` buys (or that earns it), rounded down to the lot.

        What the levels do not offer is counted at the worst of them; it will not fill.
        """
        bought, price = ZERO, ZERO
        for price, offered in reversed(self._levels):
            affordable = floor_step(quote / price, lot_step)
            # The quote runs out on this level; offers are whole lots, so nothing is rounded before.
            if affordable <= offered:
                return bought + affordable
            bought += offered
            quote -= offered * price
        return bought + floor_step(quote / price, lot_step) if price else ZERO

    def _is_within(self, price: Decimal, limit: Decimal, beyond: bool) -> bool:
        if price == limit:
            return not beyond
        return price < limit if self._is_ask else price > limit
