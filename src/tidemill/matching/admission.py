"""An arriving order judged: filters, ids, funds, and what it would meet. Nothing changes.

The order of the checks is part of the answer: an exchange names the first thing that is wrong, and a client that is
tested against this one must meet the same code for the same mistake.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from tidemill.domain.market import Instrument
from tidemill.matching import filters
from tidemill.matching.clearing import Clearing
from tidemill.matching.fill_prices import is_within
from tidemill.matching.markets import Market, Offer
from tidemill.matching.values import BUY, LIMIT_MAKER, SELL, STOP_LIMIT, Refusal, Ticket
from tidemill.matching.working_orders import Orders

Judged = tuple[Ticket, Offer, datetime]
"""The order with its quantity, what it meets, and the moment after which a bar must open to fill it later."""


def judge(
    account: str, ticket: Ticket, market: Market, moment: datetime, *, orders: Orders, clearing: Clearing
) -> Judged | Refusal:
    """What an order meets on arrival, or why it is refused: the first of the reasons in the exchange's order.

    Market closed or down comes first, then the size of a quote quantity, the symbol's filters, ids and the number of
    open orders, prices, and the account's funds last. ``moment`` is market time, before latency. The ticket that comes
    back has its quantity filled in when it named a quote quantity. Nothing is locked and nothing is taken of the offer.
    """
    arrival = market.arrive(moment, is_buy=ticket.side is BUY)
    if isinstance(arrival, Refusal):
        return arrival
    offer, after = arrival
    quote = ticket.quote_quantity
    sized = ticket if quote is None else _size(ticket, quote, offer, market.instrument)
    if isinstance(sized, Refusal):
        return sized
    refusal = (
        filters.check_filters(sized, market.instrument, offer.best)
        or _check_orders(account, sized, orders)
        or _check_prices(sized, offer, market)
        or _check_funds(account, sized, offer, market.instrument, clearing)
    )
    return refusal or (sized, offer, after)


def _size(ticket: Ticket, quote: Decimal, offer: Offer, instrument: Instrument) -> Ticket | Refusal:
    """The order with the quantity that its quote quantity is worth."""
    if refusal := filters.check_quote_quantity(ticket, quote):
        return refusal
    if offer.best is None:
        return filters.NO_LIQUIDITY
    return replace(ticket, quantity=offer.quantity_for(quote, instrument.lot_step))


def _check_orders(account: str, ticket: Ticket, orders: Orders) -> Refusal | None:
    """One resting order to a client order id, and not too many of them."""
    duplicate = orders.find(account, None, ticket.client_order_id)
    # A client order id is free again once its order has ended: the exchange wants it unique among open orders only.
    if duplicate is not None and orders.rests(duplicate):
        return filters.DUPLICATE
    if ticket.may_rest and orders.count_resting(account, ticket.instrument) >= filters.MAX_OPEN_ORDERS:
        return filters.TOO_MANY_ORDERS
    return None


def _check_prices(ticket: Ticket, offer: Offer, market: Market) -> Refusal | None:
    """A post-only order must not take; on a book a stop must not have been reached."""
    is_buy = ticket.side is BUY
    if ticket.order_type is LIMIT_MAKER:
        # A post-only order on an empty side cannot take, so it is welcome there.
        takes = offer.best is not None and is_within(offer.best, ticket.limit_price, is_buy=is_buy)
        return filters.WOULD_MATCH if takes else None
    if ticket.order_type is STOP_LIMIT and ticket.stop_price is not None:
        return filters.WOULD_TRIGGER if market.reaches(ticket.stop_price, is_buy=is_buy) else None
    return None


def _check_funds(
    account: str, ticket: Ticket, offer: Offer, instrument: Instrument, clearing: Clearing
) -> Refusal | None:
    """Whether the account's free balance backs all of the order."""
    if ticket.side is SELL:
        asset, needed = instrument.base, ticket.quantity
    elif ticket.limit_price is not None:
        asset, needed = instrument.quote, clearing.backing(ticket.quantity, ticket.limit_price, is_buy=True)
    else:
        # A market order has no price of its own: it must be able to pay for what it would meet now.
        asset, needed = instrument.quote, clearing.cost_now(offer.bill(ticket.quantity), is_buy=True)
    return filters.INSUFFICIENT if needed > clearing.accounts.free(account, asset) else None
