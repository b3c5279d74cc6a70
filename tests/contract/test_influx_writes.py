"""Writes of InfluxDB that broke off, that were killed, that arrive late: nothing torn is ever read.

All of it on the v2 API, and on v2 writes with InfluxQL reads as 1.8 and 3 have them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import pytest
from influx_desk import APIS, MINUTE, NAME, START, Alone, Desk, bars, is_there, some
from influx_double import BUCKET, ORG, TOKEN, Double, running_double

from tidemill.adapters._influx_told import UNDER_WAY
from tidemill.adapters._influx_wire import CHUNK_LINES, TRIES
from tidemill.adapters.influx_market import InfluxMarketStore, Place
from tidemill.domain.errors import TransientError
from tidemill.domain.market import to_micros


@pytest.fixture(params=list(APIS))
def double(request: pytest.FixtureRequest) -> Iterator[Double]:
    with running_double(request.param) as made:
        yield made


@pytest.fixture
def desk(double: Double, tmp_path) -> Iterator[Desk]:
    made = Desk(double, tmp_path)
    yield made
    made.store.close()


def test_a_write_that_broke_off_is_not_read_and_made_whole_by_the_next(desk: Desk, double: Double) -> None:
    desk.write(7.0)
    then = desk.store.watermark()
    with pytest.raises(TransientError):
        _break_after_a_chunk(desk, double, some())
    assert len(is_there(double)) == 1 + CHUNK_LINES, "of one bar both revisions"
    _nothing_torn_is_read(desk)
    # a later write of something else takes the watermark beyond what broke off, and other bars are read and written
    desk.store.write_payload("bars", "GET", b"answer", now=START + timedelta(days=1))
    other = bars(1.0).assign(instrument="ETH-USDT.T")
    assert desk.store.write_bars("1m", other, now=START + timedelta(days=1)) == 1
    _nothing_torn_is_read(desk)
    assert desk.write(*some()) == len(some())
    assert desk.closes() == some()
    assert desk.store.latest_open(NAME, "1m") == START + (len(some()) - 1) * MINUTE
    assert desk.closes(stored_until=then) == [7.0]


def _nothing_torn_is_read(desk: Desk) -> None:
    assert desk.closes() == [7.0]
    assert desk.store.latest_open(NAME, "1m") == START


def test_control_without_the_lines_that_tell_of_it_a_torn_write_is_read(desk: Desk, double: Double) -> None:
    desk.write(7.0)
    with pytest.raises(TransientError):
        _break_after_a_chunk(desk, double, some())
    double.points = {key: value for key, value in double.points.items() if key[0] != "unfinished"}
    assert desk.closes() == [7.0], "not yet: the watermark lies before it"
    desk.store.write_payload("bars", "GET", b"answer", now=START + timedelta(days=1))
    assert desk.closes() == some(CHUNK_LINES)


def test_what_broke_off_twice_at_one_time_is_written_under_another(desk: Desk, double: Double) -> None:
    for _ in range(3):
        with pytest.raises(TransientError):
            _break_after_a_chunk(desk, double, some())
    assert desk.closes() == []
    assert desk.store.latest_open(NAME, "1m") is None
    assert desk.write(*some()) == len(some())
    assert desk.closes() == some()


def _break_after_a_chunk(desk: Desk, double: Double, closes: list[float]) -> None:
    written = double.write

    def once(text: str) -> None:
        written(text)
        if text.startswith("bars"):
            double.statuses = [503] * TRIES

    double.write = once  # type: ignore[method-assign]
    try:
        desk.write(*closes)
    finally:
        double.write = written  # type: ignore[method-assign]


WRITER = """
import os, signal, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
import influx_desk as here
from influx_double import BUCKET, ORG, TOKEN
from tidemill.adapters.influx_market import InfluxMarketStore, Place
from tidemill.adapters.sql_market import SqlMarketStore

beside = SqlMarketStore(sys.argv[2])
place = Place(url=sys.argv[3], token=TOKEN, org=ORG, bucket=BUCKET)
die = lambda _: os.kill(os.getpid(), signal.SIGKILL)
store = InfluxMarketStore(place, beside, api=sys.argv[4], sleep=die)
store.write_bars("1m", here.bars(*here.some()), now=here.START)
"""


def test_a_writer_killed_between_two_chunks_leaves_nothing_to_read_and_a_rerun_completes(
    desk: Desk, double: Double, tmp_path
) -> None:
    written = double.write

    def busy_after_a_chunk(text: str) -> None:
        written(text)
        if text.startswith("bars"):
            double.statuses = [503]

    double.write = busy_after_a_chunk  # type: ignore[method-assign]
    here = Path(__file__).parent
    paths = os.pathsep.join((str(here), str(here.parent)))
    url = f"sqlite:///{tmp_path / 'market.db'}"
    command = [sys.executable, "-c", WRITER, paths, url, double.url, APIS[double.version]]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    double.write, double.statuses = written, []  # type: ignore[method-assign]
    assert len(is_there(double)) == CHUNK_LINES
    desk.store.write_payload("bars", "GET", b"answer", now=START + timedelta(days=1))
    assert desk.closes() == []
    assert desk.store.latest_open(NAME, "1m") is None
    assert desk.write(*some()) == len(some())
    assert desk.closes() == some()


class Held:
    """Holds back what a server was sent from the first points on, as a network would, and answers that it is busy."""

    def __init__(self, double: Double) -> None:
        self.double, self.apply, self.texts = double, double.write, list[str]()

    def __enter__(self) -> Self:
        self.double.write = self.hold  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        self.double.write = self.apply  # type: ignore[method-assign]
        self.double.statuses = []

    def hold(self, text: str) -> None:
        if text.startswith("unfinished"):
            self.apply(text)
        else:
            self.texts.append(text)
            raise ValueError("it never answered")

    def arrive(self) -> None:
        """What was held back arrives after all."""
        for text in self.texts:
            self.apply(text)


def test_a_late_request_of_a_writer_that_died_changes_nothing(desk: Desk, double: Double) -> None:
    desk.write(7.0)
    with Held(double) as held, pytest.raises(TransientError):
        desk.write(8.0, 9.0)
    assert held.texts
    assert desk.write(8.5, 9.5, 10.5) == 3, "the venue revised them since"
    held.arrive()
    assert desk.closes() == [8.5, 9.5, 10.5]
    assert desk.write(8.6, 9.5, 10.5) == 1
    held.arrive()
    assert desk.closes() == [8.6, 9.5, 10.5]
    assert desk.closes(revisions=True) == [7.0, 8.5, 8.6, 9.5, 10.5]


def test_control_under_the_revision_of_the_next_write_a_late_request_would_take_its_bars_away(
    desk: Desk, double: Double
) -> None:
    with Held(double) as held, pytest.raises(TransientError):
        desk.write(8.0, 9.0)
    assert desk.write(8.5, 9.5, 10.5) == 3
    held.texts = [text.replace(",rev=0 ", ",rev=1 ") for text in held.texts]
    held.arrive()
    assert desk.closes() == [10.5]


def test_writers_that_die_one_after_the_other_never_share_a_revision(desk: Desk, double: Double) -> None:
    desk.write(7.0)
    late = []
    for close in (1.0, 2.0, 3.0):
        with Held(double) as held, pytest.raises(TransientError):
            desk.write(close, close)
        late.append(held)
        desk.store.write_payload("bars", "GET", str(close).encode(), now=START + timedelta(hours=close))
    assert desk.write(8.0, 9.0) == 2
    for held in reversed(late):
        held.arrive()
        assert desk.closes() == [8.0, 9.0]
    revisions = {re.search(r",rev=(\d+) ", held.texts[0])[1] for held in late}
    assert len(revisions) == 3


def begun_and_done(double: Double) -> dict[str, object]:
    return next(fields for (name, _, at), fields in double.points.items() if name == "unfinished" and at == UNDER_WAY)


def test_a_late_word_of_a_write_hides_no_finished_one(desk: Desk, double: Double) -> None:
    sent: list[str] = []
    written = double.write
    double.write = lambda text: (sent.append(text), written(text))  # type: ignore[method-assign]
    desk.write(7.0)
    desk.write(8.0)
    double.write = written  # type: ignore[method-assign]
    words = [text for text in sent if text.startswith("unfinished")]
    for late in words:
        double.write(words[-1])
        double.write(late)
        assert desk.closes() == [8.0]
        assert desk.store.write_bars("1m", bars(8.0), now=START) == 0, "and takes it for no write that broke off"
    double.write(words[-2])
    del begun_and_done(double)["done"]
    assert desk.closes() == [7.0], "control: were it not told what was done"


class Losing(Alone):
    """Loses the end of a write: its work is done, but the watermark never hears of it."""

    lost = False

    def stamped(self, work, *, now: datetime) -> int:
        if not self.lost:
            return super().stamped(work, now=now)
        work(max(to_micros(now), self.mark + 1))
        raise TransientError("the database is gone")


def test_what_was_written_whole_but_never_promised_stays_unread(double: Double) -> None:
    beside = Losing()
    place = Place(url=double.url, token=TOKEN, org=ORG, bucket=BUCKET)
    store = InfluxMarketStore(place, beside, api=APIS[double.version])
    beside.lost = True
    with pytest.raises(TransientError):
        store.write_bars("1m", bars(1.0, 2.0), now=START)
    beside.lost = False
    assert store.write_bars("1m", bars(3.0), now=START) == 1
    beside.mark += 10**9
    read = store.read_bars([NAME], "1m", START, START + timedelta(days=1))
    assert list(read["close"]) == [3.0], "no reader before could have known the other bar"
    assert store.write_bars("1m", bars(3.0, 2.0), now=START) == 1
    store.close()
