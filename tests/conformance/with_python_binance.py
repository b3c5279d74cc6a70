"""python-binance, its asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException
from conformance.clients import KEY, SECRET, Candle, Heard, Order, Place, Refused, Steps, Trade

SYMBOL = "AAPLUSD"


class PythonBinance:
    """The library's client with its base URLs set."""

    def __init__(self, place: Place) -> None:
        self._client = AsyncClient(KEY, SECRET)
        self._client.API_URL = f"{place.rest}/api"
        self._client.ws_api._url = place.ws_api

    async def _ask(self, name: str, **parameters: Any) -> Any:
        try:
            return await getattr(self._client, name)(**parameters)
        except BinanceAPIException as error:
            raise Refused(error.code) from error

    async def markets(self) -> dict[str, Steps]:
        found = await self._ask("get_exchange_info")
        return {one["symbol"]: _steps(one["filters"]) for one in found["symbols"]}

    async def candles(self, start: int, limit: int) -> list[Candle]:
        rows = await self._ask("get_klines", symbol=SYMBOL, interval="1d", startTime=start, limit=limit)
        return [Candle(row[0], *(Decimal(one) for one in row[1:6])) for row in rows]

    async def last_price(self) -> Decimal:
        return Decimal((await self._ask("get_symbol_ticker", symbol=SYMBOL))["price"])

    async def limit_buy(self, quantity: str, price: str, client_id: str) -> Order:
        asked = {"symbol": SYMBOL, "quantity": quantity, "price": price, "newClientOrderId": client_id}
        return _order(await self._ask("order_limit_buy", **asked))

    async def market_buy(self, quantity: str, client_id: str) -> Order:
        asked = {"symbol": SYMBOL, "quantity": quantity, "newClientOrderId": client_id}
        return _order(await self._ask("order_market_buy", **asked))

    async def query(self, client_id: str) -> Order:
        return _order(await self._ask("get_order", symbol=SYMBOL, origClientOrderId=client_id))

    async def cancel(self, client_id: str) -> None:
        await self._ask("cancel_order", symbol=SYMBOL, origClientOrderId=client_id)

    async def open_orders(self) -> list[Order]:
        return [_order(one) for one in await self._ask("get_open_orders", symbol=SYMBOL)]

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        found = await self._ask("get_account")
        rows = {one["asset"]: (Decimal(one["free"]), Decimal(one["locked"])) for one in found["balances"]}
        return {name: row for name, row in rows.items() if any(row)}

    async def trades(self) -> list[Trade]:
        found = await self._ask("get_my_trades", symbol=SYMBOL)
        return [
            Trade(one["orderId"], Decimal(one["price"]), Decimal(one["qty"]), Decimal(one["commission"]))
            for one in found
        ]

    async def collect_page(self, act: Callable[[], Awaitable[None]], last: Heard) -> list[Heard]:
        heard: list[Heard] = []
        async with BinanceSocketManager(self._client).user_socket() as stream:
            acting = asyncio.ensure_future(act())
            while last not in heard:
                event = await stream.recv()
                event = event.get("event", event)
                if event.get("e") == "executionReport":
                    heard.append((event["C"] or event["c"], event["X"]))
            await acting
        return heard

    async def close(self) -> None:
        await self._client.close_connection()


def _order(found: dict[str, Any]) -> Order:
    return Order(found["orderId"], found["clientOrderId"], found["status"], Decimal(found["executedQty"]))


def _steps(filters: list[dict[str, str]]) -> Steps:
    found = {one["filterType"]: one for one in filters}
    return Steps(Decimal(found["PRICE_FILTER"]["tickSize"]), Decimal(found["LOT_SIZE"]["stepSize"]))
