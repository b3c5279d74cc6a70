"""The bundled recording, and posts generated from past prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import DecisionGrid, Instrument
from tidemill.domain.sentiment import SOURCES
from tidemill.ports import POST_COLUMNS
from tidemill.quality import check_posts
from tidemill.recording import RecordedSeries, Recording, bundled_recording, make_posts

START = datetime(2021, 4, 19, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS = (0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14, 15)  # two weekends inside


@pytest.fixture(scope="module")
def bundled() -> Recording:
    pytest.importorskip("bokeh_sampledata")
    return bundled_recording()


def test_the_bundled_recording_has_four_complete_stocks(bundled: Recording) -> None:
    assert list(bundled.instruments) == ["AAPL-USD.SAMPLE", "IBM-USD.SAMPLE", "MSFT-USD.SAMPLE", "GOOG-USD.SAMPLE"]
    assert {len(one.bars) for one in bundled.series} == {2014}
    assert (bundled.calendar, bundled.timeframe, len(bundled.sessions)) == ("as-recorded", "1d", 2014)
    assert (bundled.first_open, bundled.last_close) == (
        datetime(2005, 3, 1, tzinfo=UTC),
        datetime(2013, 3, 1, tzinfo=UTC),
    )
    assert bundled.posts.empty
    rules = bundled.instruments["AAPL-USD.SAMPLE"]
    assert (rules.price_step, rules.lot_step, rules.min_notional) == (Decimal("0.0001"), Decimal(1), Decimal(1))


def test_its_prices_are_exact_and_as_traded(bundled: Recording) -> None:
    bar = bundled.tape().bar_at("AAPL-USD.SAMPLE", datetime(2013, 2, 28, 20, tzinfo=UTC))
    assert bar is not None
    assert (bar.open, bar.high, bar.low, bar.close) == tuple(map(Decimal, ("444.05", "447.87", "441.4", "441.4")))
    assert bar.volume == 11_518_400


def test_its_sessions_make_a_grid_of_decisions(bundled: Recording) -> None:
    grid = DecisionGrid(timeframe="1d", delay_seconds=90, calendar="as-recorded", sessions=bundled.sessions)
    points = list(grid.points(bundled.first_open, bundled.last_close))
    assert len(points) == 2013
    assert grid.decided_open(points[0]) == bundled.first_open


def test_a_missing_package_tells_how_to_install_it() -> None:
    with pytest.raises(ConfigurationError, match=r"pip install 'tidemill\[demo\]', or run make install"):
        bundled_recording("no_such_package_of_prices")


def test_a_package_without_the_file_tells_which_version_is_needed() -> None:
    with pytest.raises(ConfigurationError, match=r"2026\.1 or later"):
        bundled_recording("tidemill")


def made(closes: dict[str, list[float]], days: tuple[int, ...] = DAYS) -> Recording:
    series = []
    for base, own in closes.items():
        opens = pd.DatetimeIndex([START + one * DAY for one in days[: len(own)]], dtype="datetime64[us, UTC]")
        price = np.array(own)
        bars = pd.DataFrame(
            {"open_time": opens, "open": price, "high": price, "low": price, "close": price, "volume": 1.0}
        )
        rules = Instrument(venue="V", base=base, quote="USD", price_step=Decimal("0.01"), lot_step=Decimal(1))
        series.append(RecordedSeries(instrument=rules, timeframe="1d", bars=bars))
    return Recording(title="t", calendar="as-recorded", series=tuple(series))


def test_posts_are_complete_and_of_every_source(bundled: Recording) -> None:
    posts = make_posts(bundled)
    assert tuple(posts.columns) == POST_COLUMNS
    assert not posts.isna().any().any()
    assert set(posts["source"]) == set(SOURCES)
    assert posts["event_time"].is_monotonic_increasing
    assert (posts["knowledge_time"] == posts["event_time"]).all()
    assert posts["assumed"].all()
    assert not posts.duplicated(["source", "post_id"]).any()
    assert posts["event_time"].min() >= bundled.first_open + DAY
    assert posts["event_time"].max() < bundled.last_close
    assert (posts.loc[posts["source"] == "x", "title"] == "").all()
    assert (posts.loc[posts["source"] != "x", "title"] != "").all()
    assert posts.loc[posts["source"] == "x", "post_id"].str.isdecimal().all()
    named = (posts["title"] + " " + posts["text"]).str.extract(r"\b(AAPL|IBM|MSFT|GOOG)\b")[0]
    assert named.value_counts().min() > 2014


def test_every_session_after_the_first_has_posts(bundled: Recording) -> None:
    posts = make_posts(bundled)
    days = posts["event_time"].dt.floor("D")
    for base in ("AAPL", "IBM", "MSFT", "GOOG"):
        assert set(bundled.sessions[1:]) <= set(days[(posts["title"] + posts["text"]).str.contains(base)])


def test_hardly_any_is_refused_as_repeated(bundled: Recording) -> None:
    posts = make_posts(bundled)
    checked = check_posts(posts, as_of=bundled.last_close)
    assert set(checked.reasons) <= {"repeated text"}
    assert len(checked.rejected) < 0.01 * len(posts)


def test_the_seed_decides() -> None:
    recording = made({"AAA": [10.0, 11, 12, 11, 10], "BBB": [5.0, 5, 6, 5, 5]})
    pd.testing.assert_frame_equal(make_posts(recording, seed=7), make_posts(recording, seed=7))
    assert not make_posts(recording, seed=7)["text"].equals(make_posts(recording, seed=8)["text"])


def test_one_bar_gives_no_posts_as_nothing_closed_before_the_end() -> None:
    posts = make_posts(made({"AAA": [10.0]}))
    assert posts.empty
    assert tuple(posts.columns) == POST_COLUMNS


def test_good_days_are_told_in_better_words_than_bad_ones() -> None:
    falling, rising = [100 * 0.97**one for one in range(12)], [100 * 1.03**one for one in range(12)]
    text = {}
    for name, closes in {"fall": falling, "rise": rising}.items():
        recording = made({"AAA": [round(one, 2) for one in closes]})
        text[name] = " ".join(" ".join(make_posts(recording, seed=seed)["text"]) for seed in range(5)).lower()
    bad, good = ("down", "weak", "sellers", "disappointing"), ("nice", "good", "solid", "buyers")
    assert sum(text["fall"].count(word) for word in bad) > 2 * sum(text["fall"].count(word) for word in good)
    assert sum(text["rise"].count(word) for word in good) > 2 * sum(text["rise"].count(word) for word in bad)


def posts_until(recording: Recording, moment: datetime, *, peek: bool) -> pd.DataFrame:
    """Posts up to ``moment``; ``peek`` makes them as if each bar had the close of the bar after it."""
    if peek:
        series = []
        for one in recording.series:
            ahead = one.bars["close"].shift(-1).fillna(one.bars["close"])
            series.append(replace(one, bars=one.bars.assign(close=ahead)))
        recording = replace(recording, series=tuple(series))
    posts = make_posts(recording)
    return posts[posts["event_time"] <= moment].reset_index(drop=True)


def leaks(closes: list[float], later: list[float], kept: int, *, peek: bool) -> bool:
    """Whether changing every close after the first ``kept`` bars moves a post made before they closed."""
    moment = START + (DAYS[kept] + 1) * DAY - timedelta(microseconds=1)
    before = made({"AAA": closes, "BBB": closes[::-1]})
    after = made({"AAA": closes[:kept] + later[kept:], "BBB": closes[::-1][:kept] + later[kept:]})
    return not posts_until(before, moment, peek=peek).equals(posts_until(after, moment, peek=peek))


prices = st.lists(st.integers(100, 9999).map(lambda cents: cents / 100), min_size=12, max_size=12)


@settings(max_examples=60)
@given(closes=prices, later=prices, kept=st.integers(1, 10))
def test_no_post_knows_a_bar_that_closes_after_it(closes: list[float], later: list[float], kept: int) -> None:
    assert not leaks(closes, later, kept, peek=False)


def test_a_generator_that_peeks_is_caught() -> None:
    closes = [100.0 + one for one in range(12)]
    assert leaks(closes, [one / 3 for one in closes], 6, peek=True)


@settings(max_examples=30)
@given(closes=prices, kept=st.integers(2, 11))
def test_posts_of_a_shorter_recording_are_the_first_of_the_longer(closes: list[float], kept: int) -> None:
    short = make_posts(made({"AAA": closes[:kept]}))
    moment = START + (DAYS[kept - 1] + 1) * DAY - timedelta(microseconds=1)
    longer = posts_until(made({"AAA": closes}), moment, peek=False)
    pd.testing.assert_frame_equal(short, longer)
