"""`tidemill data import` and `export` of every kind of file that a person may have, as a user types them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.locations import need
from typer.testing import CliRunner

from tidemill.bootstrap import Services, using
from tidemill.cli import app, main
from tidemill.domain.market import EPOCH
from tidemill.settings import Settings

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
FOREVER = datetime(2200, 1, 1, tzinfo=UTC)
NAMES = ["open", "high", "low", "close", "volume"]
# hour, open, high, low, close, volume, as a person's file may be: an hour out of order, one told again and one
# told otherwise, one without trades, one that is no number, one below its own low, a spike, and two hours missing
MESSY: list[tuple[float | None, ...]] = [
    (1, 101.0, 102.0, 100.0, 101.0, 5.0),
    (0, 100.0, 101.0, 99.0, 100.0, 5.0),
    (2, 100.5, 101.0, 99.0, 100.5, 0.0),
    (2, 100.5, 101.0, 99.0, 100.5, 0.0),
    (1, 150.0, 152.0, 149.0, 150.0, 5.0),
    (3, 99.0, 100.0, 98.0, None, 5.0),
    (4, 99.0, 100.0, 99.5, 99.25, 5.0),
    (7, 100.0, 101.0, 99.0, 100.0, 6.0),
    (8, 900.0, 901.0, 899.0, 900.0, 6.0),
    (9, 101.5, 102.0, 101.0, 101.5, 6.0),
    (10, 100.25, 101.0, 99.5, 100.0, 6.0),
    (11, 99.5, 100.0, 99.0, 99.5, 6.0),
    (12, 100.0, 101.0, 99.0, 100.0, 6.0),
]
DEFECTS = {
    "rows_out_of_order": 2,
    "number_unreadable": 1,
    "repeated_time": 2,
    "repeated_time_differs": 1,
    "zero_volume": 2,
    "gaps": 2,
    "missing_bars": 3,
}
STORED = [0, 1, 2, 7, 9, 10, 11, 12]
REASONS = {
    "a price or the volume is no number": 1,
    "an earlier row of the same time differs in price": 1,
    "low is above open or close": 1,
    "spike against its neighbours": 1,
}


def frame() -> pd.DataFrame:
    made = pd.DataFrame(MESSY, columns=["hour", *NAMES])
    opens = pd.DatetimeIndex([START + hour * HOUR for hour in made.pop("hour")], dtype="datetime64[us, UTC]")
    return made.astype("float64").assign(date=opens)


def write_csv(folder: Path) -> Path:
    path = folder / "BTCUSDT-1h.csv"
    frame().rename(columns={"date": "timestamp"}).to_csv(path, index=False)
    return path


def write_gz(folder: Path) -> Path:
    path = write_csv(folder)
    packed = folder / "BTCUSDT-1h.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def write_parquet(folder: Path) -> Path:
    path = folder / "BTCUSDT-1h.parquet"
    frame().rename(columns={"date": "open_time"}).to_parquet(path, index=False)
    return path


def write_feather(folder: Path) -> Path:
    path = folder / "BTC_USDT-1h.feather"
    frame()[["date", *NAMES]].to_feather(path)
    return path


def write_json(folder: Path) -> Path:
    path = folder / "BTC_USDT-1h.json"
    rows = [[int((START + row[0] * HOUR).timestamp()) * 1000, *row[1:]] for row in MESSY]
    path.write_text(json.dumps(rows))
    return path


WRITERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "csv": (write_csv, "csv"),
    "csv.gz": (write_gz, "csv"),
    "parquet": (write_parquet, "parquet"),
    "feather": (write_feather, "freqtrade"),
    "json": (write_json, "freqtrade"),
}


class Desk:
    """``tidemill data`` in a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known = Services(Settings(home=folder / "home"))

    def run(self, *words: str) -> dict[str, Any]:
        out = self.folder / "out.json"
        told = ["--json", str(out)] if words[0] != "export" else []
        done = CliRunner().invoke(app, ["data", *words, *told])
        assert done.exit_code == 0, done.output + repr(done.exception)
        return json.loads(out.read_text()) if told else {"output": done.output}

    def stored(self, name: str = "BTC-USDT.V", timeframe: str = "1h") -> pd.DataFrame:
        return self.known.stores.market.read_bars([name], timeframe, EPOCH, FOREVER, revisions=True)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    with using(made.known):
        yield made
    made.known.close()


@pytest.fixture(params=list(WRITERS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_defect_of_a_file_is_named_and_counted_whatever_its_kind(desk: Desk, kind: str, tmp_path: Path) -> None:
    write, layout = WRITERS[kind]
    told = desk.run("import", str(write(tmp_path)), "--venue", "V")
    assert told["layout"] == layout
    (series,) = told["series"]
    assert (series["name"], series["rows"]) == ("BTC-USDT.V 1h", len(MESSY))
    assert series["defects"] == DEFECTS
    assert (series["stored"], series["rejected"], series["quarantined"]) == (len(STORED), 4, 4)
    assert desk.run("quarantine")["reasons"] == REASONS
    bars = desk.stored()
    assert [round((one - START) / HOUR) for one in bars["open_time"]] == STORED
    assert list(bars["close"]) == [100.0, 101.0, 100.5, 100.0, 101.5, 100.0, 99.5, 100.0]
    (measured,) = desk.run("completeness")["series"]
    assert (measured["expected"], measured["stored"], measured["missing"]) == (13, 8, 5)
    assert measured["causes"] == {"quarantined": 3, "unknown": 2}


def test_a_second_import_stores_nothing(desk: Desk, kind: str, tmp_path: Path) -> None:
    path = str(WRITERS[kind][0](tmp_path))
    desk.run("import", path, "--venue", "V")
    before = desk.stored()
    again = desk.run("import", path, "--venue", "V")["series"][0]
    assert (again["stored"], again["quarantined"]) == (0, 0)
    assert again["defects"] == DEFECTS, "what the file lacks is told again"
    pd.testing.assert_frame_equal(desk.stored(), before)
    assert desk.run("quarantine")["reasons"] == REASONS


def test_files_of_two_kinds_bring_the_same_bars_once(desk: Desk, tmp_path: Path) -> None:
    stored = [
        desk.run("import", str(write(tmp_path)), "--venue", "V")["series"][0]["stored"] for write, _ in WRITERS.values()
    ]
    assert stored == [len(STORED), 0, 0, 0, 0]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def shred(path: Path) -> None:
    path.write_bytes(b"\x00\x01no file of bars" * 9)


def other(path: Path) -> None:
    """The file of another program, with no bars in it."""
    names = {"a": [1, 2], "b": ["x", "y"]}
    if path.suffix == ".parquet":
        pd.DataFrame(names).to_parquet(path)
    elif path.suffix == ".feather":
        pd.DataFrame(names).to_feather(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(names))
    else:
        text = b"a,b\n1,x\n2,y\n"
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


@pytest.mark.parametrize("spoil", [cut, shred, other])
def test_a_bad_file_is_one_sentence_and_nothing_is_stored(
    desk: Desk, kind: str, spoil: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = WRITERS[kind][0](tmp_path)
    if (spoil, kind) == (cut, "csv"):
        pytest.skip("a CSV that ends early is one with fewer rows")
    spoil(path)
    before = desk.known.stores.market.watermark()
    with pytest.raises(SystemExit) as ended:
        main(["data", "import", str(path), "--venue", "V"])
    assert ended.value.code == 2
    told = capsys.readouterr()
    lines = [one for one in (told.out + told.err).splitlines() if one.strip()]
    assert path.name in "".join(one.strip() for one in lines)
    assert "Traceback" not in told.out + told.err
    assert len(" ".join(lines)) < 400
    assert desk.known.stores.market.watermark() == before
    assert len(desk.stored()) == 0
    assert desk.known.stores.gaps.list_series() == []


# -- export


def export(desk: Desk, out: Path, name: str, timeframe: str, start: datetime, end: datetime, *more: str) -> Any:
    words = ("--instrument", name, "--timeframe", timeframe, "--from", start.isoformat(), "--to", end.isoformat())
    desk.run("export", *words, "--out", str(out), *more)
    return pd.read_parquet(out)


def test_what_was_exported_goes_in_again_as_it_was(desk: Desk, tmp_path: Path) -> None:
    desk.run("import", str(write_csv(tmp_path)), "--venue", "V")
    out = export(desk, tmp_path / "BTCUSDT-1h.parquet", "BTC-USDT.V", "1h", START, START + 24 * HOUR)
    assert len(out) == len(STORED)
    assert desk.run("import", str(tmp_path / "BTCUSDT-1h.parquet"), "--venue", "V")["series"][0]["stored"] == 0


def test_a_resampled_bar_is_made_of_whole_intervals_only(desk: Desk, tmp_path: Path) -> None:
    desk.run("import", str(write_csv(tmp_path)), "--venue", "V")
    whole = export(desk, tmp_path / "a.parquet", "BTC-USDT.V", "4h", START, START + 24 * HOUR)
    assert [round((one - START) / HOUR) for one in whole["open_time"]] == [0, 4, 8, 12]
    cut = export(desk, tmp_path / "b.parquet", "BTC-USDT.V", "4h", START + 2 * HOUR, START + 9 * HOUR)
    pd.testing.assert_frame_equal(cut, whole.iloc[1:3].reset_index(drop=True))
    early = START + 11 * HOUR
    known = export(desk, tmp_path / "c.parquet", "BTC-USDT.V", "4h", START, FOREVER, "--as-of", early.isoformat())
    pd.testing.assert_frame_equal(known, whole.iloc[:2])


def test_a_file_that_cannot_be_written_leaves_the_one_before(desk: Desk, tmp_path: Path) -> None:
    desk.run("import", str(write_csv(tmp_path)), "--venue", "V")
    out = tmp_path / "kept.csv"
    out.write_text("mine")
    words = ("--instrument", "BTC-USDT.V", "--timeframe", "1h", "--from", "2021-04-19T00:00:00Z")
    for target, word in ((tmp_path / "no" / "such.csv", "cannot be written"), (tmp_path / "kept.xls", "must end in")):
        done = CliRunner().invoke(app, ["data", "export", *words, "--to", "2021-04-20T00:00:00Z", "--out", str(target)])
        assert word in str(done.exception)
    assert out.read_text() == "mine"
    assert not list(tmp_path.glob(".part*"))


@pytest.mark.data
@pytest.mark.parametrize("pair", ["XBTUSD", "XBTUSDT"])
def test_krakens_five_minutes_are_exported_as_kraken_published_them_to_the_last_digit(
    desk: Desk, pair: str, tmp_path: Path
) -> None:
    names = ["open_time", *NAMES, "trades"]
    base = f"crypto_kraken_2023q1/{pair}"
    told = desk.run("import", str(need(f"{base}_5.csv.gz")), "--venue", "KRAKEN")["series"][0]
    assert told["stored"] + told["quarantined"] == told["rows"]
    assert told["quarantined"] == 0
    for minutes, timeframe in ((15, "15m"), (60, "1h"), (720, "12h"), (1440, "1d")):
        oracle = pd.read_csv(need(f"{base}_{minutes}.csv.gz"), header=None, names=names)
        oracle["open_time"] = pd.to_datetime(oracle["open_time"], unit="s", utc=True).dt.as_unit("us")
        # the exchange summed its volumes in floats: 1459.8115304599 for what are eight places, 1459.81153046
        oracle["volume"] = [float(f"{one:.8f}") for one in oracle["volume"]]
        instrument = f"XBT-{pair.removeprefix('XBT')}.KRAKEN"
        start, end = datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 4, 1, tzinfo=UTC)
        made = export(desk, tmp_path / f"{minutes}.parquet", instrument, timeframe, start, end)
        pd.testing.assert_frame_equal(made, oracle[["open_time", *NAMES]], check_exact=True)
