"""A request's parameters as an order.

By the page "Place Order", for spot. Post-only is a time in force on this exchange and a type of order within.
"""

from __future__ import annotations

from decimal import Decimal

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.matching import Ticket
from tidemill.venue.bybit import errors
from tidemill.venue.bybit.calls import Call

SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
TYPES = ("Limit", "Market")
TIMES = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "PostOnly": TimeInForce.GTC}
UNITS = ("baseCoin", "quoteCoin")
CONDITIONAL = ("triggerPrice", "takeProfit", "stopLoss", "slippageTolerance")


def read_ticket(call: Call, instrument: Instrument, spare_id: str) -> Ticket:
    """The order that a request describes; ``spare_id`` is its inner name when it brings no client order id.

    A market buy names its quantity in quote unless ``marketUnit`` says otherwise. BybitError for what is missing or
    malformed; 170227 for conditional orders and borrowing.
    """
    side, kind = call.need("side"), call.need("orderType")
    if side not in SIDES:
        raise errors.INVALID_SIDE
    if kind not in TYPES:
        raise errors.INVALID_TYPE
    _check_offered(call)
    quantity, quote = _quantities(call, kind, side)
    order_type, time_in_force = _kind(call, kind)
    return Ticket(
        client_order_id=call.link_id() or spare_id,
        instrument=instrument.id,
        side=SIDES[side],
        order_type=order_type,
        time_in_force=time_in_force,
        quantity=quantity,
        limit_price=None if kind == "Market" else _price(call),
        quote_quantity=quote,
    )


def _check_offered(call: Call) -> None:
    """Conditional orders and borrowing are the exchange's, not this venue's."""
    if any(call.decimal(name) for name in CONDITIONAL) or call.text("orderFilter") not in {None, "Order"}:
        raise errors.NOT_SUPPORTED
    if call.text("isLeverage") not in {None, "0"}:
        raise errors.NOT_SUPPORTED


def _quantities(call: Call, kind: str, side: str) -> tuple[Decimal, Decimal | None]:
    """Quantity and quote quantity: a market order names either, a buy by value unless it says otherwise."""
    quantity = call.decimal("qty")
    if quantity is None:
        raise errors.bad_parameter("Qty is missing")
    if kind == "Limit":
        return quantity, None
    unit = call.text("marketUnit") or ("quoteCoin" if side == "Buy" else "baseCoin")
    if unit not in UNITS:
        raise errors.bad_parameter("MarketUnit is invalid")
    return (ZERO, quantity) if unit == "quoteCoin" else (quantity, None)


def _kind(call: Call, kind: str) -> tuple[OrderType, TimeInForce]:
    if kind == "Market":
        # What a market order does not fill expires in matching, whatever time in force it has.
        return OrderType.MARKET, TimeInForce.GTC
    sent = call.text("timeInForce") or "GTC"
    if sent not in TIMES:
        raise errors.INVALID_TIF
    return OrderType.LIMIT_MAKER if sent == "PostOnly" else OrderType.LIMIT, TIMES[sent]


def _price(call: Call) -> Decimal:
    price = call.decimal("price")
    if price is None:
        raise errors.bad_parameter("Price is missing")
    return price
