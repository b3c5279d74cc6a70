"""Refusals in this exchange's codes and words, most of them with status 200.

By the page "Error Codes". Matching refuses in the words of the first protocol, so the tables here translate by text,
where one code stands for many reasons, and by code for the rest.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import web

from tidemill.domain.market import Instrument
from tidemill.matching import MAX_OPEN_ORDERS, Ticket
from tidemill.venue.errors import VenueError


@dataclass(frozen=True, slots=True)
class BybitError(Exception):
    """A code, what it says, and the HTTP status it comes with.

    ``code`` is ``retCode``: clients must read it, since the status says 200 for nearly all refusals.
    """

    code: int
    message: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self) -> web.Response:
        """The answer over HTTP.

        Wrapped like an answer that went well, with an empty result.
        """
        return web.json_response(envelope({}, self.code, self.message), status=self.status, headers=self.headers)


def envelope(result: object, code: int = 0, message: str = "OK") -> dict[str, Any]:
    """What every answer is wrapped in.

    ``code`` 0 means it went well; ``time`` is the wall clock in ms.
    """
    moment = int(time.time() * 1000)
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": moment}


def bad_parameter(text: str) -> BybitError:
    """A parameter that is missing or cannot be meant."""
    return BybitError(10001, f"params error: {text}")


BAD_KEY = BybitError(10003, "API key is invalid.")
BAD_SIGNATURE = BybitError(10004, "error sign! please check your signature generation algorithm.")
TOO_MANY_VISITS = BybitError(10006, "Too many visits. Exceeded the API Rate Limit.")
TOO_FREQUENT = BybitError(403, "403, access too frequent", status=403)
SERVER_ERROR = BybitError(10016, "Server error.")
NO_ROUTE = BybitError(10017, "Route not found.", status=404)
INVALID_TIF = BybitError(170115, "Invalid timeInForce.")
INVALID_TYPE = BybitError(170116, "Invalid orderType.")
INVALID_SIDE = BybitError(170117, "Invalid side.")
INVALID_SYMBOL = BybitError(170121, "Invalid symbol.")
DUPLICATE = BybitError(170141, "Duplicate clientOrderId")
COMPLETED = BybitError(170139, "Order has been filled.")
CANCELLED = BybitError(170142, "Order has been cancelled")
NO_SUCH_ORDER = BybitError(170213, "Order does not exist.")
NOT_SUPPORTED = BybitError(170227, "This feature is not supported.")
NO_MODIFICATION = BybitError(170312, "The current order does not support modification")

# What the state's refusals are called here, by their text.
REFUSED = {
    "Account has insufficient balance for requested action.": BybitError(170131, "Balance insufficient"),
    "Duplicate order sent.": DUPLICATE,
    "Order would immediately match and take.": BybitError(
        170218, "The LIMIT-MAKER order is rejected due to invalid price."
    ),
    "Filter failure: MAX_NUM_ORDERS": BybitError(
        170810, f"Cannot exceed maximum of {MAX_OPEN_ORDERS} conditional, TP/SL and active orders."
    ),
    "Market is closed.": BybitError(170151, "The trading pair is not open yet"),
    "Filter failure: NOTIONAL": BybitError(170140, "Order value exceeded lower limit"),
    "Invalid symbol.": INVALID_SYMBOL,
}
# What faults and the state's breakdowns are called here, by the code of the other protocol.
BROKEN = {
    -1000: SERVER_ERROR,
    -1001: SERVER_ERROR,
    -1003: TOO_MANY_VISITS,
    -1006: SERVER_ERROR,
    -1007: BybitError(10000, "Server Timeout"),
    -1008: BybitError(429, "The trading service is experiencing a high server load.", status=429),
    -1015: BybitError(170222, "Too many requests in this time frame."),
    -1021: BybitError(10002, "The request time exceeds the time window range."),
}
REJECTED = BybitError(170210, "New order rejected.")


def translate(error: VenueError) -> BybitError:
    """A fault or a breakdown as this exchange would tell it.

    What has no counterpart is a server error: a client must then query what became of its request.
    """
    return REFUSED.get(error.message) or BROKEN.get(error.code, SERVER_ERROR)


def refusal_of(error: VenueError, ticket: Ticket, instrument: Instrument) -> BybitError:
    """Why the matching engine refused an order.

    This exchange says what is wrong with a price or a quantity (too low, too long, too high), where the other names a
    filter only; so ``ticket`` and ``instrument`` are looked at again.
    """
    if error.message == "Filter failure: PRICE_FILTER" and ticket.limit_price is not None:
        return _of_price(ticket.limit_price, instrument.price_step)
    if error.message == "Filter failure: LOT_SIZE":
        return _of_quantity(ticket.quantity, instrument.lot_step)
    return REFUSED.get(error.message) or BROKEN.get(error.code, REJECTED)


def _of_price(price: Decimal, step: Decimal) -> BybitError:
    if price < step:
        return BybitError(170133, "Order price lower than the minimum.")
    if price % step:
        return BybitError(170134, "Order price decimal too long.")
    return BybitError(170132, "Order price too high.")


def _of_quantity(quantity: Decimal, step: Decimal) -> BybitError:
    if quantity < step:
        return BybitError(170136, "Order quantity lower than the minimum.")
    if quantity % step:
        return BybitError(170137, "Order volume decimal too long")
    return BybitError(170381, "Order quantity too large.")
