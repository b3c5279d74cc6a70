"""Ingest through real ccxt clients: several venues at once, recorded answers of five, and all that can go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from support.binance_wire import klines, recorded
from support.wire_double import WireDouble, serving

from tidemill.adapters.ccxt.calls import Patience
from tidemill.adapters.ccxt.client import MarketAccess, SharedPace
from tidemill.adapters.ccxt.market import CcxtMarket
from tidemill.adapters.clocks import WallClock
from tidemill.domain.budgets import BudgetRule
from tidemill.domain.errors import TransientError
from tidemill.domain.series import NotKept, SeriesError, SeriesState
from tidemill.memory.budgets import MemoryBudgets
from tidemill.memory.clocks import ManualClock

pytestmark = pytest.mark.wire
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


# venue -> (instruments' path and file, bars' path and file, what else is asked, an instrument, timeframe, first open)
FIVE = {
    "binance": (
        ("exchangeInfo", "binance/pytests__http_responses__http_spot_market_exchange_info.json"),
        ("klines", "binance/pytests__http_responses__http_spot_market_klines.json"),
        {},
        ("BTC-USDT.BINANCE", "1m", datetime(2021, 10, 22, 23, 3, tzinfo=UTC), 10, 60685.22),
    ),
    "bybit": (
        ("instruments-info", "bybit/http_get_instruments_spot.json"),
        ("kline", "bybit/http_get_klines_linear.json"),
        {},
        ("BTC-USDT.BYBIT", "1m", datetime(2024, 3, 8, 9, 54, 39, tzinfo=UTC), 1, 27450.0),
    ),
    "coinbase": (
        ("market/products", "coinbase/http_products.json"),
        ("market/products/BTC-USD/candles", "coinbase/http_candles.json"),
        {"v2/currencies": {"data": []}, "exchange-rates": {"data": {"currency": "USD", "rates": {}}}},
        ("BTC-USD.COINBASE", "1h", datetime(2024, 4, 4, 0, tzinfo=UTC), 2, 65984.18),
    ),
    "kraken": (
        ("AssetPairs", "kraken/http_asset_pairs.json"),
        ("OHLC", "kraken/http_ohlc.json"),
        {"Assets": {"error": [], "result": {}}},
        ("BTC-USDT.KRAKEN", "1m", datetime(2025, 11, 10, 12, 17, tzinfo=UTC), None, 106038.2),
    ),
    "okx": (
        ("instruments", "okx/http_get_instruments_spot.json"),
        ("candles", "okx/http_get_candlesticks.json"),
        {},
        ("BTC-USD.OKX", "1m", datetime(2021, 7, 1, tzinfo=UTC), 2, 33528.6),
    ),
}


@pytest.fixture(params=list(FIVE))
def five(request: pytest.FixtureRequest) -> Iterator[tuple[str, WireDouble, CcxtMarket]]:
    """A venue that answers as it was recorded, and its client."""
    (instruments, instruments_file), (bars, bars_file), extra, _ = FIVE[request.param]
    with serving({instruments: recorded(instruments_file), bars: recorded(bars_file), **extra}) as double:
        made = market(request.param, double.url)
        yield request.param, double, made
        made.close()


def market(exchange: str, url: str, **access: Any) -> CcxtMarket:
    return CcxtMarket(
        exchange,
        venue=exchange.upper(),
        rest_url=url,
        market_clock=ManualClock(NOW),
        timeout_seconds=5,
        access=MarketAccess(**access),
    )


def fetch(venue: str, made: CcxtMarket) -> pd.DataFrame:
    name, timeframe, first, _, _ = FIVE[venue][3]
    return made.fetch_bars(name, timeframe, first, first + 4 * HOUR)


@pytest.mark.data
def test_bars_of_five_venues_are_read_as_recorded(five) -> None:
    venue, _, made = five
    name, _, first, count, opened = FIVE[venue][3]
    assert name in [one.id for one in made.fetch_instruments()]
    bars = fetch(venue, made)
    assert count is None or len(bars) == count
    assert (bars["open_time"].iloc[0], bars["open"].iloc[0]) == (pd.Timestamp(first), opened)
    assert bars["open_time"].is_monotonic_increasing
    assert bars["open_time"].is_unique


def renamed(value: Any) -> Any:
    """The answer with every list of rows under another key."""
    if isinstance(value, dict):
        return {("rows" if isinstance(one, list) and one else key): renamed(one) for key, one in value.items()}
    return {"rows": value} if isinstance(value, list) else value


def reshaped(value: Any, change: Any) -> Any:
    """The answer with every row of it changed."""
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return [change(one) if isinstance(one, list) or len(one) > 3 else one for one in value]
    if isinstance(value, dict):
        return {key: reshaped(one, change) for key, one in value.items()}
    return value


def later(row: Any) -> Any:
    """The row with its time told in a unit a thousand times finer."""
    if isinstance(row, dict):
        return {**row, "start": f"{row['start']}000"}
    return [f"{row[0]}000" if isinstance(row[0], str) else row[0] * 1000, *row[1:]]


# of Binance, Bybit and OKX ccxt has every timeframe that we have
LACKING = {"coinbase": "12h", "kraken": "2h"}
CHANGES = {
    "the rows under another key": renamed,
    "rows as texts": lambda value: reshaped(value, str),
    "rows of one value": lambda value: reshaped(value, lambda row: list(row)[:1]),
    "prices that are words": lambda value: reshaped(
        value,
        lambda row: (
            {key: "n/a" if key != "start" else one for key, one in row.items()}
            if isinstance(row, dict)
            else [row[0], *["n/a" for _ in row[1:]]]
        ),
    ),
    "times in microseconds": lambda value: reshaped(value, later),
    "null": lambda _: None,
    "nothing but an object": lambda _: {},
}


@pytest.mark.data
@pytest.mark.parametrize("change", CHANGES)
def test_an_answer_that_changed_its_shape_is_never_taken_for_no_bars(five, change: str) -> None:
    venue, double, made = five
    made.fetch_instruments()
    path, file = FIVE[venue][1]
    double.answers[path] = CHANGES[change](recorded(file))
    assert judged(made, venue) in {"changed shape", "no answer", "no numbers"}


def judged(made: CcxtMarket, venue: str) -> str:
    """What became of an answer: a row whose numbers cannot be read is told without them, and refused bar by bar."""
    try:
        bars = fetch(venue, made)
    except SeriesError as error:
        return "changed shape" if error.state is SeriesState.CHANGED_SHAPE else str(error)
    except TransientError:
        return "no answer"
    numbers = bars[["open", "high", "low", "close", "volume"]]
    return "no numbers" if len(bars) and numbers.isna().all(axis=None) else f"{len(bars)} bars"


@pytest.mark.data
def test_an_empty_answer_is_no_bars(five) -> None:
    venue, double, made = five
    made.fetch_instruments()
    path, file = FIVE[venue][1]
    empty = {
        "binance": [],
        "coinbase": {"candles": []},
        "kraken": {"error": [], "result": {"XBTUSDT": [], "last": 0}},
        "okx": {"code": "0", "msg": "", "data": []},
    }
    answer = recorded(file)
    double.answers[path] = (
        empty.get(venue) if venue in empty else {**answer, "result": {**answer["result"], "list": []}}
    )
    assert len(fetch(venue, made)) == 0


@pytest.mark.data
def test_a_symbol_or_a_timeframe_that_a_venue_lacks_is_told_apart(five) -> None:
    venue, _, made = five
    name, timeframe, first, _, _ = FIVE[venue][3]
    with pytest.raises(SeriesError, match="is not traded at") as unknown:
        made.fetch_bars(f"NONE-USD.{venue.upper()}", timeframe, first, first + HOUR)
    assert unknown.value.state is SeriesState.UNKNOWN_SYMBOL
    if venue not in LACKING:
        return
    with pytest.raises(SeriesError, match=f"no bars of {LACKING[venue]}") as untimed:
        made.fetch_bars(name, LACKING[venue], first, first + HOUR)
    assert untimed.value.state is SeriesState.NO_TIMEFRAME


@pytest.mark.data
def test_a_delisted_market_is_told_apart_from_an_unknown_one() -> None:
    (path, file), (bars, bars_file), _, (name, timeframe, first, _, _) = FIVE["binance"]
    info = recorded(file)
    for one in info["symbols"]:
        one["status"] = "BREAK" if one["symbol"] == "BTCUSDT" else one["status"]
    with serving({path: info, bars: recorded(bars_file)}) as double:
        made = market("binance", double.url)
        with pytest.raises(SeriesError, match="traded no more") as gone:
            made.fetch_bars(name, timeframe, first, first + HOUR)
        assert gone.value.state is SeriesState.DELISTED
        assert name not in [one.id for one in made.fetch_instruments()]
        made.close()


@pytest.mark.data
def test_a_venue_that_keeps_only_new_bars_says_so() -> None:
    """Kraken answers with its newest bars whatever is asked for."""
    (path, file), (bars, _), extra, (name, timeframe, first, _, _) = FIVE["kraken"]
    begun = int(first.timestamp())
    rows = [[begun + 60 * number, "1", "2", "1", "2", "1", "5", 3] for number in range(720)]
    answer: dict[str, Any] = {"error": [], "result": {"XBTUSDT": rows, "last": 0}}
    with serving({path: recorded(file), bars: answer, **extra}) as double:
        made = market("kraken", double.url)
        with pytest.raises(NotKept, match="tidemill data import") as caught:
            made.fetch_bars(name, timeframe, first - 10 * HOUR, first - 9 * HOUR)
        assert caught.value.first == first
        answer["result"]["XBTUSDT"] = rows[:5]
        assert len(made.fetch_bars(name, timeframe, first - HOUR, first)) == 0, "so much later was the next trade"
        made.close()


@pytest.mark.data
def test_retry_after_is_obeyed_and_holds_back_every_process() -> None:
    told = iter([(429, {"Retry-After": "7"}, {"code": -1003, "msg": "Too many requests."})])
    slept: list[float] = []
    budgets, clock = MemoryBudgets(), WallClock()
    pace = SharedPace(budgets=budgets, owner="a", clock=clock, rule=BudgetRule(per_second=1000, burst=100))
    (path, file) = FIVE["binance"][0]
    with serving({path: recorded(file), "klines": lambda query: next(told, None) or klines(query)}) as double:
        made = market("binance", double.url, pace=pace, patience=Patience(tries=3), sleep=slept.append)
        made.fetch_instruments()
        begun = clock.now()
        bars = made.fetch_bars("BTC-USDT.BINANCE", "1m", NOW - 2 * HOUR, NOW - HOUR)
        made.close()
    assert len(bars) == 60
    assert slept == [7.0], "as the venue said"
    assert (clock.now() - begun).total_seconds() > 6, "the budget let nothing through before"


@pytest.mark.data
def test_what_may_pass_is_tried_again_with_growing_pauses_and_then_given_up() -> None:
    slept: list[float] = []
    (path, file) = FIVE["binance"][0]
    with serving({path: recorded(file), "klines": (503, {}, b"<html>busy</html>")}) as double:
        made = market("binance", double.url, patience=Patience(tries=4, first_seconds=1), sleep=slept.append)
        with pytest.raises(TransientError, match="BINANCE does not answer"):
            made.fetch_bars("BTC-USDT.BINANCE", "1m", NOW - 2 * HOUR, NOW - HOUR)
        made.close()
    assert len([one for one in double.asked if "klines" in one[0]]) == 4
    assert [0.5 * 2**n <= one <= 2**n for n, one in enumerate(slept)] == [True] * 3
