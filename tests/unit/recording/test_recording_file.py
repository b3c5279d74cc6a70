"""Recordings read from files; what is wrong with one is told by file, key and row."""

from __future__ import annotations

import io
import logging
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings_made import (
    BARS,
    BTC,
    FUNDING,
    HEAD,
    HOUR,
    POSTS,
    RATES,
    at,
    frame,
    write,
)

from tidemill.domain.errors import DataError
from tidemill.ports import POST_COLUMNS
from tidemill.recording import load_recording


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
