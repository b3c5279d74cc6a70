"""Venues beside the one that takes the orders: their settings, their groups, and one ingest over all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.wire_double import serving

from tidemill.adapters.ccxt.market_events import CcxtMarketEvents
from tidemill.bootstrap import Overrides, Services, using
from tidemill.bootstrap.market_sources import build_access
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import EPOCH
from tidemill.domain.market_events import MarketEventKind
from tidemill.memory.clocks import ManualClock
from tidemill.settings import MarketSettings, Settings, VenueSettings, load_settings

NOW = datetime(2026, 1, 14, 12, 0, 30, tzinfo=UTC)
HOUR_MS = 3_600_000
FILE = """
universe = ["BTC-USDT.BINANCE"]

[ingest]
timeframes = ["4h"]
records = ["trades"]

[[markets]]
name = "FUTURES"
exchange = "binanceusdm"
kind = "linear"
instruments = ["BTC-USDT.FUTURES"]
records = ["funding", "open_interest"]
budget_per_minute = 300

[[markets]]
name = "US"
source = "yfinance"
instruments = ["AAPL-USD.US", "MSFT-USD.US"]
timeframes = ["1d"]
calendar = "XNYS"
records = ["adjustments"]
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "tidemill.toml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return load_settings(home=tmp_path)


def test_a_file_names_venues_series_and_records(settings: Settings) -> None:
    known = Services(settings, Overrides(market_clock=ManualClock(NOW)))
    groups = {(one.venue, one.timeframe): one for one in known.markets.groups}
    assert list(groups) == [("BINANCE", "1h"), ("BINANCE", "4h"), ("FUTURES", "1h"), ("US", "1d")]
    shares = groups["US", "1d"]
    assert shares.names == ("AAPL-USD.US", "MSFT-USD.US")
    assert shares.calendar == "as-recorded"
    days = [one for one in shares.sessions if one >= datetime(2025, 12, 30, tzinfo=UTC)]
    assert [one.day for one in days] == [30, 31, 2, 5, 6, 7, 8, 9, 12, 13, 14, 15], "no New Year, no weekend"
    assert known.markets.sources.recorded_events() == [
        ("trades", "BTC-USDT.BINANCE"),
        ("funding", "BTC-USDT.FUTURES"),
        ("open_interest", "BTC-USDT.FUTURES"),
        ("adjustments", "AAPL-USD.US"),
        ("adjustments", "MSFT-USD.US"),
    ]
    futures = known.markets.sources.market_events("FUTURES")
    assert isinstance(futures, CcxtMarketEvents)
    assert MarketEventKind.FUNDING in futures.kinds
    with pytest.raises(ConfigurationError, match="US has no stream"):
        known.markets.sources.stream("US")
    known.close()


def test_each_venue_has_its_pace(settings: Settings) -> None:
    known = Services(settings, Overrides(market_clock=ManualClock(NOW)))
    futures = build_access(known.markets.sources.described["FUTURES"], known.markets.parts)
    assert futures.pace is not None
    assert futures.pace.rule.per_second == 5
    binance = build_access(known.markets.sources.described["BINANCE"], known.markets.parts)
    assert (binance.pace.rule, binance.pace.share) == (None, 0.8), "ccxt's own pace, and some of it left"
    paper = build_access(MarketSettings(name="P", exchange="binance", rest_url="http://x"), known.markets.parts)
    assert paper.pace is None, "a venue of our own needs none"
    known.close()


@pytest.mark.parametrize(
    ("markets", "match"),
    [
        ([{"name": "US", "instruments": ["BTC-USDT.KRAKEN"]}], "not of the venue US"),
        ([{"name": "A"}, {"name": "A"}], "same name"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(markets: list[dict[str, Any]], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        load_settings(markets=markets)


def spot(base: str, status: str = "TRADING") -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "status": status,
        "baseAsset": base,
        "quoteAsset": "USDT",
        "orderTypes": ["LIMIT"],
        "isSpotTradingAllowed": True,
        "permissionSets": [["SPOT"]],
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.01", "minPrice": "0.01", "maxPrice": "1000"},
            {"filterType": "LOT_SIZE", "stepSize": "0.01", "minQty": "0.01", "maxQty": "1000"},
        ],
    }


def klines(query: dict[str, str]) -> list[list[Any]]:
    begin, end = int(query["startTime"]), int(query["endTime"])
    opens = range(-(-begin // HOUR_MS) * HOUR_MS, end + 1, HOUR_MS)[: int(query["limit"])]
    return [[one, "1", "2", "0.5", "1.5", str(one // HOUR_MS % 97 + 1), one + HOUR_MS - 1, "0", 1] for one in opens]


@pytest.mark.wire
def test_two_exchanges_at_once_over_the_wire_each_series_for_itself(tmp_path: Path) -> None:
    from tasks.data import fetch_and_store_bars, ingest_summaries, judge_gaps, watched_series

    def venue(*symbols: dict[str, Any]) -> dict[str, Any]:
        return {
            "exchangeInfo": {"symbols": list(symbols)},
            "klines": klines,
            "time": lambda _: {"serverTime": int(datetime.now(UTC).timestamp() * 1000)},
        }

    with serving(venue(spot("BTC"), spot("ETH", "BREAK"))) as one, serving(venue(spot("SOL"))) as two:
        known = Services(
            Settings(
                home=tmp_path,
                universe=("BTC-USDT.BINANCE", "ETH-USDT.BINANCE"),
                venue=VenueSettings(rest_url=one.url),
                markets=(
                    MarketSettings(
                        name="OTHER",
                        exchange="binanceus",
                        rest_url=two.url,
                        instruments=("SOL-USDT.OTHER", "X-USDT.OTHER"),
                    ),
                ),
                training={"window_days": 10},
            ),
            Overrides(market_clock=ManualClock(NOW)),
        )

        class State:
            def __init__(self, pair: tuple[str, str]) -> None:
                try:
                    self.value: Any = fetch_and_store_bars.fn(*pair)
                except Exception as error:
                    self.value = error

            def result(self, *, raise_on_failure: bool) -> Any:
                del raise_on_failure
                return self.value

        with using(known):
            series = watched_series()
            done = ingest_summaries(series, [State(one) for one in series])
            judge_gaps.fn()
        assert [(one.name, one.stored, str(one.state)) for one in done] == [
            ("BTC-USDT.BINANCE", 239, "fine"),
            ("ETH-USDT.BINANCE", 0, "delisted"),
            ("SOL-USDT.OTHER", 239, "fine"),
            ("X-USDT.OTHER", 0, "unknown symbol"),
        ]
        assert not known.stores.gaps.load_gaps()
        stored = known.stores.market.read_bars(["SOL-USDT.OTHER"], "1h", EPOCH, NOW)
        assert stored["open_time"].diff().dropna().eq(timedelta(hours=1)).all()
        known.close()


@pytest.mark.wire
def test_shares_are_ingested_with_raw_answers_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.data import fetch_and_store_bars, fetch_and_store_records

    names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
    days = {
        f"2026-01-{day:02}": dict(zip(names, ("10", "11", "9", "10.5", f"{100 + day}"), strict=True))
        for day in (9, 12, 13)
    }

    def answer(query: dict[str, str]) -> Any:
        assert query["apikey"] == "s3cret"
        if query["function"] == "TIME_SERIES_DAILY":
            return {"Meta Data": {"2. Symbol": "VOD"}, "Time Series (Daily)": days}
        row = {"effective_date": "2026-01-12", "split_factor": "2"}
        return {"symbol": "VOD", "data": [row] if query["function"] == "SPLITS" else []}

    monkeypatch.setenv("AV_KEY", "s3cret")
    with serving({"query": answer}) as double:
        shares = MarketSettings(
            name="LSE",
            source="alpha_vantage",
            instruments=("VOD-GBP.LSE",),
            timeframes=("1d",),
            calendar="XLON",
            rest_url=double.url,
            key_variable="AV_KEY",
        )
        known = Services(
            Settings(
                home=tmp_path, markets=(shares,), training={"window_days": 30}, ingest={"record_history_hours": 240}
            ),
            Overrides(market_clock=ManualClock(NOW)),
        )
        with using(known):
            done = fetch_and_store_bars.fn("VOD-GBP.LSE", "1d")
            told = fetch_and_store_records.fn("adjustments", "VOD-GBP.LSE")
    assert (done.fetched, done.stored, done.quarantined) == (3, 3, 0)
    assert told.stored == 1
    splits = known.stores.market_events.read_market_events(MarketEventKind.ADJUSTMENTS, ["VOD-GBP.LSE"], EPOCH, NOW)
    assert list(splits["value"]) == [2.0]
    (newest, *_) = known.stores.market.find_payloads("bars VOD-GBP.LSE", stored_until=2**62)
    assert b"VOD" in known.stores.market.read_payload(newest.digest)
    assert "s3cret" not in str(newest)
    known.close()
