"""One ccxt client asked by several threads at once: each call keeps the answer that is its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from support.binance_wire import klines, of_perpetuals, perpetual
from support.wire_double import WireDouble, serving

from tidemill.adapters.ccxt.market import CcxtMarket
from tidemill.adapters.ccxt.market_events import CcxtMarketEvents
from tidemill.domain.errors import TransientError
from tidemill.domain.market_events import MarketEventKind

pytestmark = pytest.mark.wire
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROUNDS = 15
BASES = ("BTC", "ETH")


def trades(query: dict[str, str]) -> list[dict[str, Any]]:
    """One trade whose id tells the symbol."""
    number = 1 + BASES.index(query["symbol"].removesuffix("USDT"))
    return [{"a": number, "p": "1.5", "q": "2", "f": 1, "l": 1, "T": int(query["startTime"]), "m": False}]


def volumes_tell(query: dict[str, str]) -> list[list[Any]]:
    """Bars whose volume tells the symbol."""
    return klines(query, volume=str(10 + BASES.index(query["symbol"].removesuffix("USDT"))))


@pytest.fixture
def double() -> Iterator[WireDouble]:
    with serving({"exchangeInfo": {"symbols": [perpetual(base) for base in BASES]}, "klines": volumes_tell}) as made:
        made.answers["aggTrades"] = trades
        yield made


def together(double: WireDouble, path: str, ask: Any, answer: Any) -> None:
    """Ask for both instruments at once, some times; the double answers neither before both are asked for."""
    gate = threading.Barrier(len(BASES), timeout=20)

    def both(query: dict[str, str]) -> Any:
        gate.wait()
        return answer(query)

    double.answers[path] = both
    with ThreadPoolExecutor(len(BASES)) as pool:
        for _ in range(ROUNDS):
            for done in [pool.submit(ask, f"{base}-USDT.FUTURES") for base in BASES]:
                done.result(30)


def test_two_fetches_of_records_at_once_keep_their_own_raw_answers(double: WireDouble) -> None:
    told: list[tuple[str, bytes]] = []
    source = of_perpetuals(CcxtMarketEvents, double, NOW, on_payload=lambda request, body: told.append((request, body)))
    source.fetch_market_events(MarketEventKind.TRADES, "BTC-USDT.FUTURES", NOW - HOUR, NOW)
    together(double, "aggTrades", partial(_fetch_trades, source), trades)
    source.close()
    assert len(told) == 1 + 2 * ROUNDS
    for request, body in told:
        assert f'"a": {1 + BASES.index(request.split()[1].partition("-")[0])},'.encode() in body, request


def _fetch_trades(source: CcxtMarketEvents, name: str) -> None:
    found = source.fetch_market_events(MarketEventKind.TRADES, name, NOW - HOUR, NOW)
    assert list(found["trade_id"]) == [str(1 + BASES.index(name.partition("-")[0]))]


@pytest.mark.parametrize("exchange", ["binanceusdm", "binance"])
def test_bars_of_perpetuals_are_read_and_two_fetches_at_once_keep_their_own(exchange: str, double: WireDouble) -> None:
    told: list[tuple[str, bytes]] = []
    source = of_perpetuals(CcxtMarket, double, NOW, exchange=exchange, on_payloads=told.extend)

    def ask(name: str) -> None:
        found = source.fetch_bars(name, "1m", NOW - HOUR, NOW)
        assert len(found) == 60
        assert set(found["volume"]) == {10.0 + BASES.index(name.partition("-")[0])}

    ask("BTC-USDT.FUTURES")
    together(double, "klines", ask, volumes_tell)
    source.close()
    assert {path for path, _ in double.asked} == {"/fapi/v1/exchangeInfo", "/fapi/v1/klines"}, "and of no spot market"
    assert len(told) == 1 + 2 * ROUNDS
    for request, body in told:
        assert f'"1.5", "{10 + BASES.index(request.partition("-")[0])}"'.encode() in body, request


def test_since_when_a_market_is_traded_is_told_where_the_venue_tells_it(double: WireDouble) -> None:
    since = datetime(2019, 9, 25, 8, tzinfo=UTC)
    markets = [perpetual("BTC") | {"onboardDate": int(since.timestamp()) * 1000}, perpetual("ETH")]
    double.answers["exchangeInfo"] = {"symbols": markets}
    source = of_perpetuals(CcxtMarket, double, NOW)
    assert {one.id: one.listed_from for one in source.fetch_instruments()} == {
        "BTC-USDT.FUTURES": since,
        "ETH-USDT.FUTURES": None,
    }
    source.close()


def test_control_what_the_client_itself_remembers_is_the_answer_of_another(double: WireDouble) -> None:
    source = of_perpetuals(CcxtMarketEvents, double, NOW)
    client, caller = source._exchange, source._caller
    client.enableLastHttpResponse = True
    caller.call(client.load_markets)
    answered, other_done = threading.Event(), threading.Event()

    async def first() -> str:
        await client.fetch_trades("BTC/USDT:USDT", 1)
        answered.set()
        await asyncio.to_thread(other_done.wait, 20)
        return str(client.last_http_response)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(caller.ask, first)
        assert answered.wait(20)
        caller.call(partial(client.fetch_trades, "ETH/USDT:USDT", 1))
        other_done.set()
        remembered, heard = slow.result(30)
    source.close()
    assert '"a": 2' in remembered, "what the adapter must not read"
    assert '"a": 1' in heard


def test_a_pause_that_a_venue_asks_of_one_call_is_told_to_that_call(double: WireDouble) -> None:
    waits = {"BTC": "7", "ETH": "11"}
    source = of_perpetuals(CcxtMarketEvents, double, NOW)

    def ask(name: str) -> None:
        with pytest.raises(TransientError) as caught:
            source.fetch_market_events(MarketEventKind.TRADES, name, NOW - HOUR, NOW)
        assert caught.value.retry_after_seconds == float(waits[name.partition("-")[0]])

    def busy(query: dict[str, str]) -> Any:
        return 429, {"Retry-After": waits[query["symbol"].removesuffix("USDT")]}, {"code": -1003, "msg": "Too many"}

    together(double, "aggTrades", ask, busy)
    source.close()
