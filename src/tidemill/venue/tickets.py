"""A request's parameters as an order, an identity or a range.

By the page "Trading endpoints": which parameters a type of order needs, and which it must not have. Whether the account
may place the order is not judged here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.matching import Ticket
from tidemill.venue import errors
from tidemill.venue.parameters import Parameters

TYPES = {name: OrderType(name) for name in ("LIMIT", "MARKET", "LIMIT_MAKER")} | {
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT
}
# Known to the exchange, and refused by symbols that do not offer them.
OTHER_TYPES = {
    "STOP_LOSS": "Stop loss orders are not supported for this symbol.",
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
}
TIMED = {OrderType.LIMIT, OrderType.STOP_LIMIT}
MAX_ROWS = 1000
LONG_AFTER = 2**62
LONGEST_RANGE_MS = 24 * 3600 * 1000
LEAST_STRATEGY_TYPE = 1_000_000


def read_ticket(parameters: Parameters, instrument: Instrument, spare_id: str) -> Ticket:
    """The order that a request describes; ``spare_id`` is its client order id when it brings none.

    VenueError names the first parameter that is missing, malformed or not for this type. Types that the exchange has
    and its symbols may not offer are refused with -2010, as it does for such symbols.
    """
    side, kind = parameters.need("side"), parameters.need("type")
    if side not in {"BUY", "SELL"}:
        raise errors.INVALID_SIDE
    # Refused otherwise than an unknown type: clients take the one for a rule, the other for a mistake.
    if kind in OTHER_TYPES:
        raise errors.VenueError(-2010, OTHER_TYPES[kind])
    if kind not in TYPES:
        raise errors.INVALID_TYPE
    order_type = TYPES[kind]
    _check_not_offered(parameters)
    quantity, quote = _quantities(parameters, order_type)
    limit, stop = _prices(parameters, order_type)
    return Ticket(
        client_order_id=parameters.client_id("newClientOrderId") or spare_id,
        instrument=instrument.id,
        side=Side(side),
        order_type=order_type,
        time_in_force=_time_in_force(parameters, order_type),
        quantity=quantity,
        limit_price=limit,
        stop_price=stop,
        quote_quantity=quote,
    )


def _quantities(parameters: Parameters, order_type: OrderType) -> tuple[Decimal, Decimal | None]:
    """Quantity and quote quantity: a market order names one of the two, all others the first."""
    quantity, quote = parameters.decimal("quantity"), parameters.decimal("quoteOrderQty")
    if quote is not None:
        if order_type is not OrderType.MARKET:
            raise errors.not_required("quoteOrderQty")
        if quantity is not None:
            raise errors.not_required("quoteOrderQty")
        return ZERO, quote
    if quantity is None:
        raise errors.missing("quantity")
    return quantity, None


def _check_not_offered(parameters: Parameters) -> None:
    if parameters.text("trailingDelta") is not None:
        raise errors.VenueError(-2010, "Trailing stop orders are not supported for this symbol.")
    if parameters.decimal("icebergQty"):
        raise errors.VenueError(-2010, "Iceberg orders are not supported for this symbol.")
    if parameters.text("pegPriceType") is not None:
        raise errors.VenueError(-2010, "Pegged orders are not supported for this symbol.")
    strategy = parameters.integer("strategyType")
    if strategy is not None and strategy < LEAST_STRATEGY_TYPE:
        raise errors.VenueError(-1134, "strategyType was less than 1000000.")
    if parameters.text("selfTradePreventionMode") not in {None, "NONE"}:
        raise errors.invalid("selfTradePreventionMode")


def _prices(parameters: Parameters, order_type: OrderType) -> tuple[Decimal | None, Decimal | None]:
    """Limit and stop, each there exactly when the type asks for it."""
    limit, stop = parameters.decimal("price"), parameters.decimal("stopPrice")
    if order_type is OrderType.MARKET:
        if limit is not None:
            raise errors.not_required("price")
    elif limit is None:
        raise errors.missing("price")
    if order_type is OrderType.STOP_LIMIT:
        if stop is None:
            raise errors.missing("stopPrice")
    elif stop is not None:
        raise errors.not_required("stopPrice")
    return limit, stop


def _time_in_force(parameters: Parameters, order_type: OrderType) -> TimeInForce:
    sent = parameters.text("timeInForce")
    if sent is None:
        if order_type in TIMED:
            raise errors.missing("timeInForce")
        return TimeInForce.GTC
    if sent not in set(TimeInForce):
        raise errors.INVALID_TIF
    if order_type not in TIMED:
        raise errors.not_required("timeInForce")
    return TimeInForce(sent)


def read_identity(
    parameters: Parameters, id_name: str = "orderId", client_name: str = "origClientOrderId"
) -> dict[str, Any]:
    """Which order is meant: by the exchange's id or by a client order id.

    A dictionary with ``order_id`` and ``client_order_id``, of which one may be None; -1102 when both are.
    Cancel-replace has names of its own for them.
    """
    order_id, client_id = parameters.integer(id_name), parameters.text(client_name)
    if order_id is None and client_id is None:
        text = f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!"
        raise errors.VenueError(-1102, text)
    return {"order_id": order_id, "client_order_id": client_id}


def read_range(parameters: Parameters, first_name: str) -> tuple[int, int, int, int]:
    """First id, start and end in ms, and the number of rows, 500 unless asked, at most 1,000.

    (first id, start, end, rows); 0 and ``LONG_AFTER`` for bounds that were not sent. -1127 when start and end are more
    than 24 hours apart.
    """
    start, end, limit = parameters.moment("startTime"), parameters.moment("endTime"), parameters.integer("limit")
    if start is not None and end is not None and end - start > LONGEST_RANGE_MS:
        raise errors.TOO_LONG
    return (
        parameters.integer(first_name) or 0,
        start or 0,
        # An end of 0 was meant: it is 1970, before every order.
        end if end is not None else LONG_AFTER,
        max(1, min(limit if limit is not None else 500, MAX_ROWS)),
    )
