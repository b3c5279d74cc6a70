"""One suite per kind of record: trades, books, funding, open interest, adjustments, in memory and on SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from tidemill.adapters.sql.market.gaps import SqlGapLedger
from tidemill.adapters.sql.market.market_events import SqlMarketEvents
from tidemill.adapters.sql.market.series_status import SqlSeriesStatus
from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.domain.errors import DataError
from tidemill.domain.gaps import Fetch
from tidemill.domain.market import to_micros
from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind
from tidemill.domain.series import SeriesState, SeriesStatus
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.memory.market_events import MemoryMarketEvents
from tidemill.memory.series_status import MemorySeriesStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAME = "BTC-USDT.T"


@pytest.fixture
def store(backend: str, tmp_path, request) -> Iterator[object]:
    if backend == "memory":
        made = MemoryMarketEvents()
    elif backend == "sqlite":
        made = SqlMarketEvents(f"sqlite:///{tmp_path / 'market.db'}")
    else:
        made = SqlMarketEvents(request.getfixturevalue("postgres_database"))
    yield made
    made.close()


@pytest.fixture(params=list(MarketEventKind))
def kind(request: pytest.FixtureRequest) -> MarketEventKind:
    return request.param


def records(kind: MarketEventKind, *rows: tuple[int, float], name: str = NAME, known: timedelta = HOUR) -> pd.DataFrame:
    """RECORDS from (hour, number)."""
    shape = MARKET_EVENT_SHAPES[kind]
    frame = pd.DataFrame(
        [
            {
                "instrument": name,
                "event_time": START + hour * HOUR,
                **dict.fromkeys(shape.texts, "x"),
                **{one: 0.0 if one in shape.key else number for one in shape.numbers},
                "knowledge_time": START + hour * HOUR + known,
                "assumed": False,
            }
            for hour, number in rows
        ],
        columns=list(shape.columns),
    )
    return frame.astype({"event_time": "datetime64[us, UTC]", "knowledge_time": "datetime64[us, UTC]"})


def told(store, kind: MarketEventKind, hours: int = 100, **limits: object) -> list[tuple[int, float]]:
    found = store.read_market_events(kind, [NAME], START, START + hours * HOUR, **limits)
    number = MARKET_EVENT_SHAPES[kind].content[-1]
    return [
        (round((moment - pd.Timestamp(START)) / HOUR), value)
        for moment, value in zip(found["event_time"], found[number], strict=True)
    ]


def test_an_equal_record_adds_nothing_and_a_changed_one_a_revision(store, kind) -> None:
    assert store.write_market_events(kind, records(kind, (1, 11), (0, 10)), now=START) == 2
    assert store.write_market_events(kind, records(kind, (0, 10), (1, 11), known=2 * HOUR), now=START) == 0
    assert store.write_market_events(kind, records(kind, (1, 12)), now=START) == 1
    assert told(store, kind) == [(0, 10), (1, 12)]
    assert told(store, kind, revisions=True) == [(0, 10), (1, 11), (1, 12)]


def test_reads_tell_what_was_known_and_stored_then(store, kind) -> None:
    store.write_market_events(kind, records(kind, (0, 10)), now=START)
    store.write_market_events(kind, records(kind, (0, 99), known=50 * HOUR), now=START + HOUR)
    assert told(store, kind, known_at=START + 49 * HOUR) == [(0, 10)]
    assert told(store, kind, known_at=START + 50 * HOUR) == [(0, 99)]
    assert told(store, kind, stored_until=to_micros(START)) == [(0, 10)]
    assert told(store, kind, stored_until=to_micros(START) - 1) == []


def test_ranges_are_half_open_and_series_apart(store, kind) -> None:
    store.write_market_events(kind, records(kind, (0, 10), (1, 11), (2, 12)), now=START)
    store.write_market_events(kind, records(kind, (5, 50), name="ETH-USDT.T"), now=START)
    assert told(store, kind, hours=2) == [(0, 10), (1, 11)]
    assert store.latest_event(kind, NAME) == START + 2 * HOUR
    assert store.latest_event(kind, "SOL-USDT.T") is None
    assert list(store.read_market_events(kind, [NAME], START, START, revisions=True).columns) == [
        *MARKET_EVENT_SHAPES[kind].columns,
        "stored_at",
    ]


def test_nothing_is_stored_of_records_with_a_fault(store, kind) -> None:
    good = records(kind, (0, 10), (1, 11))
    number = MARKET_EVENT_SHAPES[kind].content[-1]
    with pytest.raises(DataError, match=f"{number} of {kind} is missing in row 1"):
        store.write_market_events(kind, good.assign(**{number: [1.0, float("nan")]}), now=START)
    with pytest.raises(DataError, match="has no time zone"):
        store.write_market_events(kind, good.assign(event_time=good["event_time"].dt.tz_localize(None)), now=START)
    with pytest.raises(DataError, match="without the column"):
        store.write_market_events(kind, good.drop(columns="assumed"), now=START)
    assert told(store, kind) == []


def test_storage_times_rise_with_those_of_bars(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'market.db'}"
    market, store = SqlMarketStore(url), SqlMarketEvents(url)
    digest = market.write_payload("x", "y", b"z", now=START + HOUR)
    store.write_market_events(MarketEventKind.FUNDING, records(MarketEventKind.FUNDING, (0, 0.1)), now=START)
    assert digest
    assert market.watermark() == to_micros(START + HOUR) + 1
    market.close()
    store.close()


def test_all_that_is_kept_of_a_market_has_one_order_of_storage(backend: str, tmp_path, request) -> None:
    with ExitStack() as stack:
        if backend == "memory":
            store = MemoryMarketStore()
            beside = [MemoryMarketEvents(store.order), MemorySeriesStatus(store.order), MemoryGapLedger(store.order)]
        else:
            lite = backend == "sqlite"
            url = f"sqlite:///{tmp_path / 'market.db'}" if lite else request.getfixturevalue("postgres_database")
            store = SqlMarketStore(url)
            beside = [SqlMarketEvents(url), SqlSeriesStatus(url), SqlGapLedger(url)]
        for one in (store, *beside):
            stack.callback(one.close)
        rates, marks, gaps = beside
        mark = SeriesStatus(instrument=NAME, timeframe="1h", state=SeriesState.FAILED)
        fetch = Fetch(instrument=NAME, timeframe="1h", start=START, end=START + HOUR, bars=1)
        writes = (
            lambda: store.write_payload("s", "a", b"1", now=START),
            lambda: rates.write_market_events(
                MarketEventKind.FUNDING, records(MarketEventKind.FUNDING, (0, 1.0)), now=START
            ),
            lambda: marks.record_status(mark, now=START),
            lambda: gaps.record_fetch(fetch, now=START),
            lambda: store.write_payload("s", "b", b"2", now=START),
        )
        seen = [store.watermark()]
        for write in writes:
            write()
            seen.append(store.watermark())
    assert seen == sorted(set(seen)), "each write moves the one watermark"
