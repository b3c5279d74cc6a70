"""The paper venue's WebSocket side with real clients: market streams, user data, faults of streams."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.pro
import pytest
import requests

from tidemill.matching import FillRules
from tidemill.recording import bundled_recording
from tidemill.venue import UNLIMITED, VenueOptions, VenueServer

pytestmark = [pytest.mark.wire, pytest.mark.anyio]
RULES = FillRules(
    slippage=Decimal("0.0005"),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)
KEY, SECRET = "k1", "s1"
WAIT = 10


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def venue() -> Iterator[VenueServer]:
    yield from started(VenueOptions(recording=bundled_recording(), rules=RULES, limits=UNLIMITED))


def started(options: VenueOptions) -> Iterator[VenueServer]:
    made = VenueServer(options)
    made.start()
    admin(made, "accounts", {"key": KEY, "secret": SECRET, "balances": {"USD": "100000"}})
    admin(made, "clock", {"now": "2013-02-13T00:00:45Z"})
    yield made
    made.stop()


def admin(venue: VenueServer, path: str, body: dict[str, Any]) -> None:
    answer = requests.post(f"{venue.admin_url}/{path}", json=body, headers={"X-Admin-Token": venue.token}, timeout=WAIT)
    assert answer.ok, answer.text


async def admin_soon(venue: VenueServer, path: str, body: dict[str, Any]) -> None:
    await asyncio.to_thread(admin, venue, path, body)


@asynccontextmanager
async def client(venue: VenueServer) -> AsyncIterator[Any]:
    line = venue.first_line()
    rest = f"{line['rest']}/api/v3"
    api = {"public": rest, "private": rest, "v1": rest, "sapi": rest}
    api["ws"] = {"spot": line["ws"], "ws-api": {"spot": line["ws_api"]}}
    options = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}
    made = ccxt.pro.binance(
        {"apiKey": KEY, "secret": SECRET, "options": {**options, "fetchMargins": False}, "urls": {"api": api}}
    )
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def user_stream(venue: VenueServer) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, session.ws_connect(venue.first_line()["ws_api"]) as ws:
        sent = {"apiKey": KEY, "timestamp": int(time.time() * 1000)}
        text = "&".join(f"{name}={sent[name]}" for name in sorted(sent))
        sent["signature"] = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        await ws.send_json({"id": "a", "method": "userDataStream.subscribe.signature", "params": sent})
        answer = await ws.receive_json(timeout=WAIT)
        assert answer["status"] == 200, answer
        yield ws


def place(venue: VenueServer, **changes: str) -> dict[str, Any]:
    sent = {
        "symbol": "AAPLUSD",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "10",
        "price": "490",
        "timestamp": str(int(time.time() * 1000)),
    } | changes
    text = "&".join(f"{name}={value}" for name, value in sent.items())
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    url = f"{venue.rest_url}/api/v3/order"
    body = f"{text}&signature={signature}"
    answer = requests.post(url, data=body, headers={"X-MBX-APIKEY": KEY}, timeout=WAIT)
    return answer.json()


async def place_soon(venue: VenueServer, **changes: str) -> dict[str, Any]:
    return await asyncio.to_thread(place, venue, **changes)


async def events_of(ws: aiohttp.ClientWebSocketResponse, count: int) -> list[dict[str, Any]]:
    return [(await ws.receive_json(timeout=WAIT))["event"] for _ in range(count)]


async def nothing_more(ws: aiohttp.ClientWebSocketResponse) -> bool:
    message = await ws.receive(timeout=WAIT)
    return message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}


async def test_the_real_client_watches_bars_trades_prices_and_book(venue: VenueServer) -> None:
    async with client(venue) as pro:
        await pro.load_markets()
        watches = [
            asyncio.create_task(one)
            for one in (
                pro.watch_ohlcv("AAPL/USD", "1d"),
                pro.watch_trades("AAPL/USD"),
                pro.watch_ticker("AAPL/USD"),
                pro.watch_bids_asks(["AAPL/USD"]),
            )
        ]
        await asyncio.sleep(0.5)
        await admin_soon(venue, "clock", {"now": "2013-02-14T00:00:45Z"})
        bars, trades, ticker, _ = await asyncio.wait_for(asyncio.gather(*watches), WAIT)
        known = await pro.fetch_ohlcv("AAPL/USD", "1d", limit=2)
        assert bars[-1][1:5] in [one[1:5] for one in known]
        assert trades[-1]["price"] == known[0][4]
        assert ticker["last"] == known[-1][4]


async def test_the_real_client_keeps_a_book(venue: VenueServer) -> None:
    async with client(venue) as pro:
        watch = asyncio.create_task(pro.watch_order_book("AAPL/USD"))
        for hour in range(1, 8):
            await asyncio.sleep(0.4)
            await admin_soon(venue, "clock", {"now": f"2013-02-13T0{hour}:00:00Z"})
            if watch.done():
                break
        book = await asyncio.wait_for(watch, WAIT)
        assert book["bids"][0][0] < book["asks"][0][0]


async def test_the_real_client_watches_its_orders_and_balance(venue: VenueServer) -> None:
    async with client(venue) as pro:
        await pro.load_markets()
        orders = asyncio.create_task(pro.watch_orders("AAPL/USD"))
        await asyncio.sleep(0.7)
        made = await pro.create_order("AAPL/USD", "limit", "buy", 10, 300, {"clientOrderId": "rest1"})
        told = await asyncio.wait_for(orders, WAIT)
        assert (told[-1]["id"], told[-1]["clientOrderId"], told[-1]["status"]) == (made["id"], "rest1", "open")
        cancelled = asyncio.create_task(pro.watch_orders("AAPL/USD"))
        await asyncio.sleep(0.1)
        await pro.cancel_order(made["id"], "AAPL/USD")
        assert (await asyncio.wait_for(cancelled, WAIT))[-1]["status"] == "canceled"


async def test_an_order_s_life_is_told_in_order(venue: VenueServer) -> None:
    async with user_stream(venue) as ws:
        placed = await place_soon(venue, newClientOrderId="one")
        assert placed["status"] == "FILLED"
        new, trade, position = await events_of(ws, 3)
        assert (new["x"], new["X"], new["z"]) == ("NEW", "NEW", "0.00000000")
        assert (trade["x"], trade["X"], trade["l"], trade["N"]) == ("TRADE", "FILLED", "10.00000000", "AAPL")
        assert {row["a"] for row in position["B"]} == {"AAPL", "USD"}
        left = Decimal(position["B"][0]["f"]) if position["B"][0]["a"] == "AAPL" else Decimal(position["B"][1]["f"])
        assert left == 10 - Decimal(trade["n"])


async def test_a_rest_that_expires_and_a_cancel_are_told(venue: VenueServer) -> None:
    async with user_stream(venue) as ws:
        await place_soon(venue, timeInForce="IOC", price="300", newClientOrderId="ioc")
        assert [one.get("x") for one in await events_of(ws, 3)] == ["NEW", "EXPIRED", None]
        resting = await place_soon(venue, price="300", newClientOrderId="rest")
        await events_of(ws, 2)
        await asyncio.to_thread(signed, venue, "DELETE", {"symbol": "AAPLUSD", "orderId": str(resting["orderId"])})
        cancelled, _ = await events_of(ws, 2)
        assert (cancelled["x"], cancelled["C"]) == ("CANCELED", "rest")
        assert cancelled["c"] != "rest"  # a cancel replaces the client order id


def signed(venue: VenueServer, method: str, sent: dict[str, str]) -> dict[str, Any]:
    text = "&".join(f"{name}={value}" for name, value in {**sent, "timestamp": str(int(time.time() * 1000))}.items())
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    url = f"{venue.rest_url}/api/v3/order?{text}&signature={signature}"
    return requests.request(method, url, headers={"X-MBX-APIKEY": KEY}, timeout=WAIT).json()


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        ("duplicate_events", ["NEW", "NEW", "TRADE", "TRADE", None, None]),
        ("reorder_events", [None, "TRADE", "NEW"]),
        ("disconnect_mid_fill", ["NEW", "TRADE"]),
        ("disconnect", []),
    ],
)
async def test_faults_of_the_stream(venue: VenueServer, fault: str, kinds: list[str | None]) -> None:
    async with user_stream(venue) as ws:
        await admin_soon(venue, "faults", {"fault": fault, "on": "stream"})
        await place_soon(venue)
        assert [one.get("x") for one in await events_of(ws, len(kinds))] == kinds
        if fault.startswith("disconnect"):
            assert await nothing_more(ws)


async def test_events_that_never_come_and_the_line_cut_in_the_middle_of_a_fill(venue: VenueServer) -> None:
    book = {"symbol": "AAPLUSD", "bids": [["480", "5"]], "asks": [["481", "4"], ["482", "6"]]}
    await admin_soon(venue, "book", book)
    async with user_stream(venue) as ws:
        await admin_soon(venue, "faults", {"fault": "lost_events", "on": "stream"})
        await place_soon(venue, price="300", newClientOrderId="unheard")
        await place_soon(venue, price="301", newClientOrderId="heard")
        assert (await events_of(ws, 2))[0]["c"] == "heard"
        await admin_soon(venue, "faults", {"fault": "disconnect_mid_fill", "on": "stream"})
        placed = await place_soon(venue)
        assert [(one["price"], one["qty"]) for one in placed["fills"]] == [
            ("481.00000000", "4.00000000"),
            ("482.00000000", "6.00000000"),
        ]
        new, first = await events_of(ws, 2)
        assert (new["x"], first["X"], first["z"]) == ("NEW", "PARTIALLY_FILLED", "4.00000000")
        assert await nothing_more(ws)
    async with user_stream(venue) as ws:  # a new line tells what comes after; what was missed is asked for
        await place_soon(venue, price="302", newClientOrderId="after")
        assert (await events_of(ws, 1))[0]["c"] == "after"


async def test_an_account_is_told_once_on_a_connection(venue: VenueServer) -> None:
    async with user_stream(venue) as ws:

        async def ask(method: str, **more: Any) -> dict[str, Any]:
            sent = {"apiKey": KEY, "timestamp": int(time.time() * 1000), **more}
            text = "&".join(f"{name}={sent[name]}" for name in sorted(sent))
            sent["signature"] = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
            await ws.send_json({"id": 1, "method": method, "params": sent})
            return await ws.receive_json(timeout=WAIT)

        assert (await ask("userDataStream.subscribe.signature"))["error"]["code"] == -2035
        assert (await ask("account.rateLimits.orders"))["result"][0]["count"] == 0
        known = await ask("openOrders.status", symbol="AAPLUSD")
        assert known["rateLimits"][0]["rateLimitType"] == "REQUEST_WEIGHT"
        assert (await ask("order.status", symbol="AAPLUSD", orderID="1"))["error"]["code"] == -1104
        await ws.send_json({"id": 2, "method": "userDataStream.unsubscribe", "params": {}})
        assert (await ws.receive_json(timeout=WAIT))["status"] == 200
        await ws.send_json({"id": 3, "method": "userDataStream.unsubscribe", "params": {}})
        assert (await ws.receive_json(timeout=WAIT))["error"]["code"] == -2036


async def test_requests_over_the_socket_do_what_rest_does(venue: VenueServer) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(venue.first_line()["ws_api"]) as ws:

        async def ask(method: str, **params: Any) -> dict[str, Any]:
            await ws.send_json({"id": 7, "method": method, "params": params})
            return await ws.receive_json(timeout=WAIT)

        async def ask_signed(method: str, **params: Any) -> dict[str, Any]:
            sent = {**params, "apiKey": KEY, "timestamp": int(time.time() * 1000)}
            text = "&".join(f"{name}={sent[name]}" for name in sorted(sent))
            signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
            return await ask(method, **sent, signature=signature)

        order = {"symbol": "AAPLUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        placed = await ask_signed("order.place", **order, quantity="10", price="300", newClientOrderId="w1")
        assert placed["result"]["status"] == "NEW"
        found = await ask_signed("order.status", symbol="AAPLUSD", origClientOrderId="w1")
        assert found["result"]["orderId"] == placed["result"]["orderId"]
        assert (await ask("order.place", **order))["error"]["code"] == -2014
        assert (await ask("no.such.method"))["status"] == 400
        assert len((await ask("klines", symbol="AAPLUSD", interval="1d", limit=3))["result"]) == 3
        await ws.send_str("{broken")
        assert (await ws.receive_json(timeout=WAIT))["error"]["code"] == -1135


async def test_control_messages_answer_as_the_exchange_does(venue: VenueServer) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue.first_line()['ws']}/a@trade") as ws:

        async def ask(message: Any) -> dict[str, Any]:
            await (ws.send_str(message) if isinstance(message, str) else ws.send_json(message))
            return await ws.receive_json(timeout=WAIT)

        streams = ["aaplusd@kline_1d"]
        assert await ask({"method": "SUBSCRIBE", "params": streams, "id": 1}) == {"result": None, "id": 1}
        listed = await ask({"method": "LIST_SUBSCRIPTIONS", "id": "x"})
        assert listed == {"result": ["a@trade", *streams], "id": "x"}
        assert (await ask({"method": "UNSUBSCRIBE", "params": ["a@trade"], "id": 2}))["result"] is None
        assert (await ask({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 3}))["code"] == 1
        assert (await ask({"method": "DANCE", "id": 4}))["code"] == 2
        assert (await ask("{"))["code"] == 3
        await ask({"method": "SET_PROPERTY", "params": ["combined", True], "id": 5})
        await admin_soon(venue, "clock", {"now": "2013-02-14T00:00:45Z"})
        told = await ws.receive_json(timeout=WAIT)
        assert (told["stream"], told["data"]["e"], told["data"]["k"]["x"]) == (streams[0], "kline", True)


async def closes(options: VenueOptions, *, answers_pings: bool, talk: int = 0) -> float:
    """Seconds until the venue ends a connection."""
    starting = started(options)
    venue = await asyncio.to_thread(next, starting)
    begun = time.monotonic()
    url = venue.first_line()["ws"]
    async with aiohttp.ClientSession() as session, session.ws_connect(url, autoping=answers_pings) as ws:
        for number in range(talk):
            await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
        while not await nothing_more(ws):
            pass
    await asyncio.to_thread(lambda: list(starting))
    return time.monotonic() - begun


async def test_who_answers_no_ping_is_cut_off_and_who_does_stays_until_the_day_is_over() -> None:
    limits = replace(UNLIMITED, ping_seconds=0.1, pong_seconds=0.25, connection_seconds=1.5)
    options = VenueOptions(recording=bundled_recording(), rules=RULES, limits=limits)
    silent = await closes(options, answers_pings=False)
    lively = await closes(options, answers_pings=True)
    assert silent < lively


async def test_who_talks_too_much_is_cut_off() -> None:
    limits = replace(UNLIMITED, messages_per_second=5)
    options = VenueOptions(recording=bundled_recording(), rules=RULES, limits=limits)
    assert await closes(options, answers_pings=True, talk=7) < WAIT
