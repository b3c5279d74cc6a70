"""Clients written by others cannot tell the paper venue from the exchange: one suite, each client in turn.

`make conformance` runs it twice: with ccxt in Tidemill's environment, with python-binance and binance-sdk-spot in one
of their own. A client that is not installed is skipped visibly.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from conformance.clients import Client, Heard, Place, Refused, Steps

pytestmark = pytest.mark.wire
FACES = ("ccxt sync", "ccxt async", "ccxt pro", "python-binance", "binance-sdk-spot")
STREAMING = ("ccxt pro", "python-binance", "binance-sdk-spot")
DAY = 86_400_000
FIRST, LAST = 1_356_998_400_000, 1_360_713_600_000  # 2013-01-01 and 2013-02-13
DEADLINE = 60


def open_client(name: str, place: Place) -> Client:
    modules = {"python-binance": ("binance", "with_python_binance", "PythonBinance")}
    modules["binance-sdk-spot"] = ("binance_sdk_spot", "with_binance_sdk", "BinanceSdk")
    library, module, maker = modules.get(name, ("ccxt", "with_ccxt", "Ccxt"))
    pytest.importorskip(library, reason=f"{library} is not installed here; make conformance runs it")
    made: Callable[..., Client] = getattr(importlib.import_module(f"conformance.{module}"), maker)
    return made(place, name.removeprefix("ccxt ")) if library == "ccxt" else made(place)


def with_client(name: str, place: Place, story: Callable[[Client], Awaitable[Any]]) -> Any:
    async def tell() -> Any:
        client = open_client(name, place)
        try:
            return await asyncio.wait_for(story(client), DEADLINE)
        finally:
            await client.close()

    return asyncio.run(tell())


async def refusal(attempt: Awaitable[Any]) -> int:
    try:
        await attempt
    except Refused as refused:
        return refused.code
    raise AssertionError("the exchange would have refused this")


@pytest.mark.parametrize("name", FACES)
def test_markets_and_klines_with_paging(name: str, place: Place) -> None:
    async def story(client: Client) -> None:
        markets = await client.markets()
        assert len(markets) >= 4
        assert markets["AAPLUSD"] == Steps(Decimal("0.0001"), Decimal(1))
        whole = await client.candles(FIRST, 1000)
        paged = []
        start = FIRST
        while page := await client.candles(start, 7):
            assert len(page) <= 7
            paged += page
            start = page[-1].open_time + 1
        assert paged == whole
        assert len(whole) == 30
        assert [one.open_time for one in whole] == sorted({one.open_time for one in whole})
        assert whole[-1].open_time == LAST
        assert all(one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high for one in whole)
        assert await client.last_price() == whole[-1].close

    with_client(name, place, story)


@pytest.mark.parametrize("name", FACES)
def test_orders_by_client_id(name: str, place: Place) -> None:
    async def story(client: Client) -> None:
        await client.markets()
        placed = await client.limit_buy("2", "400.00", "mine-1")
        assert (placed.client_id, placed.status, placed.filled) == ("mine-1", "NEW", 0)
        assert await client.balances() == {"USD": (Decimal(99_200), Decimal(800))}
        assert await refusal(client.limit_buy("2", "400.00", "mine-1")) == -2010
        assert await client.query("mine-1") == placed
        assert await client.open_orders() == [placed]
        await client.cancel("mine-1")
        assert await client.open_orders() == []
        assert await client.balances() == {"USD": (Decimal(100_000), Decimal(0))}
        assert await refusal(client.query("never-sent")) == -2013
        assert await refusal(client.cancel("never-sent")) == -2011
        # A client order id may be used again once no open order has it.
        assert (await client.limit_buy("1", "400.00", "mine-1")).order_id > placed.order_id
        assert await refusal(client.limit_buy("1000", "400.00", "too-dear")) == -2010

    with_client(name, place, story)


@pytest.mark.parametrize("name", FACES)
def test_fills_trades_and_balances(name: str, place: Place) -> None:
    async def story(client: Client) -> None:
        await client.markets()
        bought = await client.market_buy("3", "mine-2")
        assert (bought.status, bought.filled) == ("FILLED", 3)
        trades = await client.trades()
        assert sum(one.quantity for one in trades) == 3
        assert {one.order_id for one in trades} == {bought.order_id}
        held = await client.balances()
        assert held["AAPL"][0] == 3 - sum(one.fee for one in trades)
        assert held["USD"][0] == 100_000 - sum(one.price * one.quantity for one in trades)

    with_client(name, place, story)


@pytest.mark.parametrize("name", STREAMING)
def test_the_user_stream_tells_orders(name: str, place: Place) -> None:
    async def story(client: Client) -> list[Heard]:
        await client.markets()

        async def act() -> None:
            await client.limit_buy("1", "400.00", "heard-1")
            await client.cancel("heard-1")
            await client.market_buy("1", "heard-2")

        return await client.collect_page(act, ("heard-2", "FILLED"))

    heard = with_client(name, place, story)
    full = [("heard-1", "NEW"), ("heard-1", "CANCELED"), ("heard-2", "NEW"), ("heard-2", "FILLED")]
    if name == "ccxt pro":  # it keeps one row per order: of two events at once the later is seen
        assert heard == [one for one in full if one in heard]
        assert set(full[1::2]) <= set(heard)
    else:
        assert heard == full


@pytest.mark.parametrize("place", ["tls"], indirect=True)
def test_ccxt_over_tls_with_its_production_urls(place: Place) -> None:
    """ccxt picks its table of errors by the URL: with the exchange's own, its own classes come out."""

    async def story(client: Any) -> None:
        import ccxt

        assert client.base_url == "https://api.binance.com/api/v3"
        markets = await client.markets()
        assert "AAPLUSD" in markets
        assert (await client.limit_buy("2", "400.00", "mine-1")).status == "NEW"
        with pytest.raises(ccxt.InsufficientFunds):
            await client._client.create_order("AAPL/USD", "limit", "buy", "1000", "400.00")
        with pytest.raises(ccxt.OrderNotFound):
            await client._client.cancel_order(None, "AAPL/USD", {"origClientOrderId": "never-sent"})
        heard = await client.collect_page(lambda: client.cancel("mine-1"), ("mine-1", "CANCELED"))
        assert heard == [("mine-1", "CANCELED")]

    with_client("ccxt tls", place, story)
