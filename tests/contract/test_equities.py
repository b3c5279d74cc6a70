"""Shares through the real clients of Yahoo and Alpha Vantage, each against a double on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from wire_double import WireDouble, serving

from tidemill.adapters.alpha_vantage_bars import AlphaVantageBars
from tidemill.adapters.clocks import ManualClock
from tidemill.adapters.exchange_sessions import ExchangeSessions
from tidemill.adapters.yfinance_bars import YfinanceBars
from tidemill.domain.errors import ConfigurationError, DataError, TransientError
from tidemill.domain.records import RecordKind
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.quality import adjust_bars

pytestmark = pytest.mark.wire
NAME = "AAPL-USD.US"
NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)
# date -> raw open, high, low, close, volume; on the 8th four new shares for one old, on the 12th a dividend of 0.5
RAW = {
    5: (400.0, 404.0, 396.0, 402.0, 1000.0),
    6: (402.0, 408.0, 401.0, 406.0, 1100.0),
    7: (406.0, 410.0, 404.0, 408.0, 1200.0),
    8: (102.0, 103.0, 101.0, 102.5, 4800.0),
    9: (102.5, 104.0, 102.0, 103.0, 4400.0),
    12: (102.5, 103.5, 102.0, 103.5, 4000.0),
    13: (103.5, 105.0, 103.0, 104.0, 4200.0),
}
SPLIT, RATIO, DIVIDEND, PAID = 8, 4.0, 12, 0.5
OPENS = [pd.Timestamp(2026, 1, day, tz="UTC") for day in RAW]


def yahoo(_: dict[str, str]) -> dict[str, Any]:
    """The chart as Yahoo tells it: everything before the split divided by it."""
    stamps = {day: int(datetime(2026, 1, day, 14, 30, tzinfo=UTC).timestamp()) for day in RAW}
    factor = {day: RATIO if day < SPLIT else 1.0 for day in RAW}
    columns = {
        name: [RAW[day][place] / factor[day] for day in RAW]
        for place, name in enumerate(("open", "high", "low", "close"))
    }
    columns["volume"] = [RAW[day][4] * factor[day] for day in RAW]
    period = {"timezone": "EST", "start": stamps[5], "end": stamps[13], "gmtoffset": -18000}
    meta = {
        "currency": "USD",
        "symbol": "AAPL",
        "exchangeName": "NMS",
        "instrumentType": "EQUITY",
        "firstTradeDate": stamps[5],
        "regularMarketTime": stamps[13],
        "gmtoffset": -18000,
        "timezone": "EST",
        "exchangeTimezoneName": "America/New_York",
        "regularMarketPrice": 104.0,
        "priceHint": 2,
        "currentTradingPeriod": {"pre": period, "regular": period, "post": period},
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "max"],
    }
    events = {
        "splits": {
            str(stamps[SPLIT]): {"date": stamps[SPLIT], "numerator": 4.0, "denominator": 1.0, "splitRatio": "4:1"}
        },
        "dividends": {str(stamps[DIVIDEND]): {"amount": PAID, "date": stamps[DIVIDEND]}},
    }
    indicators = {"quote": [columns], "adjclose": [{"adjclose": columns["close"]}]}
    result = {"meta": meta, "timestamp": list(stamps.values()), "events": events, "indicators": indicators}
    return {"chart": {"result": [result], "error": None}}


def alpha(query: dict[str, str]) -> Any:
    if query["function"] == "SPLITS":
        return {"symbol": "AAPL", "data": [{"effective_date": f"2026-01-{SPLIT:02}", "split_factor": "4.0000"}]}
    if query["function"] == "DIVIDENDS":
        return {"symbol": "AAPL", "data": [{"ex_dividend_date": f"2026-01-{DIVIDEND}", "amount": "0.5"}]}
    names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
    days = {f"2026-01-{day:02}": dict(zip(names, map(str, row), strict=True)) for day, row in RAW.items()}
    return {"Meta Data": {"2. Symbol": "AAPL"}, "Time Series (Daily)": days}


@pytest.fixture(params=["yahoo", "alpha"])
def shares(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, WireDouble, Any]]:
    clock = ManualClock(NOW)
    kept: list[tuple[str, bytes]] = []

    def keep(request: str, body: bytes) -> None:
        kept.append((request, body))

    answers = {"query": alpha, "chart/": yahoo, "getcrumb": b"crumb", "/": b"<html></html>"}
    with serving(answers) as double:
        if request.param == "yahoo":
            made: Any = YfinanceBars([NAME], market_clock=clock, base_url=double.url, cache=tmp_path, on_payload=keep)
        else:
            made = AlphaVantageBars("s3cret", [NAME], market_clock=clock, base_url=double.url, on_payload=keep)
        made.kept = kept
        yield request.param, double, made
        made.close()


def fetched(made: Any, first: int = 5, beyond: int = 31) -> pd.DataFrame:
    return made.fetch_bars(NAME, "1d", datetime(2026, 1, first, tzinfo=UTC), datetime(2026, 1, beyond, tzinfo=UTC))


def test_prices_are_raw_and_known_when_received(shares) -> None:
    _, _, made = shares
    bars = fetched(made)
    assert list(bars["open_time"]) == OPENS
    columns = ["open", "high", "low", "close", "volume"]
    assert [tuple(row) for row in bars[columns].to_numpy()] == list(RAW.values())
    assert set(bars["knowledge_time"]) == {pd.Timestamp(NOW)}
    assert [one.id for one in made.fetch_instruments()] == [NAME]
    request, body = made.kept[-1]
    assert request.endswith(" AAPL")
    assert b"AAPL" in body, "the raw answer is handed on"
    assert "s3cret" not in request


def test_a_range_that_ends_before_a_split_is_raw_as_well(shares) -> None:
    _, _, made = shares
    assert list(fetched(made, 5, 7)["close"]) == [402.0, 406.0]
    assert len(fetched(made, 14, 31)) == 0


def test_splits_and_dividends_make_the_series_comparable(shares) -> None:
    _, _, made = shares
    told = made.fetch_records(
        RecordKind.ADJUSTMENTS, NAME, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    )
    assert [(one.event_time.day, one.kind, one.value) for one in told.itertuples()] == [
        (SPLIT, "split", RATIO),
        (DIVIDEND, "dividend", PAID),
    ]
    adjusted = adjust_bars(fetched(made), told, known_at=NOW)
    held = 1 - PAID / 103.0
    assert adjusted["close"].to_list() == pytest.approx(
        [402 / 4 * held, 406 / 4 * held, 408 / 4 * held, 102.5 * held, 103 * held, 103.5, 104]
    )
    with pytest.raises(DataError, match="no trades"):
        made.fetch_records(RecordKind.TRADES, NAME, NOW, NOW)


def test_what_cannot_be_had_is_told_apart(shares) -> None:
    kind, double, made = shares
    with pytest.raises(SeriesError, match="not among the instruments") as unknown:
        made.fetch_bars("MSFT-USD.US", "1d", NOW, NOW)
    assert unknown.value.state is SeriesState.UNKNOWN_SYMBOL
    with pytest.raises(SeriesError, match="4h") as untimed:
        made.fetch_bars(NAME, "4h", NOW - timedelta(days=1), NOW)
    assert untimed.value.state is SeriesState.NO_TIMEFRAME
    gone = {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data found"}}}
    double.answers["chart/"] = (404, {}, gone)
    double.answers["query"] = {"Error Message": "Invalid API call. Please retry or visit the documentation"}
    with pytest.raises(SeriesError, match="has no AAPL") as missing:
        fetched(made)
    assert missing.value.state is SeriesState.UNKNOWN_SYMBOL
    double.answers["chart/"] = (429, {}, b"Too Many Requests")
    double.answers["query"] = {"Information": "Our standard API rate limit is 25 requests per day. Key: s3cret"}
    with pytest.raises(TransientError) as spent:
        fetched(made)
    assert "s3cret" not in str(spent.value)
    if kind == "alpha":
        assert spent.value.retry_after_seconds == 86_400
        assert spent.value.__cause__ is None, "nor does what it came from show the key"


def test_another_shape_or_no_answer_is_no_bars(shares) -> None:
    kind, double, made = shares
    shape = yahoo({})
    shape["chart"]["result"][0]["indicators"] = {"prices": [1]}
    double.answers["chart/"] = shape
    double.answers["query"] = {"Time Series (Daily)": {"2026-01-05": {"o": "1"}}, "Meta Data": {}}
    with pytest.raises(SeriesError) as changed:
        fetched(made)
    assert changed.value.state in {SeriesState.CHANGED_SHAPE, SeriesState.UNKNOWN_SYMBOL}
    double.answers["query"] = b"<html>"
    if kind == "alpha":
        with pytest.raises(TransientError, match="no JSON"):
            fetched(made)


def test_a_key_is_needed_and_never_shown() -> None:
    with pytest.raises(ConfigurationError, match="key_variable"):
        AlphaVantageBars("", [NAME], market_clock=ManualClock(NOW))
    made = AlphaVantageBars("s3cret", [NAME], market_clock=ManualClock(NOW), base_url="http://127.0.0.1:9")
    with pytest.raises(TransientError) as refused:
        fetched(made)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


# -- sessions


def test_sessions_know_holidays_and_half_days() -> None:
    begin, end = datetime(2025, 11, 24, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)
    days = ExchangeSessions("XNYS").opens("1d", begin, end)
    assert [one.day for one in days] == [24, 25, 26, 28], "Thanksgiving is none"
    hours = ExchangeSessions("XNYS").opens("1h", begin, end)
    friday = [one for one in hours if one.day == 28]
    assert (friday[0].hour, friday[0].minute, len(friday)) == (14, 30, 4), "half a day, from 14:30 UTC on"
    assert len([one for one in hours if one.day == 24]) == 7
    with pytest.raises(ConfigurationError, match="no calendar 'XXXX'"):
        ExchangeSessions("XXXX")
