"""The simulator's own API, on a port and with a token of its own.

No exchange has this: a test or a replay moves the clock, opens accounts, puts faults in force and compares what the
client believes with what happened. The token is new for every start, so no client of the exchange can stumble in.
"""

from __future__ import annotations

import hmac
import inspect
import json
from collections.abc import Callable, Coroutine
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web

from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time, parse_time
from tidemill.venue.hub import Hub
from tidemill.venue.shapes import order_shape, trade_shape
from tidemill.venue.state import VenueState


class Admin:
    """Handlers for clock, accounts, faults and the truth about all of them.

    ``refuse`` closes the public port for a number of seconds, for the fault ``connection_refused``.
    """

    def __init__(
        self, state: VenueState, token: str, hub: Hub, refuse: Callable[[float], Coroutine[Any, Any, None]]
    ) -> None:
        self.state = state
        self._token = token
        self._hub = hub
        self._refuse = refuse

    def application(self) -> web.Application:
        """The aiohttp application.

        For a port of its own: a fault that closes the exchange's port must not close this one.
        """
        application = web.Application()
        application.router.add_get("/clock", self.read_clock)
        application.router.add_post("/clock", self.guarded(self.move_clock))
        application.router.add_post("/accounts", self.guarded(self.open_account))
        application.router.add_post("/faults", self.guarded(self.add_fault))
        application.router.add_delete("/faults", self.guarded(self.clear_faults))
        application.router.add_post("/book", self.guarded(self.feed_book))
        application.router.add_delete("/book", self.guarded(self.drop_book))
        application.router.add_get("/truth", self.truth)
        return application

    def guarded(self, handler: Any) -> Any:
        """Ask for the token, read the JSON body, and turn bad input into 400 with one sentence.

        401 without the token, 409 when what is to be opened exists. The answer leaves after the change is on disk and
        its stream events are on their way, so that a test need not wait for either.
        """

        async def answer(request: web.Request) -> web.Response:
            if not self._knows_token(request):
                return _stranger()
            try:
                result = handler(_object(await request.text()))
                if inspect.isawaitable(result):
                    result = await result
                await self._hub.settle()
                # Before the answer: whoever moved the clock may read the streams at once.
                await self._hub.publish_market()
                return web.json_response(result)
            except (DataError, KeyError, ValueError, InvalidOperation, TypeError) as error:
                text = str(error) if isinstance(error, DataError) else f"malformed body: {error!r}"
                return web.json_response({"error": text}, status=409 if "exists" in text else 400)

        return answer

    async def read_clock(self, _request: web.Request) -> web.Response:
        """The market clock; no token asked."""
        return web.json_response({"now": format_time(self.state.now)})

    def move_clock(self, body: dict[str, Any]) -> dict[str, Any]:
        """Move the market clock forward.

        Body: ``now`` in ISO 8601. A moment in the past changes nothing; a venue on the real clock refuses. The answer
        has the number of trades that came of it.
        """
        if self.state.options.clock != "recorded":
            raise DataError("the clock of this venue is the real one; start it with --clock recorded")
        trades = self.state.move_clock(parse_time(str(body["now"]), "now"))
        return {"now": format_time(self.state.now), "trades": trades}

    def open_account(self, body: dict[str, Any]) -> dict[str, Any]:
        """Open an account under a key.

        Body: ``key``, ``secret`` and ``balances`` by asset. 409 when the key is taken.
        """
        # Through Decimal and back: a number that is none fails here, not when the journal is read again.
        balances = {str(asset): str(Decimal(str(text))) for asset, text in body["balances"].items()}
        self.state.open_account(str(body["key"]), str(body["secret"]), balances)
        return {"opened": True}

    def feed_book(self, body: dict[str, Any]) -> dict[str, Any]:
        """Let a symbol trade on a book of [price, quantity] levels, best first, until it is dropped.

        Body: ``symbol``, ``bids`` and ``asks``. 400 for a symbol that is not served or a book that is crossed.
        """
        sides = ([[Decimal(str(number)) for number in level] for level in body[name]] for name in ("bids", "asks"))
        return {"trades": self.state.feed_book(self._instrument(body), *sides)}

    def drop_book(self, body: dict[str, Any]) -> dict[str, Any]:
        """Let a symbol trade on bars again.

        Body: ``symbol``. Orders that rest stay, and meet bars that open from now on.
        """
        self.state.drop_book(self._instrument(body))
        return {"dropped": True}

    def _instrument(self, body: dict[str, Any]) -> str:
        symbols = self.state.symbols
        if body["symbol"] not in symbols:
            raise DataError(f"the venue has no symbol {body['symbol']}; there are {', '.join(sorted(symbols))}")
        return symbols[body["symbol"]].id

    async def add_fault(self, body: dict[str, Any]) -> dict[str, Any]:
        """Put a fault in force, or begin its spell.

        Body: ``fault``, and where they matter ``on``, ``count``, ``seed``, ``match`` and ``seconds``, see
        :class:`~tidemill.venue.faults.Fault`.
        """
        seed, seconds = body.get("seed"), body.get("seconds")
        fault = self.state.faults.add(
            str(body["fault"]),
            str(body.get("on", "order")),
            int(body.get("count", 1)),
            None if seed is None else int(seed),
            str(body.get("match", "")),
            None if seconds is None else float(seconds),
        )
        if fault.name == "connection_refused":
            await self._refuse(fault.seconds)
        return {"added": True}

    def clear_faults(self, _body: dict[str, Any]) -> dict[str, Any]:
        """Lift all faults."""
        self.state.faults.clear()
        return {"cleared": True}

    async def truth(self, request: web.Request) -> web.Response:
        """What really happened: every order, trade and balance of every account, or of the one named ``key``.

        No fault touches it, and ``query_lag`` does not delay it. ``struck`` counts the faults applied so far by name.
        """
        if not self._knows_token(request):
            return _stranger()
        exchange = self.state.exchange
        account_key = request.query.get("key")
        orders, trades, balances = [], [], {}
        for key in self.state.secrets:
            if account_key not in {None, key}:
                continue
            orders += [order_shape(order, order.ticket.instrument) | {"key": key} for order in exchange.orders(key)]
            trades += [trade_shape(trade, trade.instrument) | {"key": key} for trade in exchange.trades(key)]
            balances[key] = {
                asset: {"free": str(balance.free), "locked": str(balance.locked)}
                for asset, balance in exchange.balances(key).items()
            }
        struck = dict(self.state.faults.applied)
        return web.json_response({"orders": orders, "trades": trades, "balances": balances, "struck": struck})

    def _knows_token(self, request: web.Request) -> bool:
        token = request.headers.get("X-Admin-Token", "")
        return hmac.compare_digest(token.encode(), self._token.encode())


def _stranger() -> web.Response:
    return web.json_response({"error": "wrong or missing X-Admin-Token"}, status=401)


def _object(text: str) -> dict[str, Any]:
    body = json.loads(text or "{}")
    if not isinstance(body, dict):
        raise DataError("the body must be a JSON object")
    return body
