"""Whether an order may be placed at all: the exchange's filters and refusals, in its own codes and words.

What a filter of the symbol refuses has code -1013; what needs the account's state (funds, ids, open orders)
is refused by the exchange's engine with -2010.
"""

from __future__ import annotations

from decimal import Decimal

from tidemill.domain.market import Instrument
from tidemill.matching.values import MARKET, Refusal, Ticket

MAX_PRICE = Decimal(10**9)
MAX_QUANTITY = Decimal(9 * 10**9)
MAX_NOTIONAL = Decimal(9 * 10**9)
MAX_OPEN_ORDERS = 200
"""Resting orders of one account on one instrument, stops included."""

INSUFFICIENT = Refusal(code=-2010, message="Account has insufficient balance for requested action.")
DUPLICATE = Refusal(code=-2010, message="Duplicate order sent.")
WOULD_MATCH = Refusal(code=-2010, message="Order would immediately match and take.")
WOULD_TRIGGER = Refusal(code=-2010, message="Order would trigger immediately.")
TOO_MANY_ORDERS = Refusal(code=-2010, message="Filter failure: MAX_NUM_ORDERS")
NO_LIQUIDITY = Refusal(code=-2010, message="Order book liquidity is less than symbol minimum quantity.")
UNKNOWN_ORDER = Refusal(code=-2011, message="Unknown order sent.")
MARKET_CLOSED = Refusal(code=-1013, message="Market is closed.")
SHUTTING_DOWN = Refusal(code=-1000, message="System is under maintenance.")
INVALID_SYMBOL = Refusal(code=-1121, message="Invalid symbol.")
QUOTE_NOT_REQUIRED = Refusal(code=-1106, message="Parameter 'quoteOrderQty' sent when not required.")
BOTH_QUANTITIES = Refusal(code=-1128, message="Combination of optional parameters invalid.")
PRICE_FILTER = Refusal(code=-1013, message="Filter failure: PRICE_FILTER")
LOT_SIZE = Refusal(code=-1013, message="Filter failure: LOT_SIZE")
NOTIONAL = Refusal(code=-1013, message="Filter failure: NOTIONAL")


def check_filters(ticket: Ticket, instrument: Instrument, reference: Decimal | None) -> Refusal | None:
    """Apply the symbol's filters; ``reference`` is the estimated price of a market order (None: unknown).

    PRICE_FILTER, LOT_SIZE and NOTIONAL in this order, on limit and stop price alike; None when all pass. The rules are
    those of the page "Filters" of Binance's spot API documentation, with fixed upper bounds. Prices and quantities must
    be positive multiples of their step.
    """
    for price in (ticket.limit_price, ticket.stop_price):
        if price is not None and not _is_allowed(price, MAX_PRICE, instrument.price_step):
            return PRICE_FILTER
    if not _is_allowed(ticket.quantity, MAX_QUANTITY, instrument.lot_step):
        return LOT_SIZE
    return _check_notional(ticket, instrument.min_notional, reference)


def _is_allowed(value: Decimal, maximum: Decimal, step: Decimal) -> bool:
    # The bound comes first: a remainder of more digits than the context has is an error.
    return 0 < value <= maximum and not value % step


def _check_notional(ticket: Ticket, least: Decimal, reference: Decimal | None) -> Refusal | None:
    """The least is asked of every order, the most only of those with a price of their own."""
    if ticket.quote_quantity is not None:
        # What a quote quantity is worth is the quote quantity: no price is needed to judge it.
        return NOTIONAL if ticket.quote_quantity < least else None
    is_market = ticket.order_type is MARKET
    price = reference if is_market else ticket.limit_price
    # A market order on an empty side has no price to be judged by, and will find nothing to fill on either.
    if price is None:
        return None
    notional = price * ticket.quantity
    return NOTIONAL if notional < least or (notional > MAX_NOTIONAL and not is_market) else None


def check_quote_quantity(ticket: Ticket, quote: Decimal) -> Refusal | None:
    """Whether a quote quantity stands where it may: on a MARKET order, alone, and positive.

    ``quote`` is the amount to spend or to earn, in quote. The codes are -1106 (sent when not required) and -1128 (bad
    combination) of the page "Error Codes".
    """
    if ticket.order_type is not MARKET:
        return QUOTE_NOT_REQUIRED
    if ticket.quantity:
        return BOTH_QUANTITIES
    return None if quote > 0 else NOTIONAL
