"""ccxt.bybit, blocking and asyncio, against the paper venue's second protocol: its order requests are only acks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from conformance.clients import KEY, SECRET, Place

pytestmark = pytest.mark.wire
ccxt = pytest.importorskip("ccxt", reason="ccxt is not installed here")
FACES = ("sync", "async")
SYMBOL = "AAPL/USD"
FIRST, LAST = 1_356_998_400_000, 1_360_713_600_000  # 2013-01-01 and 2013-02-13
DEADLINE = 60


class Bybit:
    """One of ccxt's faces; every call is a coroutine."""

    def __init__(self, place: Place, face: str) -> None:
        import ccxt.async_support

        maker = ccxt.bybit if face == "sync" else ccxt.async_support.bybit
        settings = {"apiKey": KEY, "secret": SECRET, "enableRateLimit": False}
        options = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}
        urls = {"api": dict.fromkeys(("public", "private", "spot", "v2", "futures"), place.rest)}
        self.client = maker({**settings, "options": options, "urls": urls})
        self.client.number = str
        self._blocks = face == "sync"

    async def ask(self, name: str, *args: Any) -> Any:
        call = getattr(self.client, name)
        return await (asyncio.to_thread(call, *args) if self._blocks else call(*args))

    async def limit_buy(self, quantity: str, price: str, client_id: str, **extra: Any) -> Any:
        return await self.ask(
            "create_order", SYMBOL, "limit", "buy", quantity, price, {"clientOrderId": client_id, **extra}
        )

    async def settled(self, client_id: str) -> Any:
        """The order by its client id, as soon as queries show it: open ones first, then closed ones."""
        for _ in range(50):
            for name in ("fetch_open_orders", "fetch_canceled_and_closed_orders"):
                if found := await self.ask(name, SYMBOL, None, None, {"orderLinkId": client_id}):
                    return found[0]
            await asyncio.sleep(0.02)
        raise AssertionError(f"{client_id} was never seen")

    async def close(self) -> None:
        if not self._blocks:
            await self.client.close()


Story = Callable[[Bybit], Awaitable[None]]


@pytest.fixture(params=FACES)
def tell(request: pytest.FixtureRequest, place: Place) -> Callable[[Story], None]:
    def run(story: Story) -> None:
        async def whole() -> None:
            client = Bybit(place, request.param)
            try:
                await asyncio.wait_for(story(client), DEADLINE)
            finally:
                await client.close()

        asyncio.run(whole())

    return run


bybit = pytest.mark.parametrize("place", ["bybit"], indirect=True)


@bybit
def test_markets_prices_klines_with_paging_and_refusals(tell: Callable[[Story], None]) -> None:
    async def story(client: Bybit) -> None:
        market = (await client.ask("load_markets"))[SYMBOL]
        assert (Decimal(market["precision"]["price"]), Decimal(market["precision"]["amount"])) == (Decimal("0.0001"), 1)
        assert Decimal(market["limits"]["cost"]["min"]) == 1
        assert abs(await client.ask("fetch_time") - time.time() * 1000) < 5000
        whole = await client.ask("fetch_ohlcv", SYMBOL, "1d", FIRST, 1000)
        paged: list[Any] = []
        start = FIRST
        while page := await client.ask("fetch_ohlcv", SYMBOL, "1d", start, 7):
            paged += page
            start = page[-1][0] + 1
        assert paged == whole
        assert (len(whole), whole[-1][0]) == (30, LAST)
        latest = await client.ask("fetch_ohlcv", SYMBOL, "1d", None, 5)
        assert latest == whole[-5:]
        ticker = await client.ask("fetch_ticker", SYMBOL)
        assert ticker["last"] == (await client.ask("fetch_tickers"))[SYMBOL]["last"]
        assert Decimal(ticker["last"]) == Decimal(whole[-1][4])
        book = await client.ask("fetch_order_book", SYMBOL, 3)
        assert len(book["bids"]) == 3
        assert book["bids"][0][0] < float(ticker["last"]) < book["asks"][0][0]
        trades = await client.ask("fetch_trades", SYMBOL)
        assert Decimal(trades[-1]["price"]) == Decimal(whole[-2][4])
        await check_refusals(client)

    tell(story)


@bybit
def test_orders_are_acknowledged_then_told_and_settled(tell: Callable[[Story], None]) -> None:
    async def story(client: Bybit) -> None:
        acked = await client.limit_buy("2", "400.00", "mine-1")
        assert (acked["clientOrderId"], acked["status"], acked["filled"]) == ("mine-1", None, None)
        resting = await client.settled("mine-1")
        assert (resting["id"], resting["status"], resting["filled"]) == (acked["id"], "open", "0")
        balance = await client.ask("fetch_balance")
        assert (balance["total"]["USD"], balance["used"]["USD"]) == ("100000", "800")
        assert [one["id"] for one in await client.ask("fetch_open_orders", SYMBOL)] == [acked["id"]]
        with pytest.raises(ccxt.InvalidOrder, match="170141"):
            await client.limit_buy("2", "400.00", "mine-1")
        cancelled = await client.ask("cancel_order", acked["id"], SYMBOL)
        assert (cancelled["id"], cancelled["status"]) == (acked["id"], None)
        gone = await client.settled("mine-1")  # a cancel leaves the client order id
        assert (gone["id"], gone["status"]) == (acked["id"], "canceled")
        with pytest.raises(ccxt.InvalidOrder, match="170141"):  # and it is never free again
            await client.limit_buy("1", "400.00", "mine-1")
        with pytest.raises(ccxt.InvalidOrder, match="170142"):
            await client.ask("cancel_order", acked["id"], SYMBOL)
        with pytest.raises(ccxt.OrderNotFound):
            await client.ask("cancel_order", None, SYMBOL, {"orderLinkId": "never-sent"})
        assert (await client.ask("fetch_balance"))["free"]["USD"] == "100000"
        await client.limit_buy("1", "399.00", "mine-2")
        await client.limit_buy("1", "398.00", "mine-3")
        await client.ask("cancel_all_orders", SYMBOL)
        assert await client.ask("fetch_open_orders", SYMBOL) == []
        await check_fills(client)

    tell(story)


async def check_fills(client: Bybit) -> None:
    """Fills, executions and balances agree to the last unit."""
    await client.ask("create_order", SYMBOL, "market", "buy", "3", None, {"clientOrderId": "buys-1"})
    bought = await client.settled("buys-1")
    assert (bought["status"], Decimal(bought["filled"]), bought["info"]["marketUnit"]) == ("closed", 3, "baseCoin")
    by_value = {"clientOrderId": "buys-2", "cost": "1000"}
    await client.ask("create_order", SYMBOL, "market", "buy", "1", None, by_value)
    spent = await client.settled("buys-2")
    assert Decimal(500) < Decimal(spent["cost"]) <= 1000
    await client.limit_buy("1", "300", "buys-3", timeInForce="IOC")
    assert (await client.settled("buys-3"))["status"] == "canceled"
    trades = await client.ask("fetch_my_trades", SYMBOL)
    assert {one["order"] for one in trades} == {bought["id"], spent["id"]}
    assert {(one["fee"]["currency"], one["takerOrMaker"]) for one in trades} == {("AAPL", "taker")}
    held = (await client.ask("fetch_balance"))["total"]
    quantity = sum(Decimal(one["amount"]) - Decimal(one["fee"]["cost"]) for one in trades)
    assert Decimal(held["AAPL"]) == quantity
    assert Decimal(held["USD"]) == 100_000 - sum(Decimal(one["cost"]) for one in trades)


async def check_refusals(client: Bybit) -> None:
    """Refusals come as the client's own errors."""
    with pytest.raises(ccxt.InsufficientFunds, match="170131"):
        await client.limit_buy("1000", "400.00", "too-dear")
    with pytest.raises(ccxt.InvalidOrder, match="170218"):
        await client.limit_buy("1", "490.00", "takes", timeInForce="PostOnly")
    with pytest.raises(ccxt.BadRequest, match="10001"):
        await client.limit_buy("1", "400.00", "a name with blanks")
    client.client.secret = "another"
    with pytest.raises(ccxt.AuthenticationError, match="10004"):
        await client.ask("fetch_balance")
    client.client.secret = SECRET
    client.client.nonce = lambda: 1_600_000_000_000
    with pytest.raises(ccxt.InvalidNonce, match="10002"):
        await client.ask("fetch_open_orders", SYMBOL)
