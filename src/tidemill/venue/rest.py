"""The REST API below /api/v3."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tidemill.domain.errors import DataError, TidemillError
from tidemill.domain.market import Instrument
from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.matching import Ticket
from tidemill.venue import errors
from tidemill.venue.faults import strike
from tidemill.venue.market_api import MarketApi
from tidemill.venue.parameters import Parameters, to_millis
from tidemill.venue.shapes import cancelled_shape, order_shape, placed_shape, trade_shape
from tidemill.venue.state import VenueState

ORDER_KIND = {("POST", "order"): "order", ("DELETE", "order"): "cancel", ("GET", "order"): "query"}
WEIGHTS = {"exchangeInfo": 20, "account": 20, "allOrders": 20, "myTrades": 20, "openOrders": 6, "ticker/24hr": 2}
ALWAYS_UP = {"ping", "time"}
TYPES = {name: OrderType(name) for name in ("LIMIT", "MARKET", "LIMIT_MAKER")} | {
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT
}
MOST_ROWS = 1000


class Rest:
    """Routes, checks and answers; one instance a server."""

    def __init__(self, state: VenueState) -> None:
        self.state = state
        self.market = MarketApi(state)
        self._minute = 0
        self._used = 0
        self._signed: dict[tuple[str, str], Callable[[str, Parameters], Any]] = {
            ("GET", "account"): self.account,
            ("POST", "order"): self.place,
            ("POST", "order/test"): self.test,
            ("GET", "order"): self.query,
            ("DELETE", "order"): self.cancel,
            ("GET", "openOrders"): self.open_orders,
            ("DELETE", "openOrders"): self.cancel_all,
            ("GET", "allOrders"): self.all_orders,
            ("GET", "myTrades"): self.my_trades,
        }

    def application(self) -> web.Application:
        """The aiohttp application."""
        made = web.Application(client_max_size=64 * 1024)
        made.router.add_route("*", "/{path:.*}", self.answer)
        return made

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request: weight, fault, route."""
        path = request.path.removeprefix("/api/v3/")
        kind = ORDER_KIND.get((request.method, path), "account" if (request.method, path) in self._signed else "market")
        try:
            used = self._weigh(path)
        except errors.VenueError as error:
            return error.answer()
        fault = self.state.faults.take(kind)

        async def proceed() -> web.StreamResponse:
            return await self._route(request, path)

        made = await (strike(fault, request, proceed) if fault else proceed())
        if not made.prepared:
            made.headers["X-MBX-USED-WEIGHT-1M"] = str(used)
        return made

    async def _route(self, request: web.Request, path: str) -> web.StreamResponse:
        try:
            if self.state.is_down and path not in ALWAYS_UP:
                raise errors.DOWN
            parameters = Parameters.parse(request.query_string, await _body(request))
            return web.json_response(self._call(request, path, parameters))
        except errors.VenueError as error:
            return error.answer()
        except web.HTTPException as error:
            return web.json_response({"code": -1100, "msg": error.reason}, status=error.status)
        except UnicodeError:
            return errors.illegal("body").answer()
        except DataError:
            return errors.INVALID_INTERVAL.answer()
        except TidemillError as error:
            return errors.VenueError(-1001, str(error), 503).answer()

    def _call(self, request: web.Request, path: str, parameters: Parameters) -> Any:
        if not request.path.startswith("/api/v3/"):
            raise web.HTTPNotFound(reason="Not Found")
        if handler := self._signed.get((request.method, path)):
            key = self._check_sender(request, parameters)
            return handler(key, parameters)
        public = self.market.routes.get(path)
        if public is None:
            raise web.HTTPNotFound(reason="Not Found")
        if request.method != "GET":
            raise web.HTTPMethodNotAllowed(request.method, ["GET"], reason="Method Not Allowed")
        return public(parameters)

    def _check_sender(self, request: web.Request, parameters: Parameters) -> str:
        key = request.headers.get("X-MBX-APIKEY", "")
        if not key or not key.isascii() or not key.isalnum():
            raise errors.BAD_KEY_FORMAT
        secret = self.state.secrets.get(key)
        if secret is None:
            raise errors.BAD_KEY
        parameters.check_window(self.state.wall())
        parameters.check_signature(secret)
        return key

    def _weigh(self, path: str) -> int:
        """Count the request's weight in this minute; 429 with Retry-After beyond the limit."""
        now = time.time()
        if int(now // 60) != self._minute:
            self._minute, self._used = int(now // 60), 0
        self._used += WEIGHTS.get(path, 1)
        if self._used > self.state.options.weight_limit:
            retry = {"Retry-After": str(60 - int(now % 60))}
            raise errors.VenueError(-1003, "Too much request weight used; please use WebSocket.", 429, retry)
        return self._used

    # -- the account's endpoints

    def account(self, key: str, _parameters: Parameters) -> dict[str, Any]:
        """Balances and rates of the account."""
        rules = self.state.options.rules
        maker, taker = int(rules.fee_maker * 10_000), int(rules.fee_taker * 10_000)
        return {
            "makerCommission": maker,
            "takerCommission": taker,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "accountType": "SPOT",
            "updateTime": to_millis(self.state.wall()),
            "permissions": ["SPOT"],
            "balances": [
                {"asset": one.asset, "free": format(one.free, "f"), "locked": format(one.locked, "f")}
                for one in self.state.exchange.balances(key).values()
            ],
        }

    def place(self, key: str, parameters: Parameters) -> dict[str, Any]:
        """Place an order; the window is checked once more just before it is matched."""
        response = (parameters.text("newOrderRespType") or "FULL").upper()
        if response not in {"ACK", "RESULT", "FULL"}:
            raise errors.VenueError(-1145, "Invalid newOrderRespType")
        ticket = self._ticket(parameters)
        parameters.check_window(self.state.wall())
        return placed_shape(self.state.place(key, ticket), parameters.need("symbol"), response)

    def test(self, key: str, parameters: Parameters) -> dict[str, Any]:
        """Judge an order without placing it."""
        self.state.check(key, self._ticket(parameters))
        return {}

    def query(self, key: str, parameters: Parameters) -> dict[str, Any]:
        """One order by the exchange's id or ours."""
        symbol, instrument = self._symbol(parameters)
        if self.state.faults.lagging():
            raise errors.NO_SUCH_ORDER
        order = self.state.exchange.find_order(key, instrument.id, **_identity(parameters))
        if order is None:
            raise errors.NO_SUCH_ORDER
        return order_shape(order, symbol)

    def cancel(self, key: str, parameters: Parameters) -> dict[str, Any]:
        """Cancel one order; it gets a new client order id."""
        symbol, instrument = self._symbol(parameters)
        identity = _identity(parameters)
        known = self.state.exchange.find_order(key, instrument.id, **identity)
        original = known.client_order_id if known else ""
        new_id = parameters.client_id("newClientOrderId")
        done = self.state.cancel(key, instrument.id, identity["order_id"], identity["client_order_id"], new_id)
        return cancelled_shape(done, symbol, original)

    def open_orders(self, key: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Resting orders of one symbol or all."""
        chosen = self._symbol(parameters)[1].id if parameters.text("symbol") else None
        orders = self.state.exchange.orders(key, chosen, open_only=True)
        return [order_shape(one, self._symbol_of(one.ticket.instrument)) for one in orders]

    def cancel_all(self, key: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Cancel all resting orders of a symbol; -2011 when there is none."""
        symbol, instrument = self._symbol(parameters)
        resting = self.state.exchange.orders(key, instrument.id, open_only=True)
        if not resting:
            raise errors.VenueError(-2011, "Unknown order sent.")
        return [
            cancelled_shape(
                self.state.cancel(key, instrument.id, one.order_id, None, None), symbol, one.client_order_id
            )
            for one in resting
        ]

    def all_orders(self, key: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Orders of a symbol, oldest first: from an id, or within times."""
        symbol, instrument = self._symbol(parameters)
        first, start, end, limit = _range(parameters, "orderId")
        found = [one for one in self.state.exchange.orders(key, instrument.id) if one.order_id >= first]
        within = [one for one in found if start <= to_millis(one.placed_wall) <= end]
        by_id = parameters.text("orderId") or parameters.text("startTime")
        return [order_shape(one, symbol) for one in (within[:limit] if by_id else within[-limit:])]

    def my_trades(self, key: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Executions of a symbol, oldest first: from an id, or within times."""
        symbol, instrument = self._symbol(parameters)
        first, start, end, limit = _range(parameters, "fromId")
        found = self.state.exchange.trades(key, instrument.id, after_trade_id=max(first - 1, 0))
        within = [one for one in found if start <= to_millis(one.wall_time) <= end]
        order_id = parameters.integer("orderId")
        wanted = [one for one in within if order_id in {None, one.order_id}]
        by_id = parameters.text("fromId") or parameters.text("startTime")
        return [trade_shape(one, symbol) for one in (wanted[:limit] if by_id else wanted[-limit:])]

    # -- within

    def _symbol(self, parameters: Parameters) -> tuple[str, Instrument]:
        symbol = parameters.need("symbol")
        instrument = self.state.symbols.get(symbol)
        if instrument is None:
            raise errors.INVALID_SYMBOL
        return symbol, instrument

    def _symbol_of(self, instrument: str) -> str:
        known = self.state.prices.instruments[instrument]
        return known.base + known.quote

    def _ticket(self, parameters: Parameters) -> Ticket:
        _, instrument = self._symbol(parameters)
        side, kind = parameters.need("side"), parameters.need("type")
        if side not in {"BUY", "SELL"}:
            raise errors.INVALID_SIDE
        if kind not in TYPES:
            raise errors.INVALID_TYPE
        quantity = parameters.decimal("quantity")
        if quantity is None:
            raise errors.missing("quantity")
        priced = TYPES[kind] is not OrderType.MARKET
        limit = parameters.decimal("price")
        if priced and limit is None:
            raise errors.missing("price")
        if not priced and limit is not None:
            raise errors.VenueError(-1106, "Parameter 'price' sent when not required.")
        stop = parameters.decimal("stopPrice")
        if TYPES[kind] is OrderType.STOP_LIMIT and stop is None:
            raise errors.missing("stopPrice")
        sent_id = parameters.client_id("newClientOrderId")
        return Ticket(
            client_order_id=sent_id or f"venue{self.state.exchange.order_count + 1}",
            instrument=instrument.id,
            side=Side(side),
            order_type=TYPES[kind],
            time_in_force=_time_in_force(parameters, TYPES[kind]),
            quantity=quantity,
            limit_price=limit,
            stop_price=stop if TYPES[kind] is OrderType.STOP_LIMIT else None,
        )


def _time_in_force(parameters: Parameters, kind: OrderType) -> TimeInForce:
    sent = parameters.text("timeInForce")
    if kind in {OrderType.LIMIT, OrderType.STOP_LIMIT} and sent is None:
        raise errors.missing("timeInForce")
    if sent is not None and sent not in set(TimeInForce):
        raise errors.INVALID_TIF
    return TimeInForce(sent) if sent else TimeInForce.GTC


def _identity(parameters: Parameters) -> dict[str, Any]:
    order_id, client_id = parameters.integer("orderId"), parameters.text("origClientOrderId")
    if order_id is None and client_id is None:
        raise errors.VenueError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return {"order_id": order_id, "client_order_id": client_id}


def _range(parameters: Parameters, first_name: str) -> tuple[int, int, int, int]:
    start, end = parameters.integer("startTime"), parameters.integer("endTime")
    limit = parameters.integer("limit")
    return (
        parameters.integer(first_name) or 0,
        start or 0,
        end if end is not None else 2**62,
        max(1, min(limit if limit is not None else 500, MOST_ROWS)),
    )


async def _body(request: web.Request) -> str:
    return (await request.read()).decode("utf-8")
