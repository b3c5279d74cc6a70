"""Recordings: what is read, what is refused, and what matching sees of them."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from locations import need

from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument, to_step
from tidemill.ports import BAR_COLUMNS, POST_COLUMNS
from tidemill.recording import RecordedSeries, Recording, load_recording, write_bars_file
from tidemill.recording.columns import off_step

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC, ETH = "BTC-USDT.BINANCE", "ETH-USDT.BINANCE"

HEAD = 'title = "Two instruments"\ncalendar = "24x7"\n'
BARS = """
[[bars]]
venue = "BINANCE"
instrument = "BTC-USDT"
timeframe = "1h"
file = "btc.parquet"
rename = { timestamp = "open_time" }
price_step = "0.01"
lot_step = "0.00001"
min_notional = "5"
"""
POSTS = """
[[posts]]
source = "reddit"
file = "posts.csv"
rename = { made = "created_at", body = "text", subreddit = "channel" }
not_known_at_creation = ["score"]
"""
FUNDING = """
[[funding]]
venue = "BINANCE"
instrument = "BTC-USDT"
file = "funding.csv"
rename = { settled = "event_time" }
"""
RATES = "settled,rate\n2021-04-19T00:00:00Z,0.0001\n2021-04-19T10:00:00+02:00,-0.00012345\n"


def at(hour: int) -> datetime:
    return START + hour * HOUR


def frame(hours: list[int], base: float = 100.0) -> pd.DataFrame:
    opens = pd.DatetimeIndex([at(one) for one in hours]).as_unit("us")
    price = np.array([base + one for one in hours], dtype=float)
    return pd.DataFrame(
        {"open_time": opens, "open": price, "high": price + 2, "low": price - 1, "close": price + 1, "volume": 0.1}
    )


def instrument(base: str = "BTC", step: str = "0.01") -> Instrument:
    return Instrument(venue="BINANCE", base=base, quote="USDT", price_step=Decimal(step), lot_step=Decimal("0.001"))


def series(base: str, hours: list[int], timeframe: str = "1h") -> RecordedSeries:
    return RecordedSeries(instrument=instrument(base), timeframe=timeframe, bars=frame(hours))


def recording(**hours: list[int]) -> Recording:
    return Recording(title="t", calendar="24x7", series=tuple(series(base, own) for base, own in hours.items()))


def write(folder: Path, *, text: str = HEAD + BARS, bars: pd.DataFrame | None = None, posts: str | None = None) -> Path:
    chosen = frame([0, 1, 2]) if bars is None else bars
    chosen.rename(columns={"open_time": "timestamp"}).to_parquet(folder / "btc.parquet", index=False)
    (folder / "posts.csv").write_text(
        posts
        or "id,made,title,body,subreddit,score\nb2,2021-04-19T01:00:00Z,,later,Bitcoin,7\n"
        "a1,2021-04-19T02:00:00+02:00,Title,first,Bitcoin,9\n",
        encoding="utf-8",
    )
    path = folder / "recording.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recording_is_read_with_its_posts(tmp_path: Path) -> None:
    read = load_recording(write(tmp_path, text=HEAD + BARS + POSTS))
    assert (read.title, read.calendar, read.timeframe) == ("Two instruments", "24x7", "1h")
    assert list(read.instruments) == [BTC]
    assert read.instruments[BTC].min_notional == Decimal(5)
    assert (read.first_open, read.last_close) == (at(0), at(3))
    assert read.sessions == (at(0), at(1), at(2))
    assert list(read.bars_of(BTC).columns) == ["open_time", "open", "high", "low", "close", "volume"]
    assert str(read.bars_of(BTC)["open_time"].dtype) == "datetime64[us, UTC]"
    posts = read.posts
    assert tuple(posts.columns) == POST_COLUMNS
    assert list(posts["post_id"]) == ["a1", "b2"]
    assert list(posts["title"]) == ["Title", ""]
    assert list(posts["event_time"]) == list(posts["knowledge_time"]) == [at(0), at(1)]
    assert posts["assumed"].all()


def test_funding_rates_are_read_to_the_last_digit(tmp_path: Path) -> None:
    (tmp_path / "funding.csv").write_text(RATES)
    read = load_recording(write(tmp_path, text=HEAD + BARS + FUNDING))
    (funding,) = read.funding
    assert funding.instrument == BTC
    assert list(funding.settlements()) == [(at(0), Decimal("0.0001")), (at(8), Decimal("-0.00012345"))]
    assert load_recording(write(tmp_path)).funding == ()


@given(st.integers(-99_999_999, 99_999_999))
def test_any_rate_of_eight_digits_comes_out_of_a_file_as_it_went_in(points: int) -> None:
    rate = Decimal(points) / 10**8
    read = pd.read_csv(io.StringIO(f"rate\n{rate:.8f}\n{rate:.8f}\n"))["rate"].astype("float64")
    assert Decimal(repr(float(read[0]))) == rate


@pytest.mark.parametrize(
    ("text", "rates", "words"),
    [
        (FUNDING.replace("BTC-USDT", "BTCUSDT"), RATES, ["recording.toml", "instrument of [[funding]] 1", "BTCUSDT"]),
        (FUNDING.replace("BTC-USDT", "ETH-USDT"), RATES, ["recording.toml", "funding: ETH-USDT.BINANCE", "no bars"]),
        (FUNDING + FUNDING, RATES, ["recording.toml", "funding: BTC-USDT.BINANCE has two tables"]),
        (FUNDING + 'source = "x"\n', RATES, ["[[funding]] 1", "the key 'source' is unknown"]),
        (FUNDING.replace('venue = "BINANCE"\n', ""), RATES, ["[[funding]] 1", "'venue' is missing"]),
        ('[funding]\nvenue = "BINANCE"\n', RATES, ["funding of the recording", "must be a list"]),
        (FUNDING.replace("funding.csv", "none.csv"), RATES, ["none.csv", "file of [[funding]] 1", "no such file"]),
        (FUNDING.replace('settled = "event_time"', ""), RATES, ["funding.csv", "'event_time' is missing"]),
        (FUNDING, "settled,rate\n", ["funding.csv", "no rows"]),
        (FUNDING, RATES.replace("settled,rate", "settled,fee"), ["funding.csv", "'rate' is missing"]),
        (FUNDING, RATES.replace("00:00Z,0", "00:00,0"), ["event_time of [[funding]] 1", "row 1", "zone"]),
        (FUNDING, RATES.replace("0.0001\n", "1\n"), ["rate of [[funding]] 1", "row 1", "1.0 is no fraction"]),
        (FUNDING, RATES.replace("-0.00012345", "-1.5"), ["rate of [[funding]] 1", "row 2", "-1.5 is no fraction"]),
        (FUNDING, RATES.replace("-0.00012345", "nan"), ["rate of [[funding]] 1", "row 2", "missing"]),
        (FUNDING, RATES.replace("-0.00012345", "low"), ["rate of [[funding]] 1", "row 2", "'low' is not a number"]),
        (FUNDING, RATES.replace("T10:", "T02:"), ["event_time of [[funding]] 1", "row 2", "twice"]),
        (FUNDING, RATES.replace("T10:", "T01:"), ["event_time of [[funding]] 1", "row 2", "ascend"]),
    ],
)
def test_wrong_funding_is_told_by_file_key_and_row(tmp_path: Path, text: str, rates: str, words: list[str]) -> None:
    (tmp_path / "funding.csv").write_text(rates)
    with pytest.raises(DataError) as caught:
        load_recording(write(tmp_path, text=HEAD + BARS + text))
    for word in words:
        assert word in str(caught.value)


def test_posts_may_lack_titles_and_a_repeated_id_is_kept_once_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    posts = "id,made,body,subreddit,score\n7,2021-04-19T01:00:00Z,one,AAPL,1\n7,2021-04-19T01:00:00Z,one,GOOG,1\n"
    with caplog.at_level(logging.WARNING):
        read = load_recording(write(tmp_path, text=HEAD + BARS + POSTS, posts=posts))
    assert list(read.posts["channel"]) == ["AAPL"]
    assert list(read.posts["post_id"]) == ["7"]
    assert "1 rows that repeat" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = ", ["recording.toml", "TOML"]),
        (HEAD, ["recording.toml", "'bars' is missing"]),
        (HEAD + "bars = []", ["recording.toml", "no bars"]),
        (HEAD + "bars = [1]", ["recording.toml", "[[bars]]"]),
        (HEAD + 'colour = "red"\n' + BARS, ["recording.toml", "'colour' is unknown"]),
        (HEAD + BARS + 'step = "1"\n', ["recording.toml", "[[bars]] 1", "'step' is unknown"]),
        (HEAD.replace("24x7", "nyse") + BARS, ["calendar", "'nyse'", "as-recorded"]),
        (HEAD.replace('"Two instruments"', "5") + BARS, ["title", "5", "must be a text"]),
        (HEAD + BARS.replace('"0.01"', "0.01"), ["price_step of [[bars]] 1", "must be a text"]),
        (HEAD + BARS.replace('"0.01"', '"cheap"'), ["price_step of [[bars]] 1", "'cheap'"]),
        (HEAD + BARS.replace('"0.01"', '"0"'), ["[[bars]] 1", "price_step", "positive"]),
        (HEAD + BARS.replace("BTC-USDT", "BTCUSDT"), ["instrument of [[bars]] 1", "BTCUSDT"]),
        (HEAD + BARS.replace('"1h"', '"3h"'), ["timeframe of [[bars]] 1", "'3h'"]),
        (HEAD + BARS.replace("btc.parquet", "eth.parquet"), ["eth.parquet", "file of [[bars]] 1", "no such file"]),
        (HEAD + BARS.replace("btc.parquet", "recording.toml"), ["recording.toml", "must be a .parquet"]),
        (HEAD + BARS.replace("timestamp =", "moment ="), ["btc.parquet", "rename", "'moment'", "timestamp"]),
        (HEAD + BARS.replace('"open_time"', '"opened"'), ["btc.parquet", "rename", "'opened'"]),
        (HEAD + BARS.replace('"open_time"', "1"), ["rename of [[bars]] 1", "must be a text"]),
        (HEAD + BARS.replace('timestamp = "open_time"', 'open = "high"'), ["rename", "two columns", "'high'"]),
        (HEAD + BARS.replace('timestamp = "open_time"', ""), ["btc.parquet", "'open_time' is missing"]),
        (HEAD + BARS + BARS, ["two series of the same instrument"]),
        (HEAD + BARS + POSTS.replace("reddit", "usenet"), ["source of [[posts]] 1", "'usenet'"]),
        (HEAD + BARS + POSTS.replace('"score"', '"scores"'), ["posts.csv", "not_known_at_creation", "'scores'"]),
        (HEAD + BARS + POSTS.replace('"score"', '"text"'), ["posts.csv", "not_known_at_creation", "'text'"]),
        (HEAD + BARS + POSTS.replace('body = "text", ', ""), ["posts.csv", "'text' is missing"]),
    ],
)
def test_a_wrong_recording_is_told_by_file_and_key(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        load_recording(write(tmp_path, text=text))
    for word in words:
        assert word in str(caught.value)


def test_a_missing_recording_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no recording"):
        load_recording(tmp_path / "none.toml")


def naive(bars: pd.DataFrame) -> pd.DataFrame:
    return bars.assign(open_time=bars["open_time"].dt.tz_localize(None))


def put(row: int, **values: float) -> pd.DataFrame:
    changed = frame([0, 1, 2])
    for name, value in values.items():
        changed.loc[row, name] = value
    return changed


@pytest.mark.parametrize(
    ("bars", "words"),
    [
        (naive(frame([0, 1])), ["open_time", "row 1", "no time zone"]),
        (frame([0, 1]).assign(open_time=[1, 2]), ["open_time", "row 1", "a number"]),
        (frame([0, 1]).assign(open_time=["2021-04-19T00:00:00Z", "2021-04-19T01:00:00"]), ["open_time", "row 2"]),
        (frame([0, 1]).assign(open_time=["2021-04-19T00:00:00Z", "2021-13-19T01:00:00Z"]), ["open_time", "row 2"]),
        (frame([0, 1, 1, 2]), ["open_time", "row 3", "twice"]),
        (frame([0, 2, 1]), ["open_time", "row 3", "ascend"]),
        (frame([0, 1]).assign(open_time=[at(0), at(0) + HOUR / 2]), ["open_time", "row 2", "closed"]),
        (frame([0]).assign(open_time=[at(0) + HOUR / 2]), ["open_time", "row 1", "grid"]),
        (put(1, close=101.005), ["close", "row 2", "101.005", "price_step 0.01"]),
        (put(2, high=50.0), ["high", "row 3"]),
        (put(0, low=100.5), ["low", "row 1"]),
        (put(0, low=-1.0), ["low", "row 1", "not positive"]),
        (put(1, open=float("nan")), ["open", "row 2", "missing"]),
        (put(1, volume=-1.0), ["volume", "row 2", "negative"]),
        (frame([0, 1]).assign(close=["101", "x"]), ["close", "row 2", "not a number"]),
        (frame([0, 1]).assign(close=["101", "102"]), ["close", "row 1", "text"]),
        (frame([0, 1]).assign(volume=True), ["volume", "row 1", "not a number"]),
        (frame([]), ["no rows"]),
    ],
)
def test_a_wrong_bar_is_told_by_file_key_and_row(tmp_path: Path, bars: pd.DataFrame, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        load_recording(write(tmp_path, bars=bars))
    for word in ["btc.parquet", "[[bars]] 1", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a2,2021-04-19 02:00:00,t,b,c,1", ["created_at", "row 2", "zone"]),
        ("a2,2021-04-19,t,b,c,1", ["created_at", "row 2", "zone"]),
        ("a2,yesterday,t,b,c,1", ["created_at", "row 2"]),
        (",2021-04-19T02:00:00Z,t,b,c,1", ["id", "row 2", "missing"]),
    ],
)
def test_a_wrong_post_is_told_by_file_key_and_row(tmp_path: Path, line: str, words: list[str]) -> None:
    posts = f"id,made,title,body,subreddit,score\na1,2021-04-19T01:00:00Z,t,b,c,1\n{line}\n"
    with pytest.raises(DataError) as caught:
        load_recording(write(tmp_path, text=HEAD + BARS + POSTS, posts=posts))
    for word in ["posts.csv", "[[posts]] 1", *words]:
        assert word in str(caught.value)


def test_an_unreadable_file_is_told_by_name(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "btc.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match=r"btc\.parquet, file of .*cannot be read"):
        load_recording(path)


def test_bars_are_known_one_second_after_their_close() -> None:
    bars = recording(BTC=[0, 1, 2], ETH=[1, 2]).as_bars(None, at(0), at(2))
    assert tuple(bars.columns) == BAR_COLUMNS
    assert list(zip(bars["instrument"], bars["open_time"], strict=True)) == [(BTC, at(0)), (BTC, at(1)), (ETH, at(1))]
    assert list(bars["knowledge_time"] - bars["open_time"]) == [HOUR + timedelta(seconds=1)] * 3
    assert bars["assumed"].all()


def test_an_empty_range_gives_no_bars_and_an_unknown_instrument_an_error() -> None:
    small = recording(BTC=[0, 1])
    assert small.as_bars(BTC, at(5), at(9)).empty
    with pytest.raises(DataError, match=r"SOL-USDT\.BINANCE is not in the recording"):
        small.as_bars("SOL-USDT.BINANCE", at(0), at(1))


def test_a_coarser_timeframe_is_resampled_and_an_interval_that_never_closed_is_left_out() -> None:
    bars = recording(BTC=[0, 1, 2, 3, 4, 5]).as_bars(BTC, at(0), at(24), timeframe="4h")
    assert list(bars["open_time"]) == [at(0)]
    first = bars.iloc[0]
    assert (first["open"], first["high"], first["low"], first["close"]) == (100.0, 105.0, 99.0, 104.0)
    assert first["volume"] == pytest.approx(0.4)
    assert first["knowledge_time"] == at(4) + timedelta(seconds=1)


def test_instruments_of_different_timeframes_share_the_coarser() -> None:
    mixed = Recording(
        title="t", calendar="24x7", series=(series("BTC", [0, 1, 2, 3]), series("ETH", [0, 4], timeframe="4h"))
    )
    assert mixed.timeframe == "4h"
    assert list(mixed.as_bars(None, at(0), at(8))["open_time"]) == [at(0), at(0), at(4)]
    assert mixed.tape().bar_at(BTC, at(1)) is not None


def test_an_instrument_cannot_have_two_sets_of_rules() -> None:
    other = RecordedSeries(instrument=instrument("BTC", "0.1"), timeframe="4h", bars=frame([0]))
    with pytest.raises(DataError, match="recorded twice with different"):
        Recording(title="t", calendar="24x7", series=(series("BTC", [0]), other))


def test_the_tape_finds_the_bar_that_contains_a_moment() -> None:
    tape = recording(BTC=[0, 1, 3]).tape()
    assert tape.bar_at(BTC, at(0) - timedelta(microseconds=1)) is None
    assert tape.bar_at(BTC, at(2)) is None
    found = tape.bar_at(BTC, at(2) - timedelta(microseconds=1))
    assert found is not None
    assert (found.open_time, found.close_time) == (at(1), at(2))
    assert (found.open, found.high, found.low, found.close) == (101, 103, 100, 102)
    assert found.volume == Decimal("0.1")
    assert tape.bar_at(BTC, at(1)) is found
    with pytest.raises(DataError, match="not recorded"):
        tape.bar_at(ETH, at(0))


def test_the_tape_tells_which_bars_closed() -> None:
    tape = recording(BTC=[0, 1, 3]).tape()
    assert [bar.close_time for bar in tape.bars_closed(BTC, at(1), at(4))] == [at(2), at(4)]
    assert [bar.close_time for bar in tape.bars_closed(BTC, at(0), at(1))] == [at(1)]
    assert tape.bars_closed(BTC, at(4), at(9)) == []


def test_the_venue_is_down_where_no_instrument_has_a_bar() -> None:
    tape = recording(BTC=[0, 1, 4], ETH=[2, 4]).tape()
    down = [tape.is_down(at(hour)) for hour in range(-1, 6)]
    assert down == [True, False, False, False, True, False, True]
    assert not tape.is_down(at(3) - timedelta(microseconds=1))


@given(
    btc=st.sets(st.integers(0, 30), min_size=1, max_size=12),
    eth=st.sets(st.integers(0, 30), min_size=1, max_size=12),
    moments=st.lists(st.integers(-60, 2000), min_size=1, max_size=8),
)
def test_the_tape_agrees_with_a_search_through_all_bars(btc: set[int], eth: set[int], moments: list[int]) -> None:
    hours = {BTC: sorted(btc), ETH: sorted(eth)}
    tape = recording(BTC=hours[BTC], ETH=hours[ETH]).tape()
    for moment in (START + timedelta(minutes=one) for one in moments):
        containing = {name: [one for one in own if at(one) <= moment < at(one + 1)] for name, own in hours.items()}
        assert tape.is_down(moment) == (not any(containing.values()))
        for name, own in containing.items():
            bar = tape.bar_at(name, moment)
            assert ([bar.open_time] if bar else []) == [at(one) for one in own]
        until = moment + 3 * HOUR
        closed = [at(one) for one in hours[BTC] if moment < at(one + 1) <= until]
        assert [bar.open_time for bar in tape.bars_closed(BTC, moment, until)] == closed


@given(
    units=st.integers(1, 10**9),
    step=st.sampled_from(["0.01", "0.0001", "0.05", "1", "0.00001"]),
    nudge=st.sampled_from([0.0, 1e-12, 5e-10, 2e-9, 1e-6, 1e-3]),
)
def test_the_fast_step_check_agrees_with_the_exact_one(units: int, step: str, nudge: float) -> None:
    value = float(units * Decimal(step)) * (1 + nudge)
    try:
        to_step(value, Decimal(step))
        exact = False
    except DataError:
        exact = True
    assert bool(off_step(np.array([value]), Decimal(step))[0]) == exact


@pytest.mark.parametrize("name", ["btc.parquet", "btc.csv", "btc.csv.gz"])
def test_written_bars_are_read_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    original = recording(BTC=[0, 1, 2])
    bars = original.as_bars(BTC, at(0), at(9))
    bars["volume"] = [0.1, 1 / 3, 1e-9]
    assert write_bars_file(tmp_path / name, bars) == 3
    text = HEAD + BARS.replace("btc.parquet", name).replace("rename = { timestamp", "rename = {} # {")
    (tmp_path / "again.toml").write_text(text, encoding="utf-8")
    again = load_recording(tmp_path / "again.toml")
    pd.testing.assert_frame_equal(again.as_bars(BTC, at(0), at(9)), bars, check_exact=True)


def test_bars_are_not_written_to_a_file_of_another_kind(tmp_path: Path) -> None:
    bars = recording(BTC=[0]).as_bars(BTC, at(0), at(1))
    with pytest.raises(DataError, match=r"must end in \.parquet"):
        write_bars_file(tmp_path / "bars.xlsx", bars)
    with pytest.raises(DataError, match="cannot be written"):
        write_bars_file(tmp_path / "none" / "bars.csv", bars)


@pytest.mark.data
def test_the_recorded_outages_are_holes_of_the_tape() -> None:
    read = load_recording(need("recordings/crypto-1h-2021-reddit.toml"))
    assert len(read.instruments) == 6
    assert {len(one.bars) for one in read.series} == {4357}
    assert len(read.posts) == 57_657
    assert not {"score", "num_comments", "upvote_ratio"} & set(read.posts.columns)
    assert (read.first_open, read.last_close) == (datetime(2020, 12, 1, tzinfo=UTC), datetime(2021, 6, 1, tzinfo=UTC))
    tape = read.tape()
    hours = (read.first_open + count * HOUR for count in range((read.last_close - read.first_open) // HOUR))
    holes = [one for one in hours if tape.is_down(one)]
    assert len(holes) == 11
    ends = [one + HOUR for one in holes if not tape.is_down(one + HOUR)]
    assert [f"{one:%Y-%m-%d %H}" for one in ends] == [
        "2020-12-21 18",
        "2020-12-25 03",
        "2021-02-11 05",
        "2021-03-06 03",
        "2021-04-20 04",
        "2021-04-25 08",
    ]


@pytest.mark.data
def test_known_prices_are_exact() -> None:
    read = load_recording(need("recordings/crypto-1h-2021-reddit.toml"))
    tape = read.tape()
    top = tape.bar_at(BTC, datetime(2021, 4, 14, 6, 30, tzinfo=UTC))
    bottom = tape.bar_at(BTC, datetime(2021, 5, 19, 13, tzinfo=UTC))
    assert top is not None
    assert bottom is not None
    assert (top.high, bottom.low) == (Decimal("64854.00"), Decimal("30000.00"))
    bars = read.bars_of(BTC)
    assert bars["high"].max() == 64854.0
    later = load_recording(need("recordings/crypto-1h-2025.toml"))
    assert later.posts.empty
    highest = later.bars_of(BTC)["high"].idxmax()
    assert later.bars_of(BTC).loc[highest, "open_time"] == datetime(2025, 10, 6, 18, tzinfo=UTC)
    assert later.bars_of(BTC).loc[highest, "high"] == 126_199.63


@pytest.mark.data
def test_the_five_minute_recording_has_177_missing_bars() -> None:
    read = load_recording(need("recordings/crypto-5m-2021-reddit.toml"))
    assert read.timeframe == "5m"
    assert (read.last_close - read.first_open) // timedelta(minutes=5) - len(read.bars_of(BTC)) == 177
    hourly = read.as_bars(BTC, read.first_open, read.last_close, timeframe="1h")
    recorded = load_recording(need("recordings/crypto-1h-2021-reddit.toml"))
    own = recorded.as_bars(BTC, read.first_open, read.last_close)
    both = hourly.merge(own, on="open_time", suffixes=("", "_own"))
    assert len(both) == len(own) == 4357
    same = (both[["open", "high", "low", "close"]].to_numpy() == own[["open", "high", "low", "close"]].to_numpy()).all(
        1
    )
    assert same.all()
