"""ccxt: blocking, asyncio, and with streams; and over TLS with its production URLs untouched."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import ccxt
import ccxt.async_support
import ccxt.pro
from aiohttp.abc import AbstractResolver
from conformance.clients import KEY, SECRET, Candle, Heard, Order, Place, Refused, Steps, Trade

SYMBOL = "AAPL/USD"
STATUS = {"open": "NEW", "closed": "FILLED", "canceled": "CANCELED"}
OPTIONS = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}


class _ToVenue(AbstractResolver):
    """Every name is the venue's port on loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
        del port, family
        found = {"hostname": host, "host": "127.0.0.1", "port": self._port, "family": socket.AF_INET}
        return [found | {"proto": 0, "flags": socket.AI_NUMERICHOST}]

    async def close(self) -> None:
        """Nothing is open."""


class Ccxt:
    """One of ccxt's three faces."""

    def __init__(self, place: Place, face: str) -> None:
        kinds = {"sync": ccxt.binance, "async": ccxt.async_support.binance}
        rest = dict.fromkeys(("public", "private", "v1", "sapi"), f"{place.rest}/api/v3")
        sockets = {"ws": {"spot": place.ws, "ws-api": {"spot": place.ws_api}}}
        settings: dict[str, Any] = {"apiKey": KEY, "secret": SECRET, "options": OPTIONS, "enableRateLimit": False}
        if not place.certificates:
            settings["urls"] = {"api": rest | sockets}
        self._client = kinds.get(face, ccxt.pro.binance)(settings)
        self._client.number = str
        self._blocks = face == "sync"
        self._streams = face in {"pro", "tls"}
        if place.certificates:
            context = ssl.create_default_context(cafile=place.certificates)
            resolver = _ToVenue(urlsplit(place.rest).port or 0)
            self._client.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver, ssl=context), trust_env=False
            )
            self._client.own_session = True
        self.base_url: str = self._client.urls["api"]["public"]

    async def _ask(self, name: str, *args: Any) -> Any:
        call = getattr(self._client, name)
        try:
            return await (asyncio.to_thread(call, *args) if self._blocks else call(*args))
        except ccxt.ExchangeError as error:
            body = self._client.last_http_response
            code = self._client.safe_integer(self._client.parse_json(body) or {}, "code")
            raise Refused(int(code or 0)) from error

    async def markets(self) -> dict[str, Steps]:
        found = await self._ask("load_markets")
        steps = {one["id"]: one["precision"] for one in found.values()}
        return {name: Steps(Decimal(one["price"]), Decimal(one["amount"])) for name, one in steps.items()}

    async def candles(self, start: int, limit: int) -> list[Candle]:
        rows = await self._ask("fetch_ohlcv", SYMBOL, "1d", start, limit)
        return [Candle(int(row[0]), *(Decimal(str(one)) for one in row[1:])) for row in rows]

    async def last_price(self) -> Decimal:
        return Decimal((await self._ask("fetch_ticker", SYMBOL))["last"])

    async def limit_buy(self, quantity: str, price: str, client_id: str) -> Order:
        extra = {"newClientOrderId": client_id}
        return _order(await self._ask("create_order", SYMBOL, "limit", "buy", quantity, price, extra))

    async def market_buy(self, quantity: str, client_id: str) -> Order:
        extra = {"newClientOrderId": client_id}
        return _order(await self._ask("create_order", SYMBOL, "market", "buy", quantity, None, extra))

    async def query(self, client_id: str) -> Order:
        return _order(await self._ask("fetch_order", None, SYMBOL, {"origClientOrderId": client_id}))

    async def cancel(self, client_id: str) -> None:
        await self._ask("cancel_order", None, SYMBOL, {"origClientOrderId": client_id})

    async def open_orders(self) -> list[Order]:
        return [_order(one) for one in await self._ask("fetch_open_orders", SYMBOL)]

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        found = await self._ask("fetch_balance")
        rows = {name: (Decimal(found["free"][name]), Decimal(found["used"][name])) for name in found["total"]}
        return {name: row for name, row in rows.items() if any(row)}

    async def trades(self) -> list[Trade]:
        found = await self._ask("fetch_my_trades", SYMBOL)
        return [
            Trade(int(one["order"]), Decimal(one["price"]), Decimal(one["amount"]), Decimal(one["fee"]["cost"]))
            for one in found
        ]

    async def collect_page(self, act: Callable[[], Awaitable[None]], last: Heard) -> list[Heard]:
        if not self._streams:
            raise NotImplementedError("this face of ccxt has no streams")
        heard: list[Heard] = []
        first = asyncio.ensure_future(self._client.watch_orders(SYMBOL))
        # The subscription is a request of its own; orders sent before its answer are not told.
        await asyncio.sleep(1.0)
        acting = asyncio.ensure_future(act())
        while last not in heard:
            done, _ = await asyncio.wait({first}, timeout=0.5)
            if done:
                # It keeps one row per order, so a row may already be what a later event made of it, and come again.
                heard += [one for one in _heard(first.result()) if one not in heard]
                first = asyncio.ensure_future(self._client.watch_orders(SYMBOL))
            elif acting.done():
                # What came between two watches woke nobody, but ccxt keeps it.
                heard += [one for one in _heard(self._client.orders) if one not in heard]
        first.cancel()
        await acting
        return heard

    async def close(self) -> None:
        if not self._blocks:
            await self._client.close()


def _heard(rows: Any) -> list[Heard]:
    return [(one["clientOrderId"], STATUS[one["status"]]) for one in rows or ()]


def _order(found: dict[str, Any]) -> Order:
    return Order(int(found["id"]), found["clientOrderId"], STATUS[found["status"]], Decimal(found["filled"]))
