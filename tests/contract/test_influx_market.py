"""What only InfluxDB needs: retries of our own, chunks, whole writes, no NaN, history through revisions.

All of it on the v2 API, and on v2 writes with InfluxQL reads as 1.8 and 3 have them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import pytest
from support.influx_desk import APIS, NAME, START, Alone, Desk, bars, is_there
from support.influx_double import BUCKET, ORG, TOKEN, Double, running_double

from tidemill.adapters.influx._points import StoredRows, new_lines
from tidemill.adapters.influx.connection import open_wire
from tidemill.adapters.influx.market import InfluxMarketStore, Place
from tidemill.adapters.influx.wire import CHUNK_LINES, TRIES
from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.bootstrap import Services
from tidemill.domain.errors import ConfigurationError, DataError, TransientError
from tidemill.settings import load_settings


@pytest.fixture(params=list(APIS))
def double(request: pytest.FixtureRequest) -> Iterator[Double]:
    with running_double(request.param) as made:
        yield made


@pytest.fixture
def desk(double: Double, tmp_path) -> Iterator[Desk]:
    made = Desk(double, tmp_path)
    yield made
    made.store.close()


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


def test_an_answer_that_a_server_cuts_short_is_refused() -> None:
    with running_double("1.8") as double:
        double.most_rows = 2
        place = Place(url=double.url, token=TOKEN, org=ORG, bucket=BUCKET)
        store = InfluxMarketStore(place, Alone(), api="v2-influxql")
        store.write_bars("1m", bars(1.0, 2.0, 3.0), now=START)
        with pytest.raises(ConfigurationError, match="max-row-limit"):
            store.read_bars([NAME], "1m", START, START + timedelta(days=1))
        store.close()


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
    plain = [line.replace(",rev=0", "") for line in new_lines(tags, part, 1, StoredRows(bars={}))]
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
    assert isinstance(known.stores.market, InfluxMarketStore)
    assert known.stores.market.write_bars("1m", bars(1.0, 2.0, 3.0), now=START) == 3
    assert list(known.stores.market.read_bars([NAME], "1m", START, START + timedelta(days=1))["close"]) == [
        1.0,
        2.0,
        3.0,
    ]
    known.stores.keep_payload("bars", "GET", b"answer")
    known.close()
    monkeypatch.delenv("TIDEMILL_INFLUX_URL")
    alone = Services(load_settings())
    assert isinstance(alone.stores.market, SqlMarketStore)
    assert len(alone.stores.market.read_bars([NAME], "1m", START, START + timedelta(days=1))) == 0
    assert len(alone.stores.market.find_payloads("bars", stored_until=alone.stores.market.watermark())) == 1
    alone.close()
    assert is_there(double) == [1.0, 2.0, 3.0]
