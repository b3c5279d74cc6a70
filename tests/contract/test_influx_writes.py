"""Writes of InfluxDB that broke off, that were killed, that arrive late: nothing torn is ever read.

All of it on the v2 API, and on v2 writes with InfluxQL reads as 1.8 and 3 have them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.influx_desk import APIS, MINUTE, NAME, START, Alone, Desk, bars, is_there, some
from support.influx_double import BUCKET, ORG, TOKEN, Double, running_double

from tidemill.adapters.influx._write_journal import STATE_QUERY, UNDER_WAY, WriteState
from tidemill.adapters.influx.market import InfluxMarketStore, Place
from tidemill.adapters.influx.wire import CHUNK_LINES, TRIES, Answer, PointQuery
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
from support import influx_desk as here
from support.influx_double import BUCKET, ORG, TOKEN
from tidemill.adapters.influx.market import InfluxMarketStore, Place
from tidemill.adapters.sql.market.store import SqlMarketStore

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


class Short:
    """A wire to a double without a network between, in chunks of two points.

    ``dies_at``: which chunk of the next write does not arrive; ``late``: the chunks that did not, and may yet.
    """

    place = "here"

    def __init__(self) -> None:
        self.double = Double()
        self.dies_at: int | None = None
        self.late: list[str] = []

    def write(self, lines: Sequence[str]) -> None:
        for number, at in enumerate(range(0, len(lines), 2)):
            text = "\n".join(lines[at : at + 2])
            if number == self.dies_at and text.startswith("bars"):
                self.late.append(text)
                raise TransientError("killed")
            self.double.write(text)

    def read(self, *queries: PointQuery) -> list[Answer]:
        return [self.rows(query) for query in queries]

    def rows(self, query: PointQuery) -> Answer:
        found = []
        for (name, tags, at), fields in self.double.points.items():
            known = {**dict(tags), **fields}
            mine = name == query.measurement and query.tags.items() <= dict(tags).items()
            if mine and query.start <= at < query.end:
                row = {one: str(known[one]) for one in query.columns if one in known}
                found.append({"time": str(at), **row})
        return found

    def newest(self, query: PointQuery) -> int | None:
        return max((int(row["time"]) for row in self.rows(query)), default=None)


steps = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "die", "lose", "pass", "late", "late"]),
        st.lists(st.integers(1, 4), min_size=1, max_size=6),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=14,
)


class Story:
    """What comes of a plan, and what must be read after each of its steps."""

    def __init__(self) -> None:
        self.beside, self.wire = Losing(), Short()
        self.store = InfluxMarketStore(Place(url="http://127.0.0.1:1"), self.beside)
        self.store._wire.close()
        self.store._wire = self.wire
        self.whole: dict[int, float] = {}
        self.unheard: tuple[int, dict[int, float]] = (0, {})
        """A write whose end the other database never heard of: it counts once the watermark passes it unhindered."""
        self.seen: list[tuple[int, list[float]]] = []

    def begun(self) -> int:
        return WriteState.of(self.wire.rows(STATE_QUERY)).begun

    def write(self, kind: str, closes: dict[int, float], number: int) -> None:
        before, chunks = self.begun(), -(-len(closes) // 2)
        self.wire.dies_at, self.beside.lost = (number % chunks if kind == "die" else None), kind == "lose"
        with suppress(TransientError):
            self.store.write_bars("1m", bars(*closes.values()), now=START)
            self.whole |= closes
        self.wire.dies_at, self.beside.lost = None, False
        if self.begun() != before:
            self.unheard = (self.begun(), closes) if kind == "lose" else (0, {})

    def go_on(self, kind: str, closes: dict[int, float], number: int) -> None:
        if kind in {"write", "die", "lose"}:
            self.write(kind, closes, number)
        elif kind == "pass":
            self.beside.mark += number
            if self.unheard[0] <= self.beside.mark:
                self.whole |= self.unheard[1]
                self.unheard = (0, {})
        elif self.wire.late:
            self.wire.double.write(self.wire.late[number % len(self.wire.late)])
        self.seen.append((self.store.watermark(), [self.whole[row] for row in sorted(self.whole)]))


@settings(max_examples=80, deadline=None)
@given(steps)
def test_whatever_dies_and_arrives_late_only_whole_writes_are_read_now_and_ever_after(plan) -> None:
    story = Story()
    span = ([NAME], "1m", START, START + timedelta(days=1))
    for kind, closes, number in plan:
        story.go_on(kind, dict(enumerate(map(float, closes))), number)
        assert list(story.store.read_bars(*span)["close"]) == story.seen[-1][1]
    for mark, closes in story.seen:
        assert list(story.store.read_bars(*span, stored_until=mark)["close"]) == closes
