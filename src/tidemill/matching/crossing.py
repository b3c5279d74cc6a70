"""Orders meet the market: on arrival, then bar after bar, or book after book.

What an order gets is decided here, what it costs in :mod:`tidemill.matching.clearing`; the rules are those of the
package.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from tidemill.domain.market import Bar
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderState
from tidemill.matching import fill_prices as pricing
from tidemill.matching.clearing import Clearing
from tidemill.matching.markets import Market, Offer
from tidemill.matching.values import FOK
from tidemill.matching.working_orders import Orders, WorkingOrder


class Meeting:
    """Decides what fills; :class:`Clearing` books it. Orders never meet one another.

    An order of one account never trades with another's: both meet the recorded market, so that accounts cannot make
    prices for one another.
    """

    def __init__(self, orders: Orders, clearing: Clearing) -> None:
        self._orders, self._clearing = orders, clearing

    def arrive(self, order: WorkingOrder, offer: Offer, moment: datetime, wall: datetime) -> None:
        """Match an order on arrival; what does not fill rests or expires.

        ``moment`` is market time and ``wall`` wall time, as the fills get them. A stop that has not been reached only
        rests. A FOK order that cannot fill whole takes nothing and expires.
        """
        if order.triggered:
            self._take(order, offer, moment, wall)
        if order.rest:
            if order.ticket.may_rest:
                self._orders.keep_resting(order)
            else:
                self.end(order, OrderState.EXPIRED, wall)

    def meet_bar(self, market: Market, bar: Bar, wall: datetime) -> None:
        """Let the resting orders of an instrument meet one closed bar, oldest first.

        A bar that opened at or before the order's ``after_bar`` is skipped: an order never fills on a past that it
        could have looked at. A bar that reaches a stop does not fill it too, for the order of prices within a bar is
        not recorded. All orders share the room of the bar, so those that came first get it.
        """
        step = market.instrument.price_step
        for order in self._orders.resting_on(market.name):
            # No fill on a bar that had begun when the order came: its prices were already there to be looked at.
            if bar.open_time <= order.after_bar:
                continue
            if not order.triggered:
                if pricing.triggers(bar, order.stop, step, is_buy=order.is_buy):
                    # The limit waits for the next bar: which of high and low came first within this one is not
                    # recorded.
                    order.trigger(bar.open_time)
            elif pricing.trades_through(bar, order.limit or ZERO, step, is_buy=order.is_buy):
                quantity = min(market.rooms.remaining(bar), order.rest)
                if quantity > 0:
                    market.rooms.take(bar, quantity)
                    self._fill(order, order.limit or ZERO, quantity, bar.close_time, wall, is_maker=True)

    def meet_book(self, market: Market, moment: datetime, wall: datetime) -> None:
        """Let the resting orders of an instrument meet a book that was just fed.

        First the limits it goes beyond, each at its limit: buys before sells, best price first, then
        oldest. Then the stops that it reaches, oldest first, which take what is left as if they arrived now.
        """
        resting = self._orders.resting_on(market.name)
        # Price before time, as in the book of an exchange; the room of a bar goes by time alone.
        for order in sorted((order for order in resting if order.triggered), key=_priority):
            depth = market.depth(is_buy=order.is_buy)
            quantity = sum((available for _, available in depth.reach(order.limit, order.rest, beyond=True)), ZERO)
            if quantity:
                depth.take(quantity)
                self._fill(order, order.limit or ZERO, quantity, moment, wall, is_maker=True)
        for order in resting:
            if not order.triggered and market.reaches(order.stop, is_buy=order.is_buy):
                order.trigger(moment)
                self.arrive(order, market.depth(is_buy=order.is_buy), moment, wall)

    def end(self, order: WorkingOrder, state: OrderState, wall: datetime) -> None:
        """Let an order fill no more.

        The rest is unlocked. ``state`` is EXPIRED or CANCELLED.
        """
        self._clearing.end(order, state, wall)
        self._orders.retire(order)

    def _take(self, order: WorkingOrder, offer: Offer, moment: datetime, wall: datetime) -> None:
        slices = offer.reach(order.limit, order.rest)
        # Judged on what is there in one moment: an order that fills whole or not at all cannot wait.
        if order.ticket.time_in_force is FOK and sum((available for _, available in slices), ZERO) < order.rest:
            return
        if order.limit is None:
            self._clearing.lock_slices(order, slices)
        for price, quantity in slices:
            offer.take(quantity)
            self._fill(order, price, quantity, moment, wall, is_maker=False)

    def _fill(
        self,
        order: WorkingOrder,
        price: Decimal,
        quantity: Decimal,
        moment: datetime,
        wall: datetime,
        *,
        is_maker: bool,
    ) -> None:
        self._clearing.fill(order, price, quantity, market=moment, wall=wall, is_maker=is_maker)
        if not order.rest:
            self._orders.retire(order)


def _priority(order: WorkingOrder) -> tuple[bool, Decimal, int]:
    price = order.limit or ZERO
    return not order.is_buy, -price if order.is_buy else price, order.order_id
