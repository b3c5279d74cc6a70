"""The WebSocket side: market streams on /ws and /stream, requests and user data on /ws-api/v3.

By the pages "WebSocket Streams" and "General API Information" of the WebSocket API. Requests share routes, checks and
limits with REST, so that both ways in behave alike.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tidemill.domain.errors import DataError, TidemillError
from tidemill.venue import errors
from tidemill.venue.account_api import AccountApi
from tidemill.venue.endpoints import check_known, weight_of
from tidemill.venue.hub import Hub, Listener
from tidemill.venue.live_feed import Follower
from tidemill.venue.market_api import MarketApi
from tidemill.venue.parameters import Parameters
from tidemill.venue.rest import check_sender
from tidemill.venue.socket_messages import Misunderstood, read_control, read_parameters, read_request
from tidemill.venue.sockets import Socket
from tidemill.venue.state import VenueState

SIGNED = {
    "account.status": ("GET", "account"),
    "account.commission": ("GET", "account/commission"),
    "account.rateLimits.orders": ("GET", "rateLimit/order"),
    "order.place": ("POST", "order"),
    "order.test": ("POST", "order/test"),
    "order.cancelReplace": ("POST", "order/cancelReplace"),
    "order.status": ("GET", "order"),
    "order.cancel": ("DELETE", "order"),
    "openOrders.status": ("GET", "openOrders"),
    "openOrders.cancelAll": ("DELETE", "openOrders"),
    "allOrders": ("GET", "allOrders"),
    "myTrades": ("GET", "myTrades"),
}
PUBLIC = {
    "ping": "ping",
    "time": "time",
    "exchangeInfo": "exchangeInfo",
    "depth": "depth",
    "trades.recent": "trades",
    "trades.historical": "historicalTrades",
    "trades.aggregate": "aggTrades",
    "klines": "klines",
    "uiKlines": "uiKlines",
    "avgPrice": "avgPrice",
    "ticker.24hr": "ticker/24hr",
    "ticker.price": "ticker/price",
    "ticker.book": "ticker/bookTicker",
}
ROUTES = SIGNED | {method: ("GET", path) for method, path in PUBLIC.items()}
ORDERS = {"order.place", "order.cancelReplace"}


class SocketApi:
    """Both kinds of sockets of one venue.

    Faults for requests apply to REST only; those for streams to what is told here.
    """

    def __init__(
        self,
        state: VenueState,
        market: MarketApi,
        account: AccountApi,
        hub: Hub,
        follower: Follower,
    ) -> None:
        self._state = state
        self._market = market
        self._account = account
        self._hub = hub
        self._usage = state.usage
        self._follower = follower
        self._subscriptions = 0

    async def market_streams(self, request: web.Request) -> web.StreamResponse:
        """/ws[/names] tells raw events, /stream?streams=a/b wraps them with the stream's name.

        Messages subscribe and unsubscribe; they are answered in the order in which they came.
        """
        socket = Socket(request, self._state.options.limits)
        listener = Listener(socket=socket, combined=request.path.startswith("/stream"))
        named = request.query.get("streams", request.match_info.get("names", ""))
        # A bare number is what some clients put there to tell their connections apart.
        listener.streams |= dict.fromkeys(name for name in named.split("/") if name and not name.isdigit())

        async def on_text(text: str) -> None:
            socket.send(self._control(listener, text))

        self._hub.join(listener)
        try:
            return await socket.serve(on_text)
        finally:
            self._hub.leave(listener)

    async def requests(self, request: web.Request) -> web.StreamResponse:
        """/ws-api/v3: what REST does, and the user data stream.

        A connection's requests are answered one after the other, each when it is on disk. Its subscriptions end with
        the connection.
        """
        socket = Socket(request, self._state.options.limits)

        async def on_text(text: str) -> None:
            answer = await self._call(socket, text)
            try:
                await self._hub.settle()
            except TidemillError:
                # A result that could be undone must not be told: the error takes its place.
                answer |= {"status": errors.BROKEN.status, "error": errors.BROKEN.body()}
                answer.pop("result", None)
            socket.send(answer)

        try:
            return await socket.serve(on_text)
        finally:
            self._hub.unsubscribe(socket)

    # -- market streams

    def _control(self, listener: Listener, text: str) -> dict[str, Any]:
        """Answer SUBSCRIBE, UNSUBSCRIBE and the like."""
        number: object = None
        try:
            message = read_control(text)
            number = message.get("id")
            return {"result": self._controlled(listener, message), "id": number}
        except Misunderstood as refused:
            answer = {"code": refused.code, "msg": refused.message}
            return answer if number is None else answer | {"id": number}

    def _controlled(self, listener: Listener, message: dict[str, Any]) -> object:
        method, parameters = message.get("method"), message.get("params", [])
        if not isinstance(parameters, list):
            raise Misunderstood(2, "Invalid request: params must be an array")
        if method in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            self._choose(listener, str(method), parameters)
            return None
        if method == "LIST_SUBSCRIPTIONS":
            return list(listener.streams)
        if method in {"SET_PROPERTY", "GET_PROPERTY"} and parameters[:1] == ["combined"]:
            return _property(listener, str(method), parameters)
        methods = "SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY, GET_PROPERTY"
        raise Misunderstood(2, f"Invalid request: unknown method, expected one of {methods}")

    def _choose(self, listener: Listener, method: str, names: list[Any]) -> None:
        if not names or not all(isinstance(name, str) for name in names):
            raise Misunderstood(2, "Invalid request: params must be a list of stream names")
        if method == "UNSUBSCRIBE":
            for name in names:
                listener.streams.pop(name, None)
        elif len({*listener.streams, *names}) > self._state.options.limits.streams_per_connection:
            raise Misunderstood(2, "Invalid request: too many streams on this connection")
        else:
            listener.streams |= dict.fromkeys(names)

    # -- requests

    async def _call(self, socket: Socket, text: str) -> dict[str, Any]:
        """One request's answer: id, status, result or error."""
        number: object = None
        try:
            message = read_request(text)
            number = message.get("id")
            method = str(message.get("method", "")).removeprefix("v3/")
            parameters = read_parameters(message.get("params") or {})
            self._usage.weigh(weight_of(*ROUTES.get(method, ("", "")), urlencode(parameters.values)), time.time())
            if method in ORDERS:
                # As over REST: the book first, for judging must not wait for a network.
                await self._follower.before_order(parameters.text("symbol"))

            def result_of() -> object:
                return self._result(socket, method, parameters)

            result = await self._follower.read(result_of) if method in PUBLIC else result_of()
        except errors.VenueError as error:
            return {"id": number, "status": error.http_status, "error": error.body()}
        except DataError:
            return {"id": number, "status": 400, "error": errors.INVALID_INTERVAL.body()}
        except TidemillError:
            return {"id": number, "status": 503, "error": errors.BROKEN.body()}
        return {"id": number, "status": 200, "result": result, "rateLimits": self._usage.used_rows()}

    def _result(self, socket: Socket, method: str, parameters: Parameters) -> object:
        stream: dict[str, Callable[[], Any]] = {
            "userDataStream.subscribe.signature": lambda: self._subscribe(socket, parameters),
            "userDataStream.unsubscribe": lambda: self._unsubscribe(socket, parameters),
        }
        if method in stream:
            return stream[method]()
        if self._state.is_down and method not in {"ping", "time"}:
            raise errors.DOWN
        if method in SIGNED:
            key = check_sender(self._state, parameters.text("apiKey") or "", parameters)
            check_known(*SIGNED[method], parameters)
            if method in ORDERS:
                self._usage.count_order(key, time.time())
            return self._account.routes[SIGNED[method]](key, parameters)
        if method not in PUBLIC:
            raise errors.UNSUPPORTED
        check_known("GET", PUBLIC[method], parameters)
        answer = self._market.routes[PUBLIC[method]](parameters)
        return json.loads(answer) if isinstance(answer, bytes) else answer

    def _subscribe(self, socket: Socket, parameters: Parameters) -> dict[str, Any]:
        key = check_sender(self._state, parameters.text("apiKey") or "", parameters)
        if self._hub.hears(key, socket):
            raise errors.SUBSCRIBED
        number = self._subscriptions
        self._subscriptions += 1
        self._hub.subscribe(key, socket, number)
        return {"subscriptionId": number}

    def _unsubscribe(self, socket: Socket, parameters: Parameters) -> dict[str, Any]:
        if not self._hub.unsubscribe(socket, parameters.integer("subscriptionId")):
            raise errors.NOT_SUBSCRIBED
        return {}


def _property(listener: Listener, method: str, parameters: list[Any]) -> bool | None:
    if method == "GET_PROPERTY":
        return listener.combined
    if len(parameters) != 2 or not isinstance(parameters[1], bool):
        raise Misunderstood(1, "Invalid value type: expected Boolean")
    listener.combined = parameters[1]
    return None
