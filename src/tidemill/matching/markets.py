"""One instrument's market: its bars' room, and its book while one is fed.

The rest of matching asks an :class:`Offer` and need not know whether a bar or a book answers. Which of the two it is
may change between two orders, never within one.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Protocol

from tidemill.domain.market import Bar, Instrument
from tidemill.matching import fill_prices as pricing
from tidemill.matching import filters
from tidemill.matching.book import Book, Depth, Level
from tidemill.matching.impact import Impact
from tidemill.matching.values import FillRules, Refusal
from tidemill.ports import BarTape


class Offer(Protocol):
    """What an arriving order meets: a bar's price and room, or one side of a book."""

    @property
    def best(self) -> Decimal | None:
        """Price that the first lot would get, None when there is nothing to take."""
        ...

    def reach(self, limit: Decimal | None, maximum: Decimal) -> list[Level]:
        """What an order would get within ``limit``, at most ``maximum``, best first.

        Pairs of price and quantity, in whole lots; an empty list when there is nothing within the limit (None: any
        price). Nothing is used up by asking.
        """
        ...

    def take(self, quantity: Decimal) -> None:
        """Use up ``quantity``.

        At most what :meth:`reach` has offered last. Other orders find that much less.
        """
        ...

    def bill(self, quantity: Decimal) -> list[Level]:
        """What a market order of ``quantity`` must be able to pay for.

        Pairs of price and quantity for the check of funds. A bar counts all of ``quantity``, a book what it has.
        """
        ...

    def quantity_for(self, quote: Decimal, lot_step: Decimal) -> Decimal:
        """Quantity that ``quote`` buys or that earns it, rounded down to the lot.

        A multiple of ``lot_step``, zero when ``quote`` does not pay for one lot or there is no price.
        """
        ...


class Market:
    """Where the orders on one instrument fill: on its book while one is fed, else on the tape's bars.

    ``rooms`` is what is left of the bars for all orders together; ``book`` is the last one that was fed, None on bars.
    One object an instrument, for the life of the exchange.
    """

    def __init__(self, name: str, instrument: Instrument, rules: FillRules, tape: BarTape) -> None:
        self.name, self.instrument = name, instrument
        self._rules, self._tape = rules, tape
        self.rooms = pricing.Rooms(rules.participation, instrument.lot_step)
        self.book: Book | None = None
        self._asks, self._bids = _no_depth(), _no_depth()

    def feed(self, book: Book | None) -> None:
        """Fill on ``book`` from now on (None: on bars again); what was taken of the last one is forgotten.

        DataError when a price of the book is off the instrument's price step; the last book stays then.
        """
        if book is not None:
            book.check_steps(self.instrument)
            lot = self.instrument.lot_step
            self._asks, self._bids = Depth(book.asks, lot, is_ask=True), Depth(book.bids, lot, is_ask=False)
        self.book = book

    def depth(self, *, is_buy: bool) -> Depth:
        """The side of the fed book that a buy (asks) or a sell (bids) takes from.

        Empty before the first book. After a book was dropped it still has the old levels: look at ``book`` first.
        """
        return self._asks if is_buy else self._bids

    def arrive(self, moment: datetime, *, is_buy: bool) -> tuple[Offer, datetime] | Refusal:
        """What an order arriving at ``moment`` meets, and the moment after which bars must open to fill it.

        ``moment`` is market time; on bars ``latency`` is added to it, on a book it is not. Refused with -1013 when the
        instrument has no bar then, and with -1000 when no instrument has one.
        """
        if self.book is not None:
            return self.depth(is_buy=is_buy), moment
        arrival = moment + self._rules.latency
        bar = self._tape.bar_at(self.name, arrival)
        if bar is None:
            return filters.SHUTTING_DOWN if self._tape.is_down(arrival) else filters.MARKET_CLOSED
        price = pricing.taking_price(bar, arrival, self._rules, self.instrument.price_step, is_buy=is_buy)
        # Without volume there is no share of it; the bar has no room for anybody then.
        if self._rules.impact and bar.volume:
            impact = self._impact(bar, arrival, is_buy=is_buy)
            return pricing.ImpactOffer(bar, price, self.rooms, impact), bar.open_time
        return pricing.BarOffer(bar, price, self.rooms, is_buy=is_buy), bar.open_time

    def _impact(self, bar: Bar, arrival: datetime, *, is_buy: bool) -> Impact:
        return Impact(
            raw=pricing.met_price(bar, arrival, self._rules, is_buy=is_buy),
            cost=self._rules.taking_cost,
            rate=self._rules.impact,
            volume=bar.volume,
            price_step=self.instrument.price_step,
            lot_step=self.instrument.lot_step,
            is_buy=is_buy,
        )

    def reaches(self, stop: Decimal, *, is_buy: bool) -> bool:
        """Whether the book as it was fed has reached a stop with its best price on the other side; False on bars.

        Judged on the book before orders took from it: a stop follows the market, not our own orders.
        """
        if self.book is None:
            return False
        levels = self.book.asks if is_buy else self.book.bids
        return bool(levels) and (levels[0][0] >= stop if is_buy else levels[0][0] <= stop)


def _no_depth() -> Depth:
    return Depth((), Decimal(1), is_ask=True)
