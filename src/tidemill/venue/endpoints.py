"""What each endpoint takes and weighs: parameters by method and path, weight by what is asked.

Names and weights are those of the pages "General endpoints", "Market Data endpoints", "Trading endpoints" and "Account
Endpoints" of the REST API. An endpoint that is not listed here does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from tidemill.venue.errors import VenueError
from tidemill.venue.parameters import Parameters

SIGNING = frozenset({"timestamp", "recvWindow", "signature", "apiKey"})
ORDER = frozenset(
    {
        *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "stopPrice", "icebergQty"),
        *("newClientOrderId", "newOrderRespType", "strategyId", "strategyType", "selfTradePreventionMode"),
        *("trailingDelta", "pegPriceType", "pegOffsetValue", "pegOffsetType"),
    }
)
REPLACE = frozenset(
    {
        *("cancelReplaceMode", "cancelNewClientOrderId", "cancelOrigClientOrderId", "cancelOrderId"),
        *("cancelRestrictions", "orderRateLimitExceededMode"),
    }
)
IDENTITY = frozenset({"symbol", "orderId", "origClientOrderId"})
RANGE = frozenset({"symbol", "startTime", "endTime", "limit"})
CHOICE = frozenset({"symbol", "symbols", "symbolStatus"})
KNOWN: Mapping[tuple[str, str], frozenset[str]] = {
    ("POST", "order"): ORDER,
    ("POST", "order/test"): ORDER | {"computeCommissionRates"},
    ("POST", "order/cancelReplace"): ORDER | REPLACE,
    ("GET", "order"): IDENTITY,
    ("DELETE", "order"): IDENTITY | {"newClientOrderId", "cancelRestrictions"},
    ("GET", "openOrders"): frozenset({"symbol"}),
    ("DELETE", "openOrders"): frozenset({"symbol"}),
    ("GET", "allOrders"): RANGE | {"orderId"},
    ("GET", "myTrades"): RANGE | {"orderId", "fromId"},
    ("GET", "account"): frozenset({"omitZeroBalances"}),
    ("GET", "account/commission"): frozenset({"symbol"}),
    ("GET", "rateLimit/order"): frozenset(),
    ("GET", "ping"): frozenset(),
    ("GET", "time"): frozenset(),
    ("GET", "exchangeInfo"): CHOICE | {"permissions", "showPermissionSets"},
    ("GET", "klines"): RANGE | {"interval", "timeZone"},
    ("GET", "uiKlines"): RANGE | {"interval", "timeZone"},
    ("GET", "depth"): frozenset({"symbol", "limit", "symbolStatus"}),
    ("GET", "trades"): frozenset({"symbol", "limit"}),
    ("GET", "historicalTrades"): frozenset({"symbol", "limit", "fromId"}),
    ("GET", "aggTrades"): RANGE | {"fromId"},
    ("GET", "avgPrice"): frozenset({"symbol"}),
    ("GET", "ticker/24hr"): CHOICE | {"type"},
    ("GET", "ticker/price"): CHOICE,
    ("GET", "ticker/bookTicker"): CHOICE,
}
PUBLIC = frozenset(
    {
        *("ping", "time", "exchangeInfo", "klines", "uiKlines", "depth", "trades", "historicalTrades", "aggTrades"),
        *("avgPrice", "ticker/24hr", "ticker/price", "ticker/bookTicker"),
    }
)
WEIGHTS = {
    ("GET", "exchangeInfo"): 20,
    ("GET", "trades"): 25,
    ("GET", "historicalTrades"): 25,
    ("GET", "aggTrades"): 4,
    ("GET", "klines"): 2,
    ("GET", "uiKlines"): 2,
    ("GET", "avgPrice"): 2,
    ("GET", "account"): 20,
    ("GET", "order"): 4,
    ("GET", "allOrders"): 20,
    ("GET", "account/commission"): 20,
    ("GET", "rateLimit/order"): 40,
}
# One symbol, then all or several of them.
BY_SYMBOL = {"openOrders": (6, 80), "ticker/24hr": (2, 80), "ticker/price": (2, 4), "ticker/bookTicker": (2, 4)}
DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50))
DEEPEST_WEIGHT = 250


def weight_of(method: str, path: str, query: str) -> int:
    """Request weight of a request, as announced.

    ``path`` is below /api/v3, ``query`` the raw query string. It is counted before anything is checked, so a malformed
    parameter weighs as its default, and an unknown path 1.
    """
    # Orders and cancels weigh 1 on the exchange too: new orders have limits of their own.
    if method != "GET":
        return 1
    sent = parse_qs(query) if path in BY_SYMBOL or path in {"depth", "myTrades"} else {}
    if path in BY_SYMBOL:
        return BY_SYMBOL[path]["symbol" not in sent]
    if path == "myTrades":
        return 5 if "orderId" in sent else 20
    if path == "depth":
        limit_text = sent.get("limit", ["100"])[0]
        # A number of more digits than any depth is no number worth parsing; it weighs like no number at all.
        levels = int(limit_text) if limit_text.isascii() and limit_text.isdigit() and len(limit_text) < 10 else 0
        return next((weight for maximum, weight in DEPTH_WEIGHTS if levels <= maximum), DEEPEST_WEIGHT)
    return WEIGHTS.get((method, path), 1)


def check_known(method: str, path: str, parameters: Parameters) -> None:
    """Refuse what an endpoint would not read: a name misspelt must not be taken for a choice not made.

    -1101 for parameters where none are taken, -1104 for one name too many, as on the page "Error Codes". Parameters of
    the signature are allowed on endpoints that need a key. KeyError for an endpoint that there is not.
    """
    endpoint = KNOWN[method, path]
    allowed = endpoint if path in PUBLIC else endpoint | SIGNING
    sent = parameters.values
    read = sum(name in allowed for name in sent)
    if read == len(sent):
        return
    if not allowed:
        raise VenueError(-1101, f"Too many parameters; expected '0' and received '{len(sent)}'.")
    text = f"read '{read}' parameter(s) but was sent '{len(sent)}'."
    raise VenueError(-1104, f"Not all sent parameters were read; {text}")
