"""One suite for the marks of series in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tidemill.adapters.sql.market.series_status import SqlSeriesStatus
from tidemill.domain.errors import DataError
from tidemill.domain.market import to_micros
from tidemill.domain.series import Listing, SeriesState, SeriesStatus
from tidemill.memory.series_status import MemorySeriesStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GONE = SeriesStatus(
    instrument="LUNA-USDT.T", timeframe="1h", state=SeriesState.DELISTED, why="traded no more", listed_until=NOW
)


@pytest.fixture
def marks(backend: str, tmp_path, request) -> Iterator[object]:
    if backend == "memory":
        made = MemorySeriesStatus()
    elif backend == "sqlite":
        made = SqlSeriesStatus(f"sqlite:///{tmp_path / 'market.db'}")
    else:
        made = SqlSeriesStatus(request.getfixturevalue("postgres_database"))
    yield made
    made.close()


def test_a_mark_is_kept_with_its_history_and_told_once(marks) -> None:
    fine = SeriesStatus(instrument=GONE.instrument, timeframe="1h")
    assert not marks.record_status(fine, now=NOW), "that all is fine is no news"
    assert marks.record_status(GONE, now=NOW)
    assert not marks.record_status(GONE, now=NOW)
    assert marks.record_status(fine, now=NOW), "but that it is fine again is"
    assert marks.record_status(replace(GONE, timeframe="1d"), now=NOW + timedelta(days=1))
    assert list(marks.load_statuses()) == [replace(GONE, timeframe="1d"), fine]
    assert list(marks.load_statuses(["BTC-USDT.T"])) == []
    events = marks.load_status_events(GONE.instrument, "1h")
    assert [one.mark for one in events] == [GONE, fine]
    assert events[0].stored_at == to_micros(NOW)
    assert events[1].stored_at > events[0].stored_at


def test_since_when_a_series_is_listed_is_news_even_when_all_is_fine(marks) -> None:
    listed = SeriesStatus(instrument="BTC-USDT.T", timeframe="1h", listed_from=NOW - timedelta(days=900))
    assert marks.record_status(listed, now=NOW)
    assert not marks.record_status(listed, now=NOW)
    assert list(marks.load_statuses()) == [listed]


def test_a_listing_without_time_is_refused() -> None:
    with pytest.raises(DataError, match="holds no bar"):
        Listing(start=NOW, end=NOW)
