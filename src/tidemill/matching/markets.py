"""One instrument's market: its bars' room, and its book while one is fed."""

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
        """What an order would get within ``limit``, at most ``most``, best first."""
        ...

    def take(self, quantity: Decimal) -> None:
        """Use up ``quantity``."""
        ...

    def bill(self, quantity: Decimal) -> list[Level]:
        """What a market order of ``quantity`` must be able to pay for."""
        ...

    def quantity_for(self, quote: Decimal, lot_step: Decimal) -> Decimal:
        """Quantity that ``quote`` buys or that earns it, rounded down to the lot."""
        ...


class Market:
    """Where the orders on one instrument fill: on its book while one is fed, else on the tape's bars."""

    def __init__(self, name: str, instrument: Instrument, rules: FillRules, tape: BarTape) -> None:
        self.name, self.instrument = name, instrument
        self._rules, self._tape = rules, tape
        self.rooms = pricing.Rooms(rules.participation, instrument.lot_step)
        self.book: Book | None = None
        self._asks, self._bids = _no_depth(), _no_depth()

    def feed(self, book: Book | None) -> None:
        """Fill on ``book`` from now on (None: on bars again); what was taken of the last one is forgotten."""
        if book is not None:
            book.check_steps(self.instrument)
            lot = self.instrument.lot_step
            self._asks, self._bids = Depth(book.asks, lot, is_ask=True), Depth(book.bids, lot, is_ask=False)
        self.book = book

    def depth(self, *, is_buy: bool) -> Depth:
        """The side of the fed book that a buy (asks) or a sell (bids) takes from."""
        return self._asks if is_buy else self._bids

    def arrive(self, moment: datetime, *, is_buy: bool) -> tuple[Offer, datetime] | Refusal:
        """What an order arriving at ``moment`` meets, and the moment after which bars must open to fill it."""
        if self.book is not None:
            return self.depth(is_buy=is_buy), moment
        arrival = moment + self._rules.latency
        bar = self._tape.bar_at(self.name, arrival)
        if bar is None:
            return filters.SHUTTING_DOWN if self._tape.is_down(arrival) else filters.MARKET_CLOSED
        price = pricing.taking_price(bar, arrival, self._rules, self.instrument.price_step, is_buy=is_buy)
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
        """Whether the book as it was fed has reached a stop with its best price on the other side; False on bars."""
        if self.book is None:
            return False
        levels = self.book.asks if is_buy else self.book.bids
        return bool(levels) and (levels[0][0] >= stop if is_buy else levels[0][0] <= stop)


def _no_depth() -> Depth:
    return Depth((), Decimal(1), is_ask=True)
