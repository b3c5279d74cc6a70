"""Trades, books, funding and open interest through real ccxt clients."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from support.binance_wire import of_perpetuals, perpetual, recorded
from support.venue_wire import RULES
from support.wire_double import serving

from tidemill.adapters.ccxt.market_events import CcxtMarketEvents
from tidemill.domain.errors import DataError, TransientError
from tidemill.domain.market_events import MarketEventKind
from tidemill.domain.series import SeriesError
from tidemill.ingest import ingest_market_events
from tidemill.memory.clocks import ManualClock
from tidemill.memory.market_events import MemoryMarketEvents
from tidemill.recording import bundled_recording
from tidemill.venue import UNLIMITED, VenueOptions, VenueServer

pytestmark = pytest.mark.wire
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
AAPL = "AAPL-USD.SAMPLE"


@pytest.fixture(scope="module")
def venue() -> Iterator[VenueServer]:
    made = VenueServer(VenueOptions(recording=bundled_recording(), rules=RULES, limits=UNLIMITED))
    made.start()
    move(made, "2013-02-13T00:00:45Z")
    yield made
    made.stop()


def move(venue: VenueServer, moment: str) -> None:
    tell(venue, "clock", {"now": moment})


def tell(venue: VenueServer, path: str, body: dict[str, Any]) -> None:
    told = requests.post(f"{venue.admin_url}/{path}", json=body, headers={"X-Admin-Token": venue.token}, timeout=10)
    assert told.ok, told.text


def test_trades_and_book_of_the_paper_venue(venue: VenueServer) -> None:
    now = datetime(2013, 2, 13, 0, 0, 45, tzinfo=UTC)
    source = CcxtMarketEvents(
        "binance", venue="SAMPLE", rest_url=venue.rest_url, market_clock=ManualClock(now), depth=5
    )
    assert list(source.kinds) == [MarketEventKind.TRADES, MarketEventKind.BOOKS]
    store = MemoryMarketEvents()
    first = ingest_market_events(source, store, MarketEventKind.TRADES, AAPL, now=now, history=timedelta(days=4))
    trades = store.read_market_events(MarketEventKind.TRADES, [AAPL], now - timedelta(days=4), now)
    assert first.stored == len(trades) > 1
    assert trades["assumed"].all(), "they were fetched long after they happened"
    assert (trades["knowledge_time"] == trades["event_time"]).all()
    assert trades["trade_id"].is_unique
    again = ingest_market_events(source, store, MarketEventKind.TRADES, AAPL, now=now, history=timedelta(days=4))
    assert (again.fetched, again.stored) == (1, 0), "from the newest stored one on"
    ingest_market_events(source, store, MarketEventKind.BOOKS, AAPL, now=now, history=HOUR)
    book = store.read_market_events(MarketEventKind.BOOKS, [AAPL], now - HOUR, now + HOUR)
    best = book[book["level"] == 0].set_index("side")["price"]
    assert len(book) == 10
    assert best["bid"] < best["ask"]
    assert not book["assumed"].any()
    with pytest.raises(DataError, match="no funding"):
        source.fetch_market_events(MarketEventKind.FUNDING, AAPL, now - HOUR, now)
    source.close()


def every(step: int, shape: Any) -> Any:
    """An answer that has one record at every multiple of ``step`` ms in the asked range, up to the asked number."""

    def answer(query: dict[str, str]) -> list[dict[str, Any]]:
        begin, end = int(query["startTime"]), int(query["endTime"])
        return [shape(one) for one in range(-(-begin // step) * step, end + 1, step)][: int(query.get("limit", 30))]

    return answer


def test_funding_and_open_interest_of_perpetuals() -> None:
    """Shapes of the answers as recorded of Binance's futures."""
    funding = every(8 * 3600_000, lambda at: {"symbol": "BTCUSDT", "fundingRate": "0.00010000", "fundingTime": at})
    interest = every(
        300_000,
        lambda at: {"symbol": "BTCUSDT", "sumOpenInterest": "20403.637", "sumOpenInterestValue": "1", "timestamp": at},
    )
    name = "BTC-USDT.FUTURES"
    answers = {"exchangeInfo": {"symbols": [perpetual("BTC")]}, "fundingRate": funding, "openInterestHist": interest}
    with serving(answers) as double:
        source = of_perpetuals(CcxtMarketEvents, double, NOW)
        assert set(source.kinds) == {
            MarketEventKind.TRADES,
            MarketEventKind.BOOKS,
            MarketEventKind.FUNDING,
            MarketEventKind.OPEN_INTEREST,
        }
        store = MemoryMarketEvents()
        for kind, days, count in ((MarketEventKind.FUNDING, 40, 120), (MarketEventKind.OPEN_INTEREST, 2, 576)):
            done = ingest_market_events(source, store, kind, name, now=NOW, history=timedelta(days=days))
            assert (done.fetched, done.stored) == (count, count), kind
            assert store.latest_event(kind, name) == NOW - (8 * HOUR if kind is MarketEventKind.FUNDING else 5 * MINUTE)
        rates = store.read_market_events(MarketEventKind.FUNDING, [name], NOW - timedelta(days=40), NOW)
        assert set(rates["rate"]) == {0.0001}
        double.answers["fundingRate"] = {"rows": []}
        with pytest.raises((SeriesError, TransientError)):
            source.fetch_market_events(MarketEventKind.FUNDING, name, NOW - HOUR, NOW)
        source.close()


@pytest.mark.data
def test_recorded_futures_answers_are_read() -> None:
    folder = "binance/pytests__http_responses__http_futures_market_"
    answers = {
        "exchangeInfo": {"symbols": [perpetual("BTC")]},
        "fundingRate": recorded(f"{folder}funding_rate.json"),
        "openInterestHist": recorded(f"{folder}open_interest_historical.json"),
    }
    with serving(answers) as double:
        source = of_perpetuals(CcxtMarketEvents, double, NOW)
        begin = datetime(2019, 10, 9, 8, tzinfo=UTC)
        funding = source.fetch_market_events(MarketEventKind.FUNDING, "BTC-USDT.FUTURES", begin, begin + 9 * HOUR)
        assert list(funding["rate"]) == [-0.0375, 0.0001]
        begin = datetime(2020, 3, 2, 5, tzinfo=UTC)
        interest = source.fetch_market_events(MarketEventKind.OPEN_INTEREST, "BTC-USDT.FUTURES", begin, begin + HOUR)
        assert list(interest["quantity"]) == [20403.637, 20401.367]
        source.close()
