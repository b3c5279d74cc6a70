"""One suite for the gap ledger in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import tidemill.adapters.sql
from tidemill.adapters.sql.market.gaps import SqlGapLedger
from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.domain.errors import DataError
from tidemill.domain.gaps import Cause, Fetch, Gap, GapState
from tidemill.domain.market import to_micros
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.ports import QUARANTINE_COLUMNS

START = datetime(2021, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC, ETH = "BTC-USDT.T", "ETH-USDT.T"
MIGRATIONS = Path(tidemill.adapters.sql.__file__).parent / "migrations" / "market"


@pytest.fixture
def ledger(backend: str, tmp_path, request) -> Iterator[object]:
    if backend == "memory":
        made = MemoryGapLedger()
    elif backend == "sqlite":
        made = SqlGapLedger(f"sqlite:///{tmp_path / 'market.db'}")
    else:
        made = SqlGapLedger(request.getfixturevalue("postgres_database"))
    yield made
    made.close()


def at(hour: float) -> datetime:
    return START + hour * HOUR


def gap(first: int, beyond: int, name: str = BTC, **changes: object) -> Gap:
    made = Gap(
        instrument=name,
        timeframe="1h",
        start=at(first),
        end=at(beyond),
        missing=beyond - first,
        cause=Cause.UNKNOWN,
        why="seen",
    )
    return replace(made, **changes)


def bad(*rows: tuple[int | None, float, str], name: str = BTC) -> pd.DataFrame:
    """QUARANTINE from (hour, close, hash)."""
    frame = pd.DataFrame(
        [
            {
                "timeframe": "1h",
                "instrument": name,
                "open_time": pd.NaT if hour is None else pd.Timestamp(at(hour)),
                "open": close,
                "high": close,
                "low": close,
                "close": close,
                "volume": 1.0,
                "knowledge_time": pd.Timestamp(START),
                "assumed": False,
                "reason": "spike",
                "source": "ingest",
                "payload_hash": digest,
            }
            for hour, close, digest in rows
        ],
        columns=list(QUARANTINE_COLUMNS),
    )
    return frame.astype({"open_time": "datetime64[us, UTC]", "knowledge_time": "datetime64[us, UTC]"})


def hashes(frame: pd.DataFrame) -> list[str]:
    return list(frame["payload_hash"])


def test_a_hole_keeps_its_whole_history(ledger) -> None:
    assert ledger.record_gaps([gap(2, 4), gap(1, 2, ETH)], now=START) == 2
    assert ledger.record_gaps([gap(2, 4)], now=START) == 0
    judged = gap(2, 4, cause=Cause.VENUE_OUTAGE)
    assert ledger.record_gaps([judged], now=START) == 1
    repaired = replace(judged, state=GapState.REPAIRED)
    assert ledger.record_gaps([repaired], now=at(9)) == 1
    events = ledger.load_gap_events(BTC, "1h")
    assert [one.gap for one in events] == [gap(2, 4), judged, repaired]
    assert [one.stored_at for one in events] == sorted({one.stored_at for one in events})
    assert events[-1].stored_at == to_micros(at(9))


def test_only_what_is_missing_is_told_unless_all_is_asked_for(ledger) -> None:
    kept = gap(5, 6, state=GapState.ACCEPTED, cause=Cause.NO_TRADES)
    ledger.record_gaps([gap(2, 4), kept, gap(1, 2, ETH, timeframe="5m")], now=START)
    ledger.record_gaps([gap(2, 4, state=GapState.REPAIRED)], now=START)
    assert list(ledger.load_gaps([BTC])) == [kept]
    assert [one.start for one in ledger.load_gaps([BTC], every=True)] == [at(2), at(5)]
    assert [one.instrument for one in ledger.load_gaps()] == [BTC, ETH]
    assert [one.instrument for one in ledger.load_gaps(timeframe="5m")] == [ETH]


def test_fetches_are_told_from_a_moment_on(ledger) -> None:
    first = Fetch(instrument=BTC, timeframe="1h", start=at(0), end=at(4), bars=4)
    second = replace(first, start=at(4), end=at(8), bars=0)
    for one in (first, second, replace(first, instrument=ETH, calendar="as-recorded")):
        ledger.record_fetch(one, now=START)
    assert list(ledger.load_fetches(BTC, "1h")) == [first, second]
    assert list(ledger.load_fetches(BTC, "1h", since=at(4))) == [second]
    assert list(ledger.load_fetches(BTC, "5m")) == []
    assert list(ledger.list_series()) == [(BTC, "1h", "24x7"), (ETH, "1h", "as-recorded")]


def test_a_bad_bar_is_kept_once_with_its_reason(ledger) -> None:
    assert ledger.write_quarantine(bad((2, 99.0, "b"), (1, 50.0, "a")), now=START) == 2
    assert ledger.write_quarantine(bad((2, 99.0, "b")), now=START) == 0
    assert ledger.write_quarantine(bad((2, 98.0, "c")), now=START) == 1
    found = ledger.read_quarantine([BTC], "1h")
    assert hashes(found) == ["a", "b", "c"]
    assert list(found["close"]) == [50.0, 99.0, 98.0]
    assert list(found["open_time"]) == [pd.Timestamp(at(1)), pd.Timestamp(at(2)), pd.Timestamp(at(2))]
    assert (set(found["reason"]), set(found["source"])) == ({"spike"}, {"ingest"})
    assert found["released_at"].isna().all()
    assert len(ledger.read_quarantine([ETH])) == 0
    assert len(ledger.read_quarantine(timeframe="5m")) == 0


def test_what_is_missing_in_a_bad_bar_stays_missing(ledger) -> None:
    ledger.write_quarantine(bad((None, float("nan"), "a"), (1, float("inf"), "b")), now=START)
    found = ledger.read_quarantine()
    assert list(found["open_time"].isna()) == [True, False]
    assert list(found["close"].isna()) == [True, False]
    assert found["close"][1] == float("inf")


def test_a_release_needs_a_reason_and_is_remembered(ledger) -> None:
    ledger.write_quarantine(bad((2, 99.0, "b"), (3, 1.0, "c")), now=START)
    before = to_micros(at(1))
    with pytest.raises(DataError, match="needs a reason"):
        ledger.release_bars(BTC, "1h", at(2), because=" ", now=at(5))
    assert ledger.release_bars(BTC, "1h", at(2), because="it was so", now=at(5)) == 1
    assert ledger.release_bars(BTC, "1h", at(2), because="again", now=at(6)) == 0
    assert hashes(ledger.read_quarantine()) == ["c"]
    assert list(ledger.read_quarantine(every=True)["because"]) == ["it was so", ""]
    assert hashes(ledger.read_quarantine(stored_until=before)) == ["b", "c"], "what stood then stands for a re-run"
    assert hashes(ledger.read_quarantine(stored_until=to_micros(at(5)))) == ["c"]
    assert hashes(ledger.read_quarantine(stored_until=0)) == []


def test_nothing_is_written_when_a_column_lacks(ledger) -> None:
    with pytest.raises(DataError, match="payload_hash"):
        ledger.write_quarantine(bad((2, 99.0, "b")).drop(columns="payload_hash"), now=START)
    assert len(ledger.read_quarantine()) == 0


def test_an_empty_write_adds_nothing(ledger) -> None:
    assert ledger.record_gaps([], now=START) == 0
    assert ledger.write_quarantine(bad(), now=START) == 0


def test_it_moves_the_market_stores_watermark(tmp_path) -> None:
    """What a decision may read is told by one number, so quarantine must count in it."""
    url = f"sqlite:///{tmp_path / 'market.db'}"
    store, ledger = SqlMarketStore(url), SqlGapLedger(url)
    ledger.write_quarantine(bad((2, 99.0, "b")), now=at(1))
    assert store.watermark() == to_micros(at(1))
    ledger.release_bars(BTC, "1h", at(2), because="so", now=at(0))
    assert store.watermark() == to_micros(at(1)) + 1
    store.close()
    ledger.close()


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_gaps_known_before_are_carried_over(database: str, tmp_path, request) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    if database == "postgres":
        url = request.getfixturevalue("postgres_database")
    engine = sa.create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        row = {"i": BTC, "s": to_micros(at(2)), "e": to_micros(at(4)), "c": "venue down"}
        text = "INSERT INTO gaps VALUES (:i, '1h', :s, :e, 2, :c, 5)"
        connection.execute(sa.text(text), row)
        connection.execute(sa.text(text), {**row, "s": to_micros(at(6)), "e": to_micros(at(8)), "c": "unknown"})
        connection.commit()
    engine.dispose()
    ledger = SqlGapLedger(url)
    told = [(one.start, one.end, one.missing, one.cause, one.state) for one in ledger.load_gaps()]
    assert told == [
        (at(2), at(4), 2, Cause.VENUE_OUTAGE, GapState.OPEN),
        (at(6), at(8), 2, Cause.UNKNOWN, GapState.OPEN),
    ]
    ledger.close()
