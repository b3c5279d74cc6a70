"""What only InfluxDB needs: retries of our own, chunks, whole writes, no NaN, history through revisions.

All of it on the v2 API, and on v2 writes with InfluxQL reads as 1.8 and 3 have them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pytest
from influx_double import BUCKET, ORG, TOKEN, Double, running_double

from tidemill.adapters._influx_told import UNDER_WAY
from tidemill.adapters._influx_wire import CHUNK_LINES, TRIES, Api, open_wire
from tidemill.adapters.influx_market import InfluxMarketStore, Place, _Known, _lines
from tidemill.adapters.sql_market import SqlMarketStore
from tidemill.bootstrap import Services
from tidemill.domain.errors import ConfigurationError, DataError, TransientError
from tidemill.domain.market import to_micros
from tidemill.settings import load_settings

START, MINUTE = datetime(2021, 1, 1, tzinfo=UTC), timedelta(minutes=1)
NAME = "BTC-USDT.T"
APIS: dict[str, Api] = {"2": "v2", "1.8": "v2-influxql", "3": "v2-influxql"}


@pytest.fixture(params=list(APIS))
def double(request: pytest.FixtureRequest) -> Iterator[Double]:
    with running_double(request.param) as made:
        yield made


class Desk:
    """A store on the double, and the pauses that it made."""

    def __init__(self, double: Double, tmp_path, token: str = TOKEN, bucket: str = BUCKET) -> None:
        self.pauses: list[float] = []
        self.beside = SqlMarketStore(f"sqlite:///{tmp_path / 'market.db'}")
        place = Place(url=double.url, token=token, org=ORG, bucket=bucket)
        self.store = InfluxMarketStore(place, self.beside, api=APIS[double.version], sleep=self.pauses.append)

    def write(self, *closes: float) -> int:
        return self.store.write_bars("1m", bars(*closes), now=START)

    def closes(self, **limits) -> list[float]:
        return list(self.store.read_bars([NAME], "1m", START, START + timedelta(days=9), **limits)["close"])


@pytest.fixture
def desk(double: Double, tmp_path) -> Iterator[Desk]:
    made = Desk(double, tmp_path)
    yield made
    made.store.close()


def bars(*closes: float) -> pd.DataFrame:
    opens = pd.DatetimeIndex([START + row * MINUTE for row in range(len(closes))]).as_unit("us")
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), np.array(closes, dtype=np.float64))
    known = opens + pd.Timedelta(minutes=1)
    return pd.DataFrame({"instrument": NAME, "open_time": opens, **values, "knowledge_time": known, "assumed": True})


def test_a_busy_server_is_asked_again_with_growing_pauses_or_as_it_says(desk: Desk, double: Double) -> None:
    double.statuses = [503, 503]
    assert desk.write(10.0) == 1
    assert desk.pauses == [0.5, 1.0], "asked before it wrote"
    double.statuses, double.retry_after = [429], "7"
    assert desk.closes() == [10.0]
    assert desk.pauses[2:] == [7.0]


def test_a_server_that_stays_busy_is_told_and_nothing_is_promised(desk: Desk, double: Double) -> None:
    before = desk.store.watermark()
    double.statuses = [503] * TRIES
    with pytest.raises(TransientError, match="InfluxDB"):
        desk.write(10.0)
    assert desk.store.watermark() == before
    assert len(desk.pauses) == TRIES - 1
    assert desk.write(10.0) == 1


@pytest.mark.parametrize("wrong", [{"token": "another"}, {"bucket": "another"}])
def test_a_wrong_key_or_bucket_is_for_a_person(double: Double, tmp_path, wrong: dict[str, str]) -> None:
    desk = Desk(double, tmp_path, **wrong)
    with pytest.raises(ConfigurationError, match=r"InfluxDB at .* refuses.*(check its token, org and bucket|another)"):
        desk.write(10.0)
    desk.store.close()
    assert not double.points


def test_points_go_in_chunks_compressed(desk: Desk, double: Double) -> None:
    count = 2 * CHUNK_LINES + 1
    assert desk.write(*(float(row + 1) for row in range(count))) == count
    assert double.writes == [1, CHUNK_LINES, CHUNK_LINES, 1, 1], "between two lines that tell of a write under way"
    assert "gzip" in double.encodings
    assert len(desk.closes()) == count


def some(count: int = CHUNK_LINES + 5) -> list[float]:
    return [float(row + 1) for row in range(count)]


def is_there(double: Double) -> list[float]:
    """Closes of the points that a server has, read or not."""
    return [float(fields["c"]) for (name, _, _), fields in double.points.items() if name == "bars"]


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
import test_influx_market as here
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


def test_an_answer_that_a_server_cuts_short_is_refused() -> None:
    with running_double("1.8") as double:
        double.most_rows = 2
        place = Place(url=double.url, token=TOKEN, org=ORG, bucket=BUCKET)
        store = InfluxMarketStore(place, Alone(), api="v2-influxql")
        store.write_bars("1m", bars(1.0, 2.0, 3.0), now=START)
        with pytest.raises(ConfigurationError, match="max-row-limit"):
            store.read_bars([NAME], "1m", START, START + timedelta(days=1))
        store.close()


class Alone:
    """A store beside that keeps nothing but the watermark."""

    def __init__(self) -> None:
        self.mark = 0

    def stamped(self, work, *, now: datetime) -> int:
        stored = max(to_micros(now), self.mark + 1)
        added = work(stored)
        self.mark = stored if added else self.mark
        return added

    def watermark(self) -> int:
        return self.mark

    def close(self) -> None: ...


def test_a_read_is_one_request_per_series_and_an_equal_write_one_in_all(desk: Desk, double: Double) -> None:
    """What is unfinished is asked for in the request that reads points."""
    other = bars(3.0).assign(instrument="ETH-USDT.T")
    both, until = [NAME, "ETH-USDT.T"], START + timedelta(days=1)
    desk.store.write_bars("1m", other, now=START)

    def asked(work: Callable[[], object]) -> tuple[int, int]:
        reads, writes = double.reads, len(double.writes)
        work()
        return double.reads - reads, len(double.writes) - writes

    assert asked(lambda: desk.write(10.0)) == (1, 3), "begun, the points, done"
    assert asked(lambda: desk.write(10.0)) == (1, 0)
    assert asked(desk.closes) == (1, 0)
    assert asked(lambda: desk.store.read_bars(both, "1m", START, until)) == (2, 0)
    assert asked(lambda: desk.store.coverage(NAME, "1m", START, until)) == (1, 0)
    assert asked(lambda: desk.store.latest_open(NAME, "1m")) == (2, 0)


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


def test_nan_is_never_written_over_a_bar(desk: Desk, double: Double) -> None:
    desk.write(10.0, 11.0)
    sent = len(double.writes)
    with pytest.raises(DataError, match="missing"):
        desk.write(10.0, float("nan"))
    assert len(double.writes) == sent
    assert desk.closes() == [10.0, 11.0]


def test_every_digit_comes_back(desk: Desk) -> None:
    closes = [0.1 + 0.2, 1e-8, 123456789.12345679, 2.0**53, 5e-324]
    desk.write(*closes)
    assert desk.closes() == closes


def test_history_survives_a_change_and_without_revisions_it_would_not(desk: Desk, double: Double) -> None:
    desk.write(10.0)
    then = desk.store.watermark()
    desk.write(12.0)
    assert desk.closes() == [12.0]
    assert desk.closes(stored_until=then) == [10.0]
    # the control: the same points without the tag
    place = Place(url=double.url, token=TOKEN, org=ORG, bucket=BUCKET)
    wire = open_wire(place, APIS[double.version], lambda _: None)
    tags = {"venue": "T", "instrument": NAME, "timeframe": "5m"}
    part = np.array([[0], [0], [1]]), np.full((5, 1), 10.0)
    plain = [line.replace(",rev=0", "") for line in _lines(tags, part, 1, _Known(bars={}))]
    wire.write(plain)
    wire.write([line.replace("c=10.0", "c=12.0") for line in plain])
    wire.close()
    kept = [fields["c"] for (_, tags, _), fields in double.points.items() if ("timeframe", "5m") in tags]
    assert kept == [12.0]


def test_the_settings_alone_put_bars_into_influx_and_all_else_into_sql(double: Double, tmp_path, monkeypatch) -> None:
    chosen = {"INFLUX_URL": f"{double.url}/", "INFLUX__TOKEN": TOKEN, "INFLUX__ORG": ORG, "INFLUX__BUCKET": BUCKET}
    chosen["INFLUX__API"] = APIS[double.version]
    for name, value in (chosen | {"HOME": str(tmp_path)}).items():
        monkeypatch.setenv(f"TIDEMILL_{name}", value)
    known = Services(load_settings())
    assert isinstance(known.store, InfluxMarketStore)
    assert known.store.write_bars("1m", bars(1.0, 2.0, 3.0), now=START) == 3
    assert list(known.store.read_bars([NAME], "1m", START, START + timedelta(days=1))["close"]) == [1.0, 2.0, 3.0]
    known.keep_payload("bars", "GET", b"answer")
    known.close()
    monkeypatch.delenv("TIDEMILL_INFLUX_URL")
    alone = Services(load_settings())
    assert isinstance(alone.store, SqlMarketStore)
    assert len(alone.store.read_bars([NAME], "1m", START, START + timedelta(days=1))) == 0
    assert len(alone.store.find_payloads("bars", stored_until=alone.store.watermark())) == 1
    alone.close()
    assert is_there(double) == [1.0, 2.0, 3.0]
