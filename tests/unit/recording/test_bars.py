"""Bars of a recording: at their timeframes, on its tape, written back, and those of the real recordings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.locations import need
from support.recordings_made import (
    BARS,
    BTC,
    ETH,
    HEAD,
    HOUR,
    START,
    at,
    frame,
    instrument,
    recording,
    series,
)

from tidemill.domain.errors import DataError
from tidemill.domain.market import to_step
from tidemill.ports import BAR_COLUMNS
from tidemill.recording import RecordedSeries, Recording, load_recording, write_bars_file
from tidemill.recording.columns import off_step


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
