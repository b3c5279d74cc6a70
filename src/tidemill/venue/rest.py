"""The REST API below /api/v3: who asks, how much, with which fault, and where it goes.

What is checked first decides what a client sees: weight, then faults, then maintenance, key, window, signature, and the
parameters last. Headers and statuses follow "General API Information" and "LIMITS".
"""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qsl

from aiohttp import web

from tidemill.domain.errors import DataError, TidemillError
from tidemill.venue import errors
from tidemill.venue.account_api import AccountApi
from tidemill.venue.endpoints import check_known, weight_of
from tidemill.venue.fault_effects import apply_fault
from tidemill.venue.hub import Hub
from tidemill.venue.live_feed import Follower
from tidemill.venue.market_api import MarketApi
from tidemill.venue.parameters import Parameters
from tidemill.venue.state import VenueState

PREFIX = "/api/v3/"
KINDS = {
    ("POST", "order"): "order",
    ("POST", "order/cancelReplace"): "order",
    ("DELETE", "order"): "cancel",
    ("DELETE", "openOrders"): "cancel",
    ("GET", "order"): "query",
}
ORDERS = {("POST", "order"), ("POST", "order/cancelReplace")}
ALWAYS_UP = {"ping", "time"}
LONGEST_BODY = 64 * 1024
JSON = "application/json"


class Rest:
    """Routes, checks and answers; one instance a server.

    One per server; it runs on the venue's loop. Only reading live prices leaves the loop.
    """

    def __init__(self, state: VenueState, market: MarketApi, account: AccountApi, hub: Hub, follower: Follower) -> None:
        self.state = state
        self._market = market
        self._account = account
        self._hub = hub
        self._follower = follower

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request: its weight, its fault, its route; nothing is told before it is on disk.

        Any path and any method end here; an unknown path is 404, a known one with another method 405. The weight used
        so far stands in a header, but for a refusal for weight itself and where a fault has cut the answer.
        """
        path = request.path.removeprefix(PREFIX)
        try:
            # Weighed before it is read: asking too much is refused even when what is asked is nonsense.
            used = self.state.usage.weigh(weight_of(request.method, path, request.query_string), time.time())
            body = await _body(request)
        except errors.VenueError as error:
            return error.answer()

        kind = KINDS.get((request.method, path)) or (
            "account" if (request.method, path) in self._account.routes else "market"
        )

        # A fault decides whether and when this is done, so it is handed over undone.
        async def proceed() -> web.StreamResponse:
            answer = await self._routed(request, path, body, kind)
            try:
                await self._hub.settle()
            except TidemillError:
                return errors.BROKEN.answer()
            return answer

        fault = self.state.faults.take_request(kind, f"{request.query_string}&{body}")
        answer = await (apply_fault(fault, request, proceed) if fault else proceed())
        # Headers of a truncated answer have left already.
        if not answer.prepared:
            answer.headers["X-MBX-USED-WEIGHT-1M"] = str(used)
        return answer

    async def _routed(self, request: web.Request, path: str, body: str, kind: str) -> web.Response:
        if kind == "order":
            sent = dict(parse_qsl(f"{request.rel_url.raw_query_string}&{body}"))
            # The book is fetched before the request is judged, for judging must not wait for a network.
            await self._follower.before_order(sent.get("symbol"))
        if kind == "market":
            return await self._follower.read(lambda: self._route(request, path, body))
        return self._route(request, path, body)

    def _route(self, request: web.Request, path: str, body: str) -> web.Response:
        try:
            if not request.path.startswith(PREFIX):
                raise web.HTTPNotFound(reason="Not Found")
            if self.state.is_down and path not in ALWAYS_UP:
                raise errors.DOWN
            return self._call(request, path, Parameters.parse(request.rel_url.raw_query_string, body))
        except errors.VenueError as error:
            return error.answer()
        except web.HTTPException as error:
            return web.json_response({"code": -1100, "msg": error.reason}, status=error.status)
        except DataError:
            return errors.INVALID_INTERVAL.answer()
        except TidemillError:
            return errors.BROKEN.answer()

    def _call(self, request: web.Request, path: str, parameters: Parameters) -> web.Response:
        signed = self._account.routes.get((request.method, path))
        if signed is not None:
            key = check_sender(self.state, request.headers.get("X-MBX-APIKEY", ""), parameters)
            check_known(request.method, path, parameters)
            if (request.method, path) not in ORDERS:
                return _json(signed(key, parameters))
            # After key and signature: nobody may use up the orders of somebody else.
            self.state.usage.count_order(key, time.time())
            return _json(signed(key, parameters), self.state.usage.order_counts(key))
        public = self._market.routes.get(path)
        if public is None:
            path_exists = any(path == name for _, name in self._account.routes)
            raise web.HTTPMethodNotAllowed(request.method, []) if path_exists else web.HTTPNotFound(reason="Not Found")
        if request.method != "GET":
            raise web.HTTPMethodNotAllowed(request.method, ["GET"])
        check_known("GET", path, parameters)
        return _json(public(parameters))


def check_sender(state: VenueState, key: str, parameters: Parameters) -> str:
    """The key of a signed request, when key, window and signature are right.

    -2014 for a key of other characters than letters and digits, -2015 for an unknown one, then what window and
    signature refuse. The same for both ways in, REST and WebSocket.
    """
    if not key or not key.isascii() or not key.isalnum():
        raise errors.BAD_KEY_FORMAT
    secret = state.secrets.get(key)
    if secret is None:
        raise errors.BAD_KEY
    parameters.check_window(state.wall())
    parameters.check_signature(secret)
    return key


def _json(answer: object, headers: dict[str, str] | None = None) -> web.Response:
    body = answer if isinstance(answer, bytes) else json.dumps(answer, separators=(",", ":")).encode()
    return web.Response(body=body, content_type=JSON, headers=headers)


async def _body(request: web.Request) -> str:
    """The raw form; VenueError when it is no text or too long."""
    try:
        return (await request.read()).decode("utf-8")
    except UnicodeError as error:
        raise errors.illegal("body") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise errors.VenueError(-1100, "Request entity too large.", 413) from error
