"""The REST API below /v5: who asks, how often, with which fault, and where it goes.

By the page "Rate Limit Rules": 600 requests in five seconds of an address (403 beyond), and for each key and endpoint a
number per second (10006 beyond), of which headers tell what is left.
"""

from __future__ import annotations

import time
from collections import deque

from aiohttp import web

from tidemill.domain.errors import TidemillError
from tidemill.venue.bybit import errors
from tidemill.venue.bybit.account import BybitAccount
from tidemill.venue.bybit.calls import Call
from tidemill.venue.bybit.market import BybitMarket
from tidemill.venue.errors import VenueError
from tidemill.venue.fault_effects import apply_fault
from tidemill.venue.hub import Hub
from tidemill.venue.live_feed import Follower
from tidemill.venue.market_api import MarketApi
from tidemill.venue.options import PLENTY
from tidemill.venue.state import VenueState

PREFIX = "/v5/"
KINDS = {
    "order/create": "order",
    "order/cancel": "cancel",
    "order/cancel-all": "cancel",
    "order/realtime": "query",
    "order/history": "query",
}
ORDERS_PER_SECOND, QUERIES_PER_SECOND = 20, 50
IP_REQUESTS, IP_SECONDS = 600, 5.0


class BybitRest:
    """Routes, checks and answers; one instance a server.

    Faults, journal and hub are those of the venue; ``market`` answers what is known of prices.
    """

    def __init__(self, state: VenueState, market: MarketApi, hub: Hub, follower: Follower) -> None:
        self._state = state
        self._market = BybitMarket(state, market)
        self._account = BybitAccount(state)
        self._hub = hub
        self._follower = follower
        self._sent: dict[tuple[str, str], deque[float]] = {}
        # One switch for both protocols: whoever lifts the weight means all limits.
        self._unlimited = state.options.limits.weight_per_minute >= PLENTY

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request; nothing is told before it is on disk.

        Errors leave with status 200 unless the exchange has another one for them; an unknown path is 404.
        """
        path = request.path.removeprefix(PREFIX)
        try:
            self._count(("", ""), IP_REQUESTS, IP_SECONDS, errors.TOO_FREQUENT)
            body = (await request.read()).decode("utf-8", "replace")
        except errors.BybitError as error:
            return error.answer()
        except web.HTTPRequestEntityTooLarge:
            return errors.bad_parameter("the body is too long").answer()
        kind = KINDS.get(path) or ("market" if path in self._market.routes else "account")

        async def proceed() -> web.StreamResponse:
            answer = await self._routed(request, path, body)
            try:
                await self._hub.settle()
            except TidemillError:
                return errors.SERVER_ERROR.answer()
            return answer

        fault = self._state.faults.take_request(kind, f"{request.query_string}&{body}")
        return await (apply_fault(fault, request, proceed, _render_error) if fault else proceed())

    async def _routed(self, request: web.Request, path: str, body: str) -> web.Response:
        try:
            if not request.path.startswith(PREFIX) or not self._has(request.method, path):
                raise errors.NO_ROUTE
            if self._state.is_down and path != "market/time":
                raise errors.SERVER_ERROR
            call = Call.parse(request.method, request.rel_url.raw_query_string, body, request.headers)
            public = self._market.routes.get(path)
            if public is not None:
                return web.json_response(errors.envelope(await self._follower.read(lambda: public(call))))
            return await self._signed(request.method, path, call)
        except errors.BybitError as error:
            return error.answer()
        except VenueError as error:
            return errors.translate(error).answer()
        except TidemillError:
            return errors.SERVER_ERROR.answer()

    async def _signed(self, method: str, path: str, call: Call) -> web.Response:
        key = call.check_sender(self._state.secrets, self._state.wall())
        maximum = ORDERS_PER_SECOND if method == "POST" else QUERIES_PER_SECOND
        # Counted after the signature, so that nobody uses up the rate of another key.
        remaining = self._count((key, path), maximum, 1.0, errors.TOO_MANY_VISITS)
        if path == "order/create":
            await self._follower.before_order(call.text("symbol"))
        answer: object = self._account.routes[method, path](key, call)
        headers = {"X-Bapi-Limit": str(maximum), "X-Bapi-Limit-Status": str(remaining)}
        headers["X-Bapi-Limit-Reset-Timestamp"] = str(int(time.time() * 1000))
        return web.json_response(errors.envelope(answer), headers=headers)

    def _has(self, method: str, path: str) -> bool:
        return (method, path) in self._account.routes or (method == "GET" and path in self._market.routes)

    def _count(self, who: tuple[str, str], maximum: int, seconds: float, refusal: errors.BybitError) -> int:
        """Count one request of a rolling window and give what is left of it; the refusal beyond the limit."""
        if self._unlimited:
            return maximum
        sent, now = self._sent.setdefault(who, deque()), time.monotonic()
        while sent and now - sent[0] >= seconds:
            sent.popleft()
        if len(sent) >= maximum:
            raise refusal
        sent.append(now)
        return maximum - len(sent)


def _render_error(error: VenueError) -> web.Response:
    """A fault's error in this protocol."""
    return errors.translate(error).answer()
