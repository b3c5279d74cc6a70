"""One suite for the market store in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.influx_double import BUCKET, ORG, TOKEN, running_double
from support.influx_server import create_database, running_influx

from tidemill.adapters import compiled_io
from tidemill.adapters.influx.market import InfluxMarketStore, Place
from tidemill.adapters.influx.wire import Api
from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.domain.errors import ConfigurationError, DataError, TransientError
from tidemill.domain.market import EPOCH, to_micros
from tidemill.memory.market import MemoryMarketStore
from tidemill.ports import BAR_COLUMNS

START = datetime(2021, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


DOUBLES: dict[str, tuple[str, Api]] = {
    "influx-2": ("2", "v2"),
    "influx-1.8": ("1.8", "v2-influxql"),
    "influx-3": ("3", "v2-influxql"),
}


@pytest.fixture(params=["memory", "sqlite", "sqlite-plain", "postgres", *DOUBLES, "influx-real"])
def backend(request: pytest.FixtureRequest) -> str:
    """Which adapter a test runs on.

    sqlite-plain: without compiled reads and writes. influx-2, -1.8 and -3 are a double of those versions, influx-real
    a server 1.6.
    """
    return request.param


@pytest.fixture(scope="session")
def influx_url() -> Iterator[str]:
    with running_influx() as url:
        if not url:
            pytest.skip("no InfluxDB here; install the package influxdb")
        yield url


@pytest.fixture
def store(backend: str, tmp_path, request) -> Iterator[object]:
    if backend == "memory":
        made = MemoryMarketStore()
    elif backend == "postgres":
        made = SqlMarketStore(request.getfixturevalue("postgres_database"))
    else:
        if backend == "sqlite-plain":
            request.getfixturevalue("monkeypatch").setenv(compiled_io.VARIABLE, "off")
        made = SqlMarketStore(f"sqlite:///{tmp_path / 'market.db'}")
    with ExitStack() as stack:
        if backend in DOUBLES:
            version, api = DOUBLES[backend]
            double = stack.enter_context(running_double(version))
            place = Place(url=double.url, token=TOKEN, org=ORG, bucket=BUCKET)
            made = InfluxMarketStore(place, made, api=api, sleep=lambda _: None)
        elif backend == "influx-real":
            url, name = request.getfixturevalue("influx_url"), f"t{uuid.uuid4().hex}"
            create_database(url, name)
            made = InfluxMarketStore(Place(url=url, bucket=name), made, api="v1")
        yield made
        made.close()


def bars(*rows: tuple[int, float], name: str = "BTC-USDT.T", delay: timedelta = timedelta(seconds=1)) -> pd.DataFrame:
    """BARS from (hour, close)."""
    made = pd.DataFrame(
        [
            {
                "instrument": name,
                "open_time": pd.Timestamp(START + hour * HOUR),
                "open": close,
                "high": close + 1,
                "low": close - 1,
                "close": close,
                "volume": 10.0,
                "knowledge_time": pd.Timestamp(START + (hour + 1) * HOUR + delay),
                "assumed": False,
            }
            for hour, close in rows
        ],
        columns=list(BAR_COLUMNS),
    )
    for column in ("open_time", "knowledge_time"):
        made[column] = made[column].astype("datetime64[us, UTC]")
    return made


def read(store, hours: int = 100, **limits) -> list[tuple[int, float]]:
    found = store.read_bars(["BTC-USDT.T"], "1h", START, START + hours * HOUR, **limits)
    return [
        (int((opened - pd.Timestamp(START)) / HOUR), close)
        for opened, close in zip(found["open_time"], found["close"], strict=True)
    ]


def test_an_equal_row_adds_nothing_and_a_changed_one_a_revision(store) -> None:
    assert store.write_bars("1h", bars((0, 10), (1, 11)), now=START) == 2
    assert store.write_bars("1h", bars((0, 10), (1, 11)), now=START) == 0
    assert store.write_bars("1h", bars((0, 10), (1, 12)), now=START) == 1
    assert read(store) == [(0, 10), (1, 12)]
    both = store.read_bars(["BTC-USDT.T"], "1h", START, START + 9 * HOUR, revisions=True)
    assert list(both["close"]) == [10, 11, 12]


def test_ranges_are_half_open_and_sorted(store) -> None:
    store.write_bars("1h", bars((3, 13), (1, 11), (2, 12)), now=START)
    found = store.read_bars(["BTC-USDT.T"], "1h", START + HOUR, START + 3 * HOUR)
    assert list(found["close"]) == [11, 12]
    assert store.latest_open("BTC-USDT.T", "1h") == START + 3 * HOUR
    assert store.latest_open("ETH-USDT.T", "1h") is None


def test_coverage_tells_which_bars_are_there_each_once(store) -> None:
    store.write_bars("1h", bars((3, 13), (1, 11), (2, 12)), now=START)
    store.write_bars("1h", bars((2, 99)), now=START)
    store.write_bars("1h", bars((2, 12), name="ETH-USDT.T"), now=START)
    found = store.coverage("BTC-USDT.T", "1h", START, START + 3 * HOUR)
    assert found.dtype == np.int64
    assert found.tolist() == [to_micros(START + HOUR), to_micros(START + 2 * HOUR)]
    # a range so long that it is read another way
    assert len(store.coverage("BTC-USDT.T", "1h", EPOCH, START + 9 * HOUR)) == 3
    assert len(store.coverage("BTC-USDT.T", "5m", START, START + 9 * HOUR)) == 0
    assert len(store.coverage("XRP-USDT.T", "1h", EPOCH, START + 9 * HOUR)) == 0


def test_health_tells_what_the_store_is_and_changes_nothing(store, backend: str) -> None:
    store.write_bars("1h", bars((0, 10)), now=START)
    told = store.health()
    assert told.kind.lower().startswith(backend.partition("-")[0])
    assert told.watermark == store.watermark() == to_micros(START)
    assert (told.free_bytes or 1) > 0
    assert TOKEN not in told.place
    assert "secret" not in told.place
    assert read(store) == [(0, 10)]


def test_a_store_that_takes_no_writes_is_not_well(tmp_path) -> None:
    made = SqlMarketStore(f"sqlite:///{tmp_path / 'market.db'}")
    made._engine.dispose()
    sa.event.listen(made._engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only=ON"))
    with pytest.raises(TransientError, match=r"market\.db did not answer"):
        made.health()
    made.close()


def test_a_revision_is_not_known_before_its_time(store) -> None:
    store.write_bars("1h", bars((0, 10)), now=START)
    store.write_bars("1h", bars((0, 99), delay=timedelta(days=1)), now=START)
    assert read(store, known_at=START + 2 * HOUR) == [(0, 10)]
    assert read(store, known_at=START + timedelta(days=2)) == [(0, 99)]
    assert read(store, known_at=START) == []


def test_the_watermark_only_rises(store) -> None:
    marks = [store.watermark()]
    for close in range(10, 14):
        store.write_bars("1h", bars((0, close)), now=START)
        marks.append(store.watermark())
    assert marks == sorted(set(marks))
    assert marks[1] == to_micros(START)


@pytest.mark.parametrize("column", ["close", "volume", "knowledge_time"])
def test_nothing_is_stored_when_anything_is_missing(store, column: str) -> None:
    broken = bars((0, 10), (1, 11))
    broken.loc[1, column] = None
    with pytest.raises(DataError, match=column):
        store.write_bars("1h", broken, now=START)
    assert read(store) == []


def test_a_time_without_zone_is_refused(store) -> None:
    naive = bars((0, 10))
    naive["open_time"] = naive["open_time"].dt.tz_localize(None)
    with pytest.raises(DataError, match="zone"):
        store.write_bars("1h", naive, now=START)


def posts(*ids: str, text: str = "up") -> pd.DataFrame:
    made = pd.DataFrame(
        {
            "source": "reddit",
            "post_id": list(ids),
            "channel": "c",
            "event_time": pd.Timestamp(START),
            "knowledge_time": pd.Timestamp(START),
            "assumed": True,
            "title": "",
            "text": text,
        }
    )
    return made.astype({"event_time": "datetime64[us, UTC]", "knowledge_time": "datetime64[us, UTC]"})


def test_posts_and_their_edits(store) -> None:
    assert store.write_posts(posts("b", "a"), now=START) == 2
    mark = store.watermark()
    assert store.write_posts(posts("a"), now=START) == 0
    assert store.write_posts(posts("a", text="edited"), now=START) == 1
    now = store.read_posts(START, START + HOUR)
    assert list(zip(now["post_id"], now["text"], strict=True)) == [("a", "edited"), ("b", "up")]
    assert list(store.read_posts(START, START + HOUR, stored_until=mark)["text"]) == ["up", "up"]


def test_scores_by_scorer(store) -> None:
    scores = posts("a", "b")[["source", "post_id", "event_time", "knowledge_time"]].assign(
        scorer="s", score=[0.5, -1.0], subjects="BTC"
    )
    assert store.write_scores(scores, now=START) == 2
    assert list(store.read_scores("s", START, START + HOUR)["score"]) == [0.5, -1.0]
    assert len(store.read_scores("other", START, START + HOUR)) == 0


def test_payloads_are_kept_once_and_found_by_source(store) -> None:
    digest = store.write_payload("bars X", "GET x", b"body", now=START)
    assert store.write_payload("bars X", "GET x", b"body", now=START) == digest
    assert store.read_payload(digest) == b"body"
    assert store.read_payload("0" * 64) is None
    found = store.find_payloads("bars X", stored_until=store.watermark())
    assert [one.digest for one in found] == [digest]
    assert not store.find_payloads("bars X", stored_until=0)


def test_writers_at_once_lose_nothing(store) -> None:
    def write(start: int) -> None:
        for hour in range(start, start + 10):
            store.write_bars("1h", bars((hour, 10.0)), now=START)

    threads = [threading.Thread(target=write, args=(start,)) for start in range(0, 40, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(store)) == 40


writes = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 3), st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=14
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=writes, known=st.integers(0, 12), cut=st.integers(0, 13))
def test_no_later_write_changes_an_earlier_read(store, writes, known: int, cut: int) -> None:
    """The property that makes decisions repeatable: (known_at, watermark) names one answer for ever."""
    name = f"X{datetime.now(UTC).timestamp()}".replace(".", "") + "-USDT.T"
    limits = {"known_at": START + known * HOUR}

    def answer(mark: int) -> list[tuple[object, ...]]:
        found = store.read_bars([name], "1h", START, START + 99 * HOUR, stored_until=mark, **limits)
        return list(found[["open_time", "close", "stored_at"]].itertuples(index=False, name=None))

    promised = None
    for index, (hour, close, delay, now) in enumerate(writes):
        if index == min(cut, len(writes) - 1):
            mark = store.watermark()
            promised = (mark, answer(mark))
        frame = bars((hour, 10.0 + close), name=name, delay=delay * HOUR)
        store.write_bars("1h", frame, now=START + now * HOUR)
    assert promised is not None
    assert answer(promised[0]) == promised[1]


def test_a_damaged_file_is_named(tmp_path) -> None:
    path = tmp_path / "market.db"
    path.write_bytes(b"this is no database, but long enough to look like one" * 100)
    with pytest.raises(ConfigurationError, match=r"market\.db"):
        SqlMarketStore(f"sqlite:///{path}")


SOURCES = ("bars A", "bars B", "import")


def fill_payloads(store) -> list[int]:
    """Answers over sixty days, some sources seldom; the watermarks at which decisions were made."""
    marks = []
    for day in range(60):
        now = START + timedelta(days=day)
        store.write_payload("bars A", f"A {day}", f"A{day}".encode(), now=now)
        if day % 7 == 0:
            store.write_payload("bars B", f"B {day}", f"B{day}".encode(), now=now)
        if day == 0:
            store.write_payload("import", "file", b"file", now=now)
        if day in {5, 21, 22, 58}:
            marks.append(store.watermark())
    return marks


def referenced(store, marks: list[int]) -> list[list[str]]:
    """All that the decisions of these watermarks can point to."""
    return [
        [one.digest for one in store.find_payloads(source, stored_until=mark)] for mark in marks for source in SOURCES
    ]


def test_pruning_deletes_what_is_old_and_never_what_a_decision_references(store) -> None:
    marks = fill_payloads(store)
    before = referenced(store, marks)
    everything = store.prune_payloads(before=EPOCH, watermarks=[])
    assert (everything.deleted, everything.kept) == (0, 0)
    pruned = store.prune_payloads(before=START + timedelta(days=50), watermarks=marks)
    # days 0 to 5, 12 to 22 and 40 to 49 are some decision's ten newest, or may become one's; and two sources are sparse
    assert (pruned.deleted, pruned.kept) == (50 - 6 - 11 - 10, 6 + 11 + 10 + 8 + 1)
    assert pruned.bytes > 0
    assert (pruned.left, pruned.left_bytes > 0) == (everything.left - pruned.deleted, True)
    assert pruned.bytes + pruned.left_bytes == everything.left_bytes
    assert referenced(store, marks) == before
    assert all(store.read_payload(digest) is not None for some in before for digest in some)
    late = store.watermark()
    assert [one.request for one in store.find_payloads("bars A", stored_until=late)][:3] == ["A 59", "A 58", "A 57"]
    again = store.prune_payloads(before=START + timedelta(days=50), watermarks=marks)
    assert (again.deleted, again.kept) == (0, pruned.kept)


def test_pruning_that_does_not_ask_the_ledger_would_lose_evidence(store) -> None:
    """The control of the test before."""
    marks = fill_payloads(store)
    before = referenced(store, marks)
    store.prune_payloads(before=START + timedelta(days=50), watermarks=[])
    assert referenced(store, marks) != before


def test_many_answers_are_kept_at_once_and_each_once(store) -> None:
    first = store.write_payload("bars A", "one", b"1" * 500, now=START)
    found = store.write_payloads(
        [("bars A", "one", b"1" * 500), ("bars B", "two", b"2"), ("x", "two", b"2")], now=START
    )
    assert found[0] == first
    assert found[1] == found[2]
    assert [store.read_payload(one) for one in found] == [b"1" * 500, b"2", b"2"]
