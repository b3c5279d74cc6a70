"""The exchange's errors: code, text, HTTP status."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

UNAUTHORISED_CODES = frozenset({-2014, -2015})


@dataclass(slots=True)
class VenueError(Exception):
    """An answer with an error code of the exchange; nothing has changed."""

    code: int
    message: str
    status: int = 400
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self) -> web.Response:
        """The JSON that the exchange would send."""
        status = 401 if self.code in UNAUTHORISED_CODES else self.status
        return web.json_response({"code": self.code, "msg": self.message}, status=status, headers=self.headers)


def missing(name: str) -> VenueError:
    """A mandatory parameter that is absent, empty or malformed."""
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str) -> VenueError:
    """A parameter with characters that its kind does not allow."""
    return VenueError(-1100, f"Illegal characters found in parameter '{name}'.")


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
NO_SUCH_ORDER = VenueError(-2013, "Order does not exist.")
# What an exchange answers while it is down for maintenance; ccxt reads it as not available.
DOWN = VenueError(-1000, "System is under maintenance.", status=503)
