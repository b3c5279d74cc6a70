"""Files of bars: every layout, every defect named and counted, and resampling against an independent oracle."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.locations import need

from tidemill.domain.errors import DataError
from tidemill.domain.market import BarSchedule, Instrument, timeframe_seconds
from tidemill.ports import BAR_COLUMNS
from tidemill.quality import check_bars
from tidemill.recording import ImportedBars, read_bars_file, resample_bars, to_bars

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICES = ["open", "high", "low", "close"]
BTC = Instrument(venue="BINANCE", base="BTC", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal("0.00001"))


def seconds(hour: float) -> int:
    return int((START + hour * HOUR).timestamp())


def csv(tmp_path: Path, text: str, name: str = "BTCUSDT_1h.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def hours_of(read: ImportedBars) -> list[float]:
    return [(one - START) / HOUR for one in read.bars["open_time"]]


def test_a_plain_csv_is_read_with_what_its_name_tells(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "open_time,open,high,low,close,volume\n2021-04-19T00:00:00Z,1.5,2,1,1.75,3\n"
        "2021-04-19T02:00:00+02:00,9,9,9,9,9\n2021-04-19T01:00:00Z,1.75,2,1,1.5,0\n"
        "2021-04-19T02:00:00Z,1.5,2,1,1.5,1\n",
    )
    read = read_bars_file(path, venue="KRAKEN")
    assert (read.layout, read.instrument_id, read.timeframe, read.rows) == ("csv", "BTC-USDT.KRAKEN", "1h", 4)
    assert tuple(read.bars.columns) == BAR_COLUMNS
    assert hours_of(read) == [0, 1, 2]
    assert (read.bars["knowledge_time"] - read.bars["open_time"] == HOUR + timedelta(seconds=1)).all()
    assert read.bars["assumed"].all()
    assert read.price_step == Decimal("0.01")
    assert read.counts == {
        "repeated_time": 1,
        "repeated_time_differs": 1,
        "repeated_volume_differs": 1,
        "zero_volume": 1,
    }
    assert list(read.rejected["row"]) == [2]
    assert list(read.rejected["reason"]) == ["an earlier row of the same time differs in price"]


@pytest.mark.parametrize("unit", [1, 1000, 10**6, 10**9])
def test_a_csv_without_names_tells_its_unit_of_time(tmp_path: Path, unit: int) -> None:
    rows = "".join(f"{seconds(hour) * unit},1,2,1,2,5,17\n" for hour in range(3))
    read = read_bars_file(csv(tmp_path, rows, "XBTUSD_60.csv.gz"), venue="KRAKEN")
    assert (read.layout, read.instrument_id, read.timeframe) == ("headerless", "XBT-USD.KRAKEN", "1h")
    assert hours_of(read) == [0, 1, 2]
    assert read.counts == {}


def test_a_line_of_advertisement_and_a_byte_order_mark_are_skipped(tmp_path: Path) -> None:
    names = "Unix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT"
    rows = f"{names}\n{seconds(0)},2021-04-19 00:00:00,BTC/USDT,1,2,1,2,5,7\n"
    read = read_bars_file(csv(tmp_path, "https://vendor.example\n" + rows, "x.csv"), venue="V", timeframe="1h")
    assert (read.layout, read.instrument_id) == ("cryptodatadownload", "BTC-USDT.V")
    assert list(read.bars["volume"]) == [5.0]
    marked = read_bars_file(csv(tmp_path, "\ufeff" + rows, "y.csv"), venue="V", timeframe="1h")
    assert len(marked.bars) == 1


def test_freqtrade_files_are_read(tmp_path: Path) -> None:
    rows = [[seconds(hour) * 1000, 1.0, 2.0, 1.0, 2.0, 5.0] for hour in range(3)]
    path = tmp_path / "BTC_USDT-1h.json"
    path.write_text(json.dumps(rows))
    read = read_bars_file(path, venue="BINANCE", format="freqtrade")
    assert (read.layout, read.instrument_id, read.timeframe) == ("freqtrade", "BTC-USDT.BINANCE", "1h")
    frame = read.bars[["open_time", *PRICES, "volume"]].rename(columns={"open_time": "date"})
    frame.to_feather(tmp_path / "BTC_USDT-1h.feather")
    again = read_bars_file(tmp_path / "BTC_USDT-1h.feather", venue="BINANCE")
    pd.testing.assert_frame_equal(again.bars, read.bars)


def test_times_without_a_zone_are_taken_as_utc_and_counted(tmp_path: Path) -> None:
    rows = "2021-04-19 00:00:00.000000,1,2,1,2,5\n2021-04-19 01:00:00.000000,1,2,1,2,5\n"
    text = "timestamp,open,high,low,close,volume\n" + rows
    read = read_bars_file(csv(tmp_path, text), venue="V")
    assert hours_of(read) == [0, 1]
    assert read.counts == {"time_without_zone": 2}
    frame = read.bars[["open_time", *PRICES, "volume"]]
    frame.assign(open_time=frame["open_time"].dt.tz_localize(None)).to_parquet(tmp_path / "BTCUSDT.parquet")
    assert read_bars_file(tmp_path / "BTCUSDT.parquet", venue="V").counts == {"time_without_zone": 2}


def test_dates_as_objects_are_read(tmp_path: Path) -> None:
    days = [START.date(), START.date() + timedelta(days=1)]
    frame = pd.DataFrame({"date": days, "open": 1.0, "high": 2.0, "low": 1.0, "close": 2.0, "volume": 5.0})
    frame.to_parquet(tmp_path / "BTCUSDT.parquet")
    read = read_bars_file(tmp_path / "BTCUSDT.parquet", venue="V")
    assert (read.timeframe, hours_of(read)) == ("1d", [0, 24])


def test_an_epoch_beyond_all_units_is_unreadable(tmp_path: Path) -> None:
    rows = f"{seconds(0)},1,2,1,2,5\n1e30,1,2,1,2,5\n-5,1,2,1,2,5\n"
    read = read_bars_file(csv(tmp_path, rows), venue="V", timeframe="1h")
    assert (len(read.bars), read.counts) == (1, {"time_unreadable": 2})


def test_rows_that_cannot_be_read_are_rejected_with_their_reason(tmp_path: Path) -> None:
    text = (
        "open_time,open,high,low,close,volume\n2021-04-19T00:00:00Z,1,2,1,2,5\nsoon,1,2,1,2,5\n"
        "2021-04-19T01:00:00Z,1,2,1,?,5\n2021-04-19T02:00:00Z,1,2,1,2,\n2021-04-19T03:00:00Z,1,2,1,1.005,5\n"
        "2021-04-19T04:00:00Z,5,6,1,1,5\n2021-04-19T01:00:00Z,1,2,1,2,5\n"
    )
    read = read_bars_file(csv(tmp_path, text), instrument=BTC, timeframe="1h")
    assert hours_of(read) == [0, 1, 4]
    assert read.counts == {
        "time_unreadable": 1,
        "number_unreadable": 2,
        "off_step": 1,
        "rows_out_of_order": 1,
        "open_far_from_close": 1,
        "gaps": 1,
        "missing_bars": 2,
    }
    assert dict(zip(read.rejected["row"], read.rejected["reason"], strict=True)) == {
        2: "the time cannot be read",
        3: "a price or the volume is no number",
        4: "a price or the volume is no number",
        5: "a price is not a multiple of the step 0.01",
    }


def test_an_equal_repeat_is_counted_but_not_rejected(tmp_path: Path) -> None:
    row = "2021-04-19T00:00:00Z,1,2,1,2,5\n"
    read = read_bars_file(
        csv(tmp_path, "open_time,open,high,low,close,volume\n" + row * 3), instrument=BTC, timeframe="1h"
    )
    assert (len(read.bars), len(read.rejected), read.counts) == (1, 0, {"repeated_time": 2})


HEAD = "open_time,open,high,low,close,volume\n"
ROW = "2021-04-19T00:00:00Z,1,2,1,2,5\n"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "", ["a.csv", "cannot be read"]),
        ("a.csv", HEAD, ["a.csv", "no rows"]),
        ("a.csv", "open_time,open,high,low,volume\n" + ROW, ["a.csv", "lacks close"]),
        ("a.csv", HEAD.replace("open_time", "when") + ROW, ["a.csv", "lacks open_time", "when"]),
        ("a.csv", "1,2,3\n", ["a.csv", "at least"]),
        ("a.csv", HEAD + "soon,1,2,1,2,5\n", ["a.csv", "no row that is a bar", "time"]),
        ("a.csv", HEAD + ROW, ["a.csv", "timeframe", "--timeframe"]),
        ("a.toml", "", ["a.toml", "recording"]),
        ("a.json", "{}", ["a.json", "list"]),
        ("a.json", "{", ["a.json", "cannot be read"]),
        ("a.parquet", "no parquet", ["a.parquet", "cannot be read"]),
        ("a.csv.gz", None, ["a.csv.gz", "cannot be read"]),
    ],
)
def test_a_file_that_is_no_bars_is_told_by_name(tmp_path: Path, name: str, text: str | None, words: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(
        b"not gzip" if text is None else gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
    )
    with pytest.raises(DataError) as caught:
        read_bars_file(path, venue="V")
    for word in words:
        assert word in str(caught.value)


def test_a_missing_file_a_wrong_format_and_an_unknown_instrument_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_bars_file(tmp_path / "none.csv")
    path = csv(tmp_path, HEAD + ROW, "prices.csv")
    with pytest.raises(DataError, match="format 'excel' is unknown"):
        read_bars_file(path, format="excel")
    with pytest.raises(DataError, match="layout csv, not freqtrade"):
        read_bars_file(path, format="freqtrade")
    with pytest.raises(DataError, match="does not tell its instrument; give one"):
        read_bars_file(path, venue="V", timeframe="1h")
    two = csv(tmp_path, "symbol," + HEAD + "BTC/USDT," + ROW + "ETH/USDT," + ROW, "two.csv")
    with pytest.raises(DataError, match="several symbols"):
        read_bars_file(two, venue="V", timeframe="1h")


@pytest.mark.data
def test_the_messy_vendor_file_goes_in_with_every_defect_counted() -> None:
    path = need("crypto_cryptodatadownload_raw/Binance_BTCUSDT_1h.csv.gz")
    read = read_bars_file(path, instrument=BTC, timeframe="1h")
    assert (read.layout, read.rows, len(read.bars)) == ("cryptodatadownload", 36_062, 33_413)
    assert read.counts == {
        "time_in_ms": 7_478,
        "time_in_s": 28_584,
        "date_as_iso": 7_478,
        "date_as_hour_am_pm": 28_584,
        "unix_differs_from_date": 91,
        "rows_out_of_order": 33_412,
        "repeated_time": 2_649,
        "repeated_time_differs": 1_442,
        "repeated_volume_differs": 2_648,
        "zero_volume": 117,
        "open_far_from_close": 1,
        "trade_count_missing": 28_584,
        "gaps": 8,
        "missing_bars": 16,
    }
    assert read.bars["open_time"].iloc[0] == datetime(2017, 8, 17, 4, tzinfo=UTC)
    assert read.bars["open_time"].iloc[-1] == datetime(2021, 6, 10, tzinfo=UTC)
    assert len(read.rejected) == 2_649


@pytest.mark.data
def test_of_two_vintages_the_bar_that_was_not_cut_off_stays() -> None:
    path = need("crypto_cryptodatadownload_raw/Binance_BTCUSDT_1h.csv.gz")
    read = read_bars_file(path, instrument=BTC, timeframe="1h")
    raw = pd.read_csv(path)
    moment = datetime(2020, 11, 20, 7, tzinfo=UTC)
    whole, cut = (raw[raw["unix"] == one].iloc[0] for one in (moment.timestamp() * 1000, moment.timestamp()))
    kept = read.bars[read.bars["open_time"] == moment].iloc[0]
    assert cut["Volume BTC"] < whole["Volume BTC"] == kept["volume"]
    assert list(kept[PRICES]) == list(whole[PRICES]) != list(cut[PRICES])


@pytest.mark.data
def test_the_messy_file_then_passes_the_check_and_equals_the_other_source() -> None:
    read = read_bars_file(need("crypto_cryptodatadownload_raw/Binance_BTCUSDT_1h.csv.gz"), instrument=BTC)
    checked = check_bars(
        read.bars,
        instrument=BTC,
        schedule=BarSchedule(timeframe=read.timeframe),
        as_of=datetime(2021, 6, 10, 1, tzinfo=UTC),
    )
    assert (len(checked.good), checked.reasons, checked.repeated) == (33_413, {}, 0)
    assert (len(checked.gaps), int(checked.gaps["missing"].sum()), int(checked.gaps["missing"].max())) == (8, 16, 4)
    other = pd.read_parquet(need("crypto_binance_2020_2021/BTCUSDT-1h.parquet"))
    both = checked.good.merge(other, left_on="open_time", right_on="timestamp", suffixes=("", "_other"))
    assert len(both) == 4_357
    assert (both[PRICES].to_numpy() == both[[f"{name}_other" for name in PRICES]].to_numpy()).all()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("crypto_cryptodatadownload_raw/Binance_ADAUSDT_1h.csv.gz", ("ADA-USDT.V", "1h", 7_478, 7, 12, 2)),
        ("crypto_kraken_2023q1/XBTUSDT_5.csv.gz", ("XBT-USDT.V", "5m", 24_945, 850, 975, 0)),
        ("crypto_kraken_2023q1/XBTUSD_15.csv.gz", ("XBT-USD.V", "15m", 8_635, 1, 5, 0)),
        ("crypto_kraken_2023q1/XBTUSD_1440.csv.gz", ("XBT-USD.V", "1d", 90, 0, 0, 0)),
        ("crypto_binanceus_1m_2023/BTCUSDT-1m.csv.gz", ("BTC-USDT.V", "1m", 30_240, 0, 0, 658)),
        ("crypto_binance_2020_2021/SOLUSDT-5m.parquet", ("SOL-USDT.V", "5m", 52_239, 6, 177, 39)),
    ],
)
def test_other_vendors_files_hold_what_is_known_of_them(name: str, facts: tuple[object, ...]) -> None:
    read = read_bars_file(need(name), venue="V")
    counted = [read.counts.get(one, 0) for one in ("gaps", "missing_bars", "zero_volume")]
    assert (read.instrument_id, read.timeframe, len(read.bars), *counted) == facts
    assert len(read.rejected) == 0


@pytest.mark.data
@pytest.mark.parametrize("pair", ["XBTUSD", "XBTUSDT"])
@pytest.mark.parametrize(("minutes", "timeframe"), [(15, "15m"), (60, "1h"), (720, "12h"), (1440, "1d")])
def test_resampling_gives_exactly_what_the_exchange_published(pair: str, minutes: int, timeframe: str) -> None:
    names = ["open_time", *PRICES, "volume", "trades"]

    def published(length: int) -> pd.DataFrame:
        frame = pd.read_csv(need(f"crypto_kraken_2023q1/{pair}_{length}.csv.gz"), header=None, names=names)
        return frame.assign(open_time=pd.to_datetime(frame["open_time"], unit="s", utc=True).dt.as_unit("us"))

    made, oracle = resample_bars(published(5), timeframe, source="5m"), published(minutes)
    # the exchange summed its volumes in floats: 1459.8115304599 for what are eight places, 1459.81153046
    oracle["volume"] = [float(f"{one:.8f}") for one in oracle["volume"]]
    exact = ["open_time", *PRICES, "volume", "trades"]
    pd.testing.assert_frame_equal(made[exact], oracle[exact], check_exact=True)


def bars(minutes: list[int], name: str = BTC.id) -> pd.DataFrame:
    price = np.array([100.0 + one for one in minutes])
    opens = pd.DatetimeIndex([START + timedelta(minutes=one) for one in minutes], dtype="datetime64[us, UTC]")
    series = pd.DataFrame(
        {"open_time": opens, "open": price, "high": price + 2, "low": price - 1, "close": price + 1, "volume": 1.0}
    )
    return to_bars(name, "1m", series)


def test_an_interval_without_bars_is_absent_and_one_with_some_is_known_at_its_end() -> None:
    made = resample_bars(bars([0, 1, 12]), "5m", source="1m")
    assert [one.minute for one in made["open_time"]] == [0, 10]
    assert list(made["close"]) == [102.0, 113.0]
    assert list(made["volume"]) == [2.0, 1.0]
    assert [one - START for one in made["knowledge_time"]] == [timedelta(minutes=5), timedelta(minutes=15)]
    late = bars([0, 4])
    late.loc[0, "knowledge_time"] = START + HOUR
    assert list(resample_bars(late, "5m")["knowledge_time"]) == [START + HOUR]


def test_instruments_are_kept_apart_and_order_does_not_matter() -> None:
    both = pd.concat([bars([3, 0, 1]), bars([4, 0], "ETH-USDT.BINANCE")], ignore_index=True)
    made = resample_bars(both, "5m")
    assert list(made.columns) == list(BAR_COLUMNS)
    assert list(made["instrument"]) == [BTC.id, "ETH-USDT.BINANCE"]
    assert list(made["close"]) == [104.0, 105.0]


def test_a_timeframe_that_does_not_fit_is_refused_and_no_bars_stay_none() -> None:
    with pytest.raises(DataError, match="bars of 4h cannot be made into bars of 6h"):
        resample_bars(bars([0]), "6h", source="4h")
    assert resample_bars(bars([]), "5m").empty


@given(
    minutes=st.lists(st.integers(0, 200), min_size=1, max_size=40, unique=True),
    timeframe=st.sampled_from(["5m", "15m", "30m", "1h"]),
)
def test_resampling_agrees_with_a_plain_loop(minutes: list[int], timeframe: str) -> None:
    made = resample_bars(bars(minutes), timeframe)
    length = timeframe_seconds(timeframe) // 60
    slots = sorted({one // length for one in minutes})
    assert [(one - START) // timedelta(minutes=length) for one in made["open_time"]] == slots
    for row, slot in zip(made.itertuples(), slots, strict=True):
        inside = sorted(one for one in minutes if one // length == slot)
        assert (row.open, row.close) == (100.0 + inside[0], 101.0 + inside[-1])
        assert (row.high, row.low, row.volume) == (102.0 + inside[-1], 99.0 + inside[0], len(inside))
    twice = resample_bars(resample_bars(bars(minutes), "5m"), timeframe)
    pd.testing.assert_frame_equal(twice, made)
