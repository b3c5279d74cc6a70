"""The venue's memory on disk: what was told to be written is there after a crash, and never by other rules."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from support.recordings_made import recording

from tidemill.domain.errors import ConfigurationError
from tidemill.matching import FillRules
from tidemill.venue.journal import Journal
from tidemill.venue.options import VenueOptions, shift_to_now

WALL = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
RULES = FillRules(
    slippage=Decimal("0.0005"),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)
OPTIONS = VenueOptions(rules=RULES, recording=recording(BTC=[0, 1, 2]))


def read_again(path: Path) -> list[dict[str, object]]:
    journal = Journal(path)
    calls = list(journal.read())
    journal.close()
    return calls


async def write(journal: Journal, count: int) -> None:
    for number in range(count):
        journal.append({"call": "place", "number": number})
        if number % 3 == 2:
            await journal.settled()
    await journal.settled()


def test_calls_come_back_in_their_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "venue.db")
    asyncio.run(write(journal, 10))
    journal.close()
    assert [call["number"] for call in read_again(tmp_path / "deep" / "venue.db")] == list(range(10))


def test_what_is_settled_is_on_disk_though_the_journal_is_never_closed(tmp_path: Path) -> None:
    path = tmp_path / "venue.db"
    journal = Journal(path)
    asyncio.run(write(journal, 4))
    journal.append({"call": "place", "number": 4})
    # the control: what nobody waited for is not there yet
    assert [call["number"] for call in read_again(path)] == [0, 1, 2, 3]
    assert (journal.appended, journal.written) == (5, 4)
    journal.close()
    assert len(read_again(path)) == 5


def test_requests_that_wait_together_are_written_together(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "venue.db")

    async def one_request(number: int) -> int:
        journal.append({"call": "place", "number": number})
        await journal.settled()
        return journal.written

    async def all_requests() -> list[int]:
        return await asyncio.gather(*(one_request(number) for number in range(20)))

    written = asyncio.run(all_requests())
    assert min(written) >= 1
    assert all(count > number for number, count in enumerate(written))
    journal.close()
    assert len(read_again(tmp_path / "venue.db")) == 20


def test_after_a_failure_of_the_disk_nothing_is_told_any_more(tmp_path: Path) -> None:
    class FullDisk(Journal):
        def _insert(self, group: list[str]) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    journal = FullDisk(tmp_path / "venue.db")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="cannot write its database: database or disk is full"):
            asyncio.run(write(journal, 1))
    journal.close()
    assert read_again(tmp_path / "venue.db") == []


def test_a_group_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "venue.db"
    journal = Journal(path)
    assert journal._connection is not None
    journal._connection.execute(
        "CREATE TRIGGER no BEFORE INSERT ON calls WHEN new.call LIKE '%bad%' BEGIN SELECT RAISE(ABORT, 'bad'); END"
    )

    async def good_and_bad() -> None:
        journal.append({"call": "good"})
        journal.append({"call": "bad"})
        await journal.settled()

    with pytest.raises(ConfigurationError, match="bad"):
        asyncio.run(good_and_bad())
    journal.close()
    assert read_again(path) == []


def test_without_a_file_nothing_is_kept_and_nobody_waits() -> None:
    journal = Journal(None)
    asyncio.run(write(journal, 5))
    assert (journal.appended, journal.written, list(journal.read())) == (5, 5, [])
    journal.close()


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"venue\.db cannot be opened"):
        Journal(tmp_path / "file" / "venue.db")
    (tmp_path / "venue.db").write_bytes(b"no database at all, and long enough to be one" * 30)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Journal(tmp_path / "venue.db")


@pytest.mark.parametrize("clock", ["real", "recorded"])
def test_a_database_goes_on_where_it_began(tmp_path: Path, clock: str) -> None:
    options = replace(OPTIONS, clock=clock)
    path = tmp_path / "venue.db"
    first = Journal(path)
    beginning = first.begin(options, WALL)
    first.close()
    again = Journal(path)
    assert again.begin(options, WALL + timedelta(weeks=9)) == beginning
    assert list(again.read()) == []
    again.close()
    # the control: a database that begins then begins elsewhere on the real clock
    assert (Journal(None).begin(options, WALL + timedelta(weeks=9)) == beginning) == (clock == "recorded")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"clock": "real"}, "clock recorded, and now it is real"),
        ({"rules": replace(RULES, fee_taker=Decimal("0.002"))}, "fee_taker"),
        ({"rules": replace(RULES, slippage=Decimal("0.1"))}, "slippage"),
        ({"rules": replace(RULES, latency=timedelta(seconds=3))}, "latency"),
    ],
)
def test_a_database_of_other_rules_is_refused_with_the_way_out(
    tmp_path: Path, changes: dict[str, object], name: str
) -> None:
    path = tmp_path / "venue.db"
    journal = Journal(path)
    journal.begin(OPTIONS, WALL)
    with pytest.raises(ConfigurationError, match=f"was made with .*{name}.* another --db"):
        journal.begin(replace(OPTIONS, **changes), WALL)
    journal.begin(OPTIONS, WALL)
    journal.close()


@pytest.mark.parametrize("weeks", [0, 1, 3, 260])
def test_a_recording_is_shifted_by_whole_weeks_and_never_into_the_past(weeks: int) -> None:
    tape = recording(BTC=[0, 1, 2])
    shift = shift_to_now(tape, tape.last_close + timedelta(weeks=weeks, days=3))
    assert shift == timedelta(weeks=weeks)
    assert shift_to_now(tape, tape.first_open - timedelta(weeks=weeks, days=1)) == timedelta(0)
