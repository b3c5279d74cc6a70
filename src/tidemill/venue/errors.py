"""The exchange's errors: code, text, HTTP status.

From the page "Error Codes": clients branch on the code, and some on the text, so both are as the exchange has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

UNAUTHORISED_CODES = frozenset({-2014, -2015})


@dataclass(slots=True)
class VenueError(Exception):
    """An answer with an error code of the exchange; unless ``data`` tells otherwise, nothing has changed.

    ``code`` is negative, ``status`` the HTTP status, ``headers`` what an answer has besides (``Retry-After``). ``data``
    holds the two halves of a cancel-replace, one of which may have happened.
    """

    code: int
    message: str
    status: int = 400
    headers: dict[str, str] = field(default_factory=dict)
    data: dict[str, Any] | None = None

    @property
    def http_status(self) -> int:
        """Status of the answer."""
        return 401 if self.code in UNAUTHORISED_CODES else self.status

    def body(self) -> dict[str, Any]:
        """The JSON that the exchange would send.

        ``code`` and ``msg``; ``data`` only where there is some. The same over REST and WebSocket.
        """
        body: dict[str, Any] = {"code": self.code, "msg": self.message}
        return body if self.data is None else body | {"data": self.data}

    def answer(self) -> web.Response:
        """The answer over HTTP.

        A new response each time: one error object may be raised for many requests.
        """
        return web.json_response(self.body(), status=self.http_status, headers=self.headers)


def missing(name: str) -> VenueError:
    """A mandatory parameter that is absent, empty or malformed.

    -1102; "malformed" is the exchange's word, for it does not tell the three apart.
    """
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal: str = "") -> VenueError:
    """A parameter with characters that its kind does not allow.

    -1100. ``legal`` is the pattern that the exchange names; it may differ in detail from what is checked.
    """
    behind = f"; legal range is '{legal}'" if legal else ""
    return VenueError(-1100, f"Illegal characters found in parameter '{name}'{behind}.")


def empty(name: str) -> VenueError:
    """An optional parameter that was sent without a value.

    -1105. A parameter that is meant to be left out must not be sent empty.
    """
    return VenueError(-1105, f"Parameter '{name}' was empty.")


def too_precise(name: str) -> VenueError:
    """A number with more decimals than any asset has.

    -1111. More than eight decimals, zeros at the end not counted.
    """
    return VenueError(-1111, f"Parameter '{name}' has too much precision.")


def not_required(name: str) -> VenueError:
    """A parameter that this kind of request does not take.

    -1106, such as a price with a market order: the exchange refuses it instead of ignoring it.
    """
    return VenueError(-1106, f"Parameter '{name}' sent when not required.")


def invalid(name: str) -> VenueError:
    """A parameter whose value is none of those there are.

    -1130, for parameters that take one of a list of words.
    """
    return VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")


INVALID_SYMBOL = VenueError(-1121, "Invalid symbol.")
INVALID_INTERVAL = VenueError(-1120, "Invalid interval.")
INVALID_SIDE = VenueError(-1117, "Invalid side.")
INVALID_TYPE = VenueError(-1116, "Invalid orderType.")
INVALID_TIF = VenueError(-1115, "Invalid timeInForce.")
BAD_SIGNATURE = VenueError(-1022, "Signature for this request is not valid.")
BAD_KEY_FORMAT = VenueError(-2014, "API-key format invalid.")
BAD_KEY = VenueError(-2015, "Invalid API-key, IP, or permissions for action.")
TOO_LATE = VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")
TOO_EARLY = VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
CLOSED = VenueError(-1013, "Market is closed.")
NO_SUCH_ORDER = VenueError(-2013, "Order does not exist.")
UNKNOWN_ORDER = VenueError(-2011, "Unknown order sent.")
WRONG_CLIENT_ID = VenueError(-2039, "Client order ID is not correct for this order ID.")
ARCHIVED = VenueError(
    -2026, "Order was canceled or expired with no executed qty over 90 days ago and has been archived."
)
RESTRICTED = VenueError(-2011, "Order was not canceled due to cancel restrictions.")
BAD_RESTRICTIONS = VenueError(-1145, "Invalid cancelRestrictions")
TOO_LONG = VenueError(-1127, "More than 24 hours between startTime and endTime.")
BAD_COMBINATION = VenueError(-1128, "Combination of optional parameters invalid.")
SUBSCRIBED = VenueError(-2035, "User Data Stream subscription already active.")
NOT_SUBSCRIBED = VenueError(-2036, "User Data Stream subscription not active.")
BAD_JSON = VenueError(-1135, "Invalid JSON Request")
UNSUPPORTED = VenueError(-1020, "This operation is not supported.")
# What an exchange answers while it is down for maintenance; ccxt reads it as not available.
DOWN = VenueError(-1000, "System is under maintenance.", status=503)
# What was asked may or may not have happened, as after a real internal error: clients must query.
BROKEN = VenueError(-1001, "Internal error; unable to process your request. Please try again.", status=503)
