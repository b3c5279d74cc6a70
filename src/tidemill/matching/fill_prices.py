"""At what price and for how much an order fills on a bar.

A bar hides the way of the price between its open, high, low and close. Wherever that way decides, these rules take the
case that is worse for the order, so that a backtest errs on the side of caution.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from tidemill.domain.market import Bar
from tidemill.matching.book import Level
from tidemill.matching.impact import Impact
from tidemill.matching.steps import ceil_step, floor_step
from tidemill.matching.values import FillRules

KEPT_ROOMS = 64


def met_price(bar: Bar, moment: datetime, rules: FillRules, *, is_buy: bool) -> Decimal:
    """Price that a marketable order arriving at ``moment`` meets in ``bar``, before costs.

    The open up to the decision delay and the latency after it, later the high (buy) or low (sell) so far.
    """
    if moment <= bar.open_time + rules.decision_delay + rules.latency:
        return bar.open
    return bar.high if is_buy else bar.low


def taking_price(bar: Bar, moment: datetime, rules: FillRules, step: Decimal, *, is_buy: bool) -> Decimal:
    """The met price moved by slippage and half the spread and rounded to the step, both against the order.

    A buy is rounded up, a sell down, and a sell never gets less than one price step, however large the costs.
    """
    raw = met_price(bar, moment, rules, is_buy=is_buy)
    if is_buy:
        return ceil_step(raw * (1 + rules.taking_cost), step)
    # Prices are positive, whatever the costs take off.
    return max(floor_step(raw * (1 - rules.taking_cost), step), step)


def is_within(price: Decimal, limit: Decimal | None, *, is_buy: bool) -> bool:
    """Whether ``price`` is no worse than the limit.

    At the limit counts as within. None is no limit: everything is within.
    """
    if limit is None:
        return True
    return price <= limit if is_buy else price >= limit


def trades_through(bar: Bar, limit: Decimal, step: Decimal, *, is_buy: bool) -> bool:
    """Whether the bar goes beyond a resting limit by at least one step.

    A touch is not enough: at the limit itself others were in front of the order, and nobody recorded how many.
    """
    return bar.low <= limit - step if is_buy else bar.high >= limit + step


def triggers(bar: Bar, stop: Decimal, step: Decimal, *, is_buy: bool) -> bool:
    """Whether the bar goes beyond a stop by at least one step: up for a buy, down for a sell.

    A touch is not enough here either, so that stop and limit are judged by one rule.
    """
    return bar.high >= stop + step if is_buy else bar.low <= stop - step


class Rooms:
    """What all our orders together may still take of the bars of one instrument, in whole lots.

    The running bar and one that closed before it may fill in turn, so the last few bars are kept.
    """

    def __init__(self, participation: Decimal, lot_step: Decimal) -> None:
        self._participation, self._lot_step = participation, lot_step
        self._left: dict[datetime, Decimal] = {}

    def remaining(self, bar: Bar) -> Decimal:
        """What is left of the bar.

        In base units, whole lots, >= 0. Counted from the bar's volume when it is first asked for.
        """
        volume = self._left.get(bar.open_time)
        if volume is None:
            volume = floor_step(bar.volume * self._participation, self._lot_step)
            self._left[bar.open_time] = volume
            # A long backtest would otherwise keep a number for every bar that any order ever met.
            if len(self._left) > KEPT_ROOMS:
                self._left = dict(sorted(self._left.items())[KEPT_ROOMS // 2 :])
        return volume

    def take(self, bar: Bar, quantity: Decimal) -> None:
        """Use up ``quantity`` of the bar.

        ``quantity`` is at most what :meth:`left` says; this is not checked again.
        """
        self._left[bar.open_time] = self.remaining(bar) - quantity


class BarOffer:
    """What a bar offers to one side on arrival: one price, and its room.

    ``price`` is after slippage and half the spread. Implements :class:`~tidemill.matching.markets.Offer`.
    """

    __slots__ = ("_bar", "_is_buy", "_rooms", "best")

    def __init__(self, bar: Bar, price: Decimal, rooms: Rooms, *, is_buy: bool) -> None:
        self.best: Decimal | None = price
        self._bar, self._rooms, self._is_buy = bar, rooms, is_buy

    def reach(self, limit: Decimal | None, maximum: Decimal) -> list[Level]:
        """What an order would get within ``limit``, at most ``maximum``: nothing, or one slice.

        Less than ``maximum`` when other orders took part of the bar, and nothing when no room is left or the price is
        worse than the limit.
        """
        price = self.best
        if price is None or not is_within(price, limit, is_buy=self._is_buy):
            return []
        quantity = min(self._rooms.remaining(self._bar), maximum)
        return [(price, quantity)] if quantity > 0 else []

    def take(self, quantity: Decimal) -> None:
        """Use up ``quantity`` of the bar's room.

        The room is shared with all other orders on the instrument.
        """
        self._rooms.take(self._bar, quantity)

    def bill(self, quantity: Decimal) -> list[Level]:
        """What a market order of ``quantity`` must be able to pay for: all of it, though the bar may not fill it."""
        return [] if self.best is None else [(self.best, quantity)]

    def quantity_for(self, quote: Decimal, lot_step: Decimal) -> Decimal:
        """Quantity that ``quote`` buys at the bar's price, rounded down to the lot.

        Zero when there is no price. The room of the bar is not looked at: what exceeds it expires.
        """
        return floor_step(quote / self.best, lot_step) if self.best else quote * 0


class ImpactOffer(BarOffer):
    """What a bar offers where the price depends on the quantity; ``best`` is the price of next to nothing."""

    __slots__ = ("_impact",)

    def __init__(self, bar: Bar, price: Decimal, rooms: Rooms, impact: Impact) -> None:
        super().__init__(bar, price, rooms, is_buy=impact.is_buy)
        self._impact = impact

    def reach(self, limit: Decimal | None, maximum: Decimal) -> list[Level]:
        """Nothing, or one slice: as much as the limit allows, at the price of all of it.

        The price is that of the whole quantity, so a limit caps the quantity: a smaller order moves the price less.
        With FOK the caller sees that the slice is short.
        """
        quantity = min(self._rooms.remaining(self._bar), maximum)
        if quantity > 0 and limit is not None:
            quantity = self._impact.largest_within(limit, quantity)
        return [(self._impact.price(quantity), quantity)] if quantity > 0 else []

    def bill(self, quantity: Decimal) -> list[Level]:
        """All of it at the price that the most that can fill would have.

        Funds are judged on the caution side: the price of a whole bar, unless the order is smaller.
        """
        return [(self._impact.price(min(quantity, self._impact.volume)), quantity)] if self._impact.volume else []

    def quantity_for(self, quote: Decimal, lot_step: Decimal) -> Decimal:
        """Quantity that ``quote`` buys at the price of what it would buy at best, rounded down to the lot.

        Price and quantity depend on each other; one step from the price without impact is taken. For a buy it errs
        towards too high a price.
        """
        first = min(super().quantity_for(quote, lot_step), self._impact.volume)
        return floor_step(quote / self._impact.price(first), lot_step)
