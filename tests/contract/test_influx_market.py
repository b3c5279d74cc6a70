"""What only InfluxDB needs: retries of our own, chunks, compression, no NaN, history through revisions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from influx_double import BUCKET, ORG, TOKEN, Double, running_double

from tidemill.adapters._influx_wire import CHUNK_LINES, TRIES, ClientWire
from tidemill.adapters.influx_market import InfluxMarketStore, Place
from tidemill.adapters.sql_market import SqlMarketStore
from tidemill.bootstrap import Services
from tidemill.domain.errors import ConfigurationError, DataError, TransientError
from tidemill.settings import load_settings

START, MINUTE = datetime(2021, 1, 1, tzinfo=UTC), timedelta(minutes=1)
NAME = "BTC-USDT.T"


@pytest.fixture
def double() -> Iterator[Double]:
    with running_double() as made:
        yield made


class Desk:
    """A store on the double, and the pauses that it made."""

    def __init__(self, double: Double, tmp_path, token: str = TOKEN, bucket: str = BUCKET) -> None:
        self.pauses: list[float] = []
        self.beside = SqlMarketStore(f"sqlite:///{tmp_path / 'market.db'}")
        place = Place(url=double.url, token=token, org=ORG, bucket=bucket)
        self.store = InfluxMarketStore(place, self.beside, sleep=self.pauses.append)

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
    assert desk.pauses == [0.5, 1.0]
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
    with pytest.raises(ConfigurationError, match="check its token, org and bucket"):
        desk.write(10.0)
    desk.store.close()
    assert not double.points


def test_points_go_in_chunks_compressed(desk: Desk, double: Double) -> None:
    count = 2 * CHUNK_LINES + 1
    assert desk.write(*(float(row + 1) for row in range(count))) == count
    assert double.writes == [CHUNK_LINES, CHUNK_LINES, 1]
    assert "gzip" in double.encodings
    assert len(desk.closes()) == count


def test_a_write_that_broke_off_is_made_whole_by_the_next(desk: Desk, double: Double) -> None:
    closes = [float(row + 1) for row in range(CHUNK_LINES + 5)]
    with pytest.raises(TransientError):
        _break_after_a_chunk(desk, double, closes)
    assert 0 < len(double.points) < len(closes)
    desk.write(*closes)
    assert desk.closes() == closes


def _break_after_a_chunk(desk: Desk, double: Double, closes: list[float]) -> None:
    written = double.write

    def once(text: str) -> None:
        written(text)
        double.statuses = [503] * TRIES

    double.write = once  # type: ignore[method-assign]
    try:
        desk.write(*closes)
    finally:
        double.write = written  # type: ignore[method-assign]


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
    wire = ClientWire(place, lambda _: None)
    plain = [line.replace(",rev=0", "").replace(",rev=1", "") for line in desk.store._lines(NAME, "5m", *points(10.0))]
    wire.write(plain)
    wire.write([line.replace("c=10.0", "c=12.0") for line in plain])
    wire.close()
    kept = [fields["c"] for (_, tags, _), fields in double.points.items() if dict(tags)["timeframe"] == "5m"]
    assert kept == [12.0]


def points(close: float):
    return (np.array([[0], [0], [1]]), np.full((5, 1), close)), 1


def test_the_settings_alone_put_bars_into_influx_and_all_else_into_sql(double: Double, tmp_path, monkeypatch) -> None:
    chosen = {"INFLUX_URL": f"{double.url}/", "INFLUX__TOKEN": TOKEN, "INFLUX__ORG": ORG, "INFLUX__BUCKET": BUCKET}
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
    assert len(double.points) == 3
