"""binance-sdk-spot, the exchange's own connector: REST that blocks, and the WebSocket API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI
from binance_common.errors import Error
from binance_sdk_spot.spot import Spot
from conformance.clients import KEY, SECRET, Candle, Heard, Order, Place, Refused, Steps, Trade

SYMBOL = "AAPLUSD"


class BinanceSdk:
    """The connector with its base paths set."""

    def __init__(self, place: Place) -> None:
        self._spot = Spot(
            config_rest_api=ConfigurationRestAPI(
                api_key=KEY, api_secret=SECRET, base_path=place.rest, retries=0, timeout=10_000
            ),
            config_ws_api=ConfigurationWebSocketAPI(api_key=KEY, api_secret=SECRET, stream_url=place.ws_api),
        )

    async def _ask(self, name: str, **parameters: Any) -> Any:
        call = getattr(self._spot.rest_api, name)
        try:
            answer = await asyncio.to_thread(lambda: call(**parameters).data())
        except Error as error:
            raise Refused(int(getattr(error, "status_code", None) or 0)) from error
        return answer

    async def markets(self) -> dict[str, Steps]:
        found = (await self._ask("exchange_info")).to_dict()
        return {one["symbol"]: _steps(one["filters"]) for one in found["symbols"]}

    async def candles(self, start: int, limit: int) -> list[Candle]:
        rows = await self._ask("klines", symbol=SYMBOL, interval="1d", start_time=start, limit=limit)
        return [Candle(int(row[0]), *(Decimal(str(one)) for one in row[1:6])) for row in rows]

    async def last_price(self) -> Decimal:
        return Decimal(_plain(await self._ask("ticker_price", symbol=SYMBOL))["price"])

    async def limit_buy(self, quantity: str, price: str, client_id: str) -> Order:
        asked = {"type": "LIMIT", "time_in_force": "GTC", "price": float(price)}
        return await self._buy(quantity, client_id, asked)

    async def market_buy(self, quantity: str, client_id: str) -> Order:
        return await self._buy(quantity, client_id, {"type": "MARKET"})

    async def _buy(self, quantity: str, client_id: str, asked: dict[str, Any]) -> Order:
        named = {"symbol": SYMBOL, "side": "BUY", "quantity": float(quantity), "new_client_order_id": client_id}
        return _order(await self._ask("new_order", **named, **asked))

    async def query(self, client_id: str) -> Order:
        return _order(await self._ask("get_order", symbol=SYMBOL, orig_client_order_id=client_id))

    async def cancel(self, client_id: str) -> None:
        await self._ask("delete_order", symbol=SYMBOL, orig_client_order_id=client_id)

    async def open_orders(self) -> list[Order]:
        return [_order(one) for one in await self._ask("get_open_orders", symbol=SYMBOL)]

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        found = (await self._ask("get_account")).to_dict()
        rows = {one["asset"]: (Decimal(one["free"]), Decimal(one["locked"])) for one in found["balances"]}
        return {name: row for name, row in rows.items() if any(row)}

    async def trades(self) -> list[Trade]:
        found = [one.to_dict() for one in await self._ask("my_trades", symbol=SYMBOL)]
        return [
            Trade(int(one["orderId"]), Decimal(one["price"]), Decimal(one["qty"]), Decimal(one["commission"]))
            for one in found
        ]

    async def collect_page(self, act: Callable[[], Awaitable[None]], last: Heard) -> list[Heard]:
        heard: list[Heard] = []
        full = asyncio.Event()

        def listen(event: Any) -> None:
            told = _plain(event)
            if "X" in told:  # an execution report; its name is not kept by the connector's model
                heard.append((told["C"] or told["c"], told["X"]))
                if heard[-1] == last:
                    full.set()

        connection = await self._spot.websocket_api.create_connection()
        try:
            answer = await connection.user_data_stream_subscribe_signature()
            answer.stream.on("message", listen)
            await act()
            await asyncio.wait_for(full.wait(), 10)
        finally:
            await connection.close_connection(close_session=True)
        return heard

    async def close(self) -> None:
        """Its sessions close with it."""


def _plain(found: Any) -> dict[str, Any]:
    inner = getattr(found, "actual_instance", None)
    chosen = found if inner is None else inner
    return chosen if isinstance(chosen, dict) else chosen.to_dict()


def _order(found: Any) -> Order:
    one = _plain(found)
    return Order(int(one["orderId"]), one["clientOrderId"], one["status"], Decimal(one["executedQty"]))


def _steps(filters: list[dict[str, Any]]) -> Steps:
    found = {one["filterType"]: one for one in filters}
    return Steps(Decimal(found["PRICE_FILTER"]["tickSize"]), Decimal(found["LOT_SIZE"]["stepSize"]))
