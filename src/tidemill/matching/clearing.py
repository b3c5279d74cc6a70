"""Executions booked: what backs an order, what an execution moves, and its fee.

Money moves here and nowhere else in matching. The sum over all balances, fees and funding is the same before and after
each call, which the tests hold as an invariant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal

from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderState
from tidemill.matching.accounts import Accounts
from tidemill.matching.book import Level
from tidemill.matching.drafts import draft_of, seal
from tidemill.matching.values import QUOTE, RECEIVED, FillRules, SimTrade
from tidemill.matching.working_orders import Trades, WorkingOrder

# Fees are told with eight decimals, rounded up: what the exchange takes is never less than its rate.
FEE_STEP = Decimal("1e-8")
# A rate may have seventeen digits of its own, so that the product outgrows the usual context.
_WIDE = Context(prec=80, rounding=ROUND_CEILING)
TradeDraft = draft_of(SimTrade)


def fee_amount(traded: Decimal, rate: Decimal) -> Decimal:
    """Fee on ``traded``, eight decimals, rounded up.

    ``traded`` and the fee are in the same asset; ``rate`` is a fraction. 0.001 of 0.000015 is a fee of 0.00000002, not
    of nothing.
    """
    return (traded * rate).quantize(FEE_STEP, ROUND_UP)


def funding_amount(quantity: Decimal, mark: Decimal, rate: Decimal) -> Decimal:
    """What holders of ``quantity`` pay at ``rate`` (below 0: receive), eight decimals, rounded against them.

    ``mark`` is the price of one unit in quote, and the amount is in quote. Rounded up: a payment is rounded away from
    zero, and what is received towards it.
    """
    return _WIDE.multiply(_WIDE.multiply(quantity, mark), rate).quantize(FEE_STEP, context=_WIDE)


class Clearing:
    """Locks, moves and charges for orders, by the fill rules; DataError when a fee has no price.

    A third fee asset needs a price in the quote of every instrument, which is checked here once, so that no fill can
    fail on it. With fees in quote the higher of both rates is locked for a buy: whether it will make or take is not
    certain while it rests.
    """

    def __init__(self, instruments: Collection[Instrument], rules: FillRules) -> None:
        assets = {asset for instrument in instruments for asset in (instrument.base, instrument.quote)}
        self.accounts = Accounts(assets | {rules.fee_asset} if rules.has_third_asset else assets)
        self.trades = Trades()
        self._rules = rules
        self._third_prices = dict(rules.fee_asset_prices) | {rules.fee_asset: Decimal(1)}
        if rules.has_third_asset:
            for instrument in instruments:
                if instrument.quote not in self._third_prices:
                    raise DataError(
                        f"fees in {rules.fee_asset} need its price in {instrument.quote}: add it to the prices"
                    )
        self._locked_rate = max(rules.fee_maker, rules.fee_taker) if rules.fee_asset == QUOTE else None

    def backing(self, quantity: Decimal, price: Decimal, *, is_buy: bool) -> Decimal:
        """What backs ``quantity`` at ``price``: base of a sell, quote of a buy, with the fee if that is in quote.

        An upper bound when fees are in quote: the larger of maker and taker rate is counted.
        """
        if not is_buy:
            return quantity
        amount = quantity * price
        # Otherwise the fee comes out of what is received, or out of a third asset: nothing to hold back here.
        return amount if self._locked_rate is None else amount + fee_amount(amount, self._locked_rate)

    def cost_now(self, slices: Iterable[Level], *, is_buy: bool) -> Decimal:
        """What trading ``slices`` takes out of an account at once.

        In the asset that is paid: base of a sell, quote of a buy with its fee if that is in quote.
        """
        return sum((self.backing(quantity, price, is_buy=is_buy) for price, quantity in slices), ZERO)

    def lock(self, order: WorkingOrder) -> None:
        """Lock what backs a new order; a market order's price is known with its slices only.

        Sets ``order.locked``. A market order is left alone here, see :meth:`lock_slices`.
        """
        if order.limit is not None:
            order.locked = self.backing(order.rest, order.limit, is_buy=order.is_buy)
            self.accounts.lock(order.account, order.paid_asset, order.locked)

    def lock_slices(self, order: WorkingOrder, slices: Iterable[Level]) -> None:
        """Lock what a market order is about to pay, so that the fee of one slice leaves what the next one costs.

        The slices are exactly those that fill next, so nothing stays locked once they have.
        """
        order.locked = self.cost_now(slices, is_buy=order.is_buy)
        self.accounts.lock(order.account, order.paid_asset, order.locked)

    def end(self, order: WorkingOrder, state: OrderState, wall: datetime) -> None:
        """Unlock what backed the rest of an order that will not fill.

        ``state`` is EXPIRED or CANCELLED. Fills keep their fees: an exchange gives none back for a cancel.
        """
        if order.locked:
            self.accounts.lock(order.account, order.paid_asset, -order.locked)
        order.end(state, wall)

    def fill(
        self,
        order: WorkingOrder,
        price: Decimal,
        quantity: Decimal,
        *,
        market: datetime,
        wall: datetime,
        is_maker: bool,
    ) -> None:
        """Book an execution of ``quantity`` at ``price`` and tell the order.

        Balances, the fee, the trade and the order change together. ``price`` is the price after slippage, ``market``
        the market time and ``wall`` the wall time of the execution; ``is_maker`` decides the rate. The caller has made
        sure that ``quantity`` is no more than the rest of the order and that what it costs is locked or free.
        """
        traded = quantity * price
        backing = self._backing_of_rest(order, price, quantity)
        released = order.locked - backing
        paid, got = (traded, quantity) if order.is_buy else (quantity, traded)
        self.accounts.exchange(order.account, order.paid_asset, paid, order.got_asset, got, released=released)
        rate = self._rules.fee_maker if is_maker else self._rules.fee_taker
        # Of a buy in quote, no more than was locked for it: the roundings of parts would add up beyond the whole's.
        fee_asset, fee = self._fee(order, got, traded, rate, released - paid)
        self.accounts.charge(order.account, fee_asset, fee)
        trade = self._trade(order, price, quantity, fee, fee_asset, market=market, wall=wall, is_maker=is_maker)
        self.trades.add(trade)
        order.add(trade, traded, backing)

    def _backing_of_rest(self, order: WorkingOrder, price: Decimal, quantity: Decimal) -> Decimal:
        """What stays locked after an execution: for the slices to come, or for the rest at the limit."""
        if order.limit is None:
            return order.locked - self.backing(quantity, price, is_buy=order.is_buy)
        rest = order.rest - quantity
        return self.backing(rest, order.limit, is_buy=order.is_buy) if rest else ZERO

    def _fee(
        self, order: WorkingOrder, got: Decimal, traded: Decimal, rate: Decimal, spare: Decimal
    ) -> tuple[str, Decimal]:
        """Asset and amount of a fee, taken after the execution is booked."""
        asset = self._rules.fee_asset
        if asset == QUOTE and order.is_buy:
            return order.paid_asset, min(fee_amount(traded, rate), spare)
        if asset not in {RECEIVED, QUOTE}:
            # The fee is worth the same in the third asset; without enough of it the exchange falls back to what is
            # received.
            price = self._third_prices[order.instrument.quote]
            fee = (traded * rate / price).quantize(FEE_STEP, ROUND_UP)
            if fee <= self.accounts.free(order.account, asset):
                return asset, fee
        # What is received is the quote of a sell, and the base of a buy; a fee never exceeds it.
        return order.got_asset, min(fee_amount(got, rate), got)

    def _trade(
        self,
        order: WorkingOrder,
        price: Decimal,
        quantity: Decimal,
        fee: Decimal,
        fee_asset: str,
        *,
        market: datetime,
        wall: datetime,
        is_maker: bool,
    ) -> SimTrade:
        draft = TradeDraft()
        draft.trade_id = len(self.trades.all) + 1
        draft.order_id, draft.account, draft.client_order_id = order.order_id, order.account, order.client_order_id
        draft.instrument, draft.side = order.ticket.instrument, order.ticket.side
        draft.price, draft.quantity, draft.fee, draft.fee_asset = price, quantity, fee, fee_asset
        draft.is_maker, draft.market_time, draft.wall_time = is_maker, market, wall
        return seal(draft, SimTrade)
