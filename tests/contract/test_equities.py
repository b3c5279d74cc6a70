"""Shares through the real clients of Yahoo and Alpha Vantage, each against a double on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.shares_wire import DIVIDEND, NAME, NOW, OPENS, PAID, RATIO, RAW, SPLIT, answers, yahoo
from support.wire_double import WireDouble, serving

from tidemill.adapters.equities.alpha_vantage import AlphaVantageBars
from tidemill.adapters.equities.sessions import ExchangeSessions
from tidemill.adapters.equities.yfinance import YfinanceBars
from tidemill.domain.errors import ConfigurationError, DataError, TransientError
from tidemill.domain.market_events import MarketEventKind
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.memory.clocks import ManualClock
from tidemill.quality import adjust_bars

pytestmark = pytest.mark.wire


@pytest.fixture(params=["yahoo", "alpha"])
def shares(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, WireDouble, Any]]:
    clock = ManualClock(NOW)
    kept: list[tuple[str, bytes]] = []

    def keep(request: str, body: bytes) -> None:
        kept.append((request, body))

    with serving(answers()) as double:
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
    told = made.fetch_market_events(
        MarketEventKind.ADJUSTMENTS, NAME, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
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
        made.fetch_market_events(MarketEventKind.TRADES, NAME, NOW, NOW)


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
