"""One suite for every PostSource: the one in memory, and the three real clients over the wire."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from tidemill.adapters.posts.newsapi import NewsSource
from tidemill.adapters.posts.reddit import RedditSource
from tidemill.adapters.posts.x import XSource
from tidemill.domain.errors import ConfigurationError, TransientError
from tidemill.doubles import TextDoubles, TextKeys
from tidemill.memory.clocks import ManualClock
from tidemill.memory.posts import MemoryPostSource
from tidemill.ports import POST_COLUMNS, PostSource

NOW = datetime(2021, 4, 18, 12, tzinfo=UTC)
FIRST = NOW - timedelta(days=5)
STEP = timedelta(minutes=10)
KEYS = {"bearer_token": "right-token", "client_id": "id", "client_secret": "right-secret", "api_key": "right-key"}
CHANNELS = {"x": ("x",), "reddit": ("Bitcoin", "CryptoMarkets"), "news": ("The Tide", "Mill Post")}
WIRE = ("x", "reddit", "news")


def make_posts() -> pd.DataFrame:
    """740 posts of each source, one every ten minutes; the last of them lie after NOW."""
    rows = []
    for number in range(740):
        created = FIRST + STEP * number
        for source, channels in CHANNELS.items():
            text = f"bitcoin & <ether> number {number}, naïve “quotes” €  double  blank\nnew line 🚀"
            title = "" if source == "x" else f"Title {number} of {source}"
            post_id = str(10**18 + number) if source == "x" else f"{source[0]}{number:05d}"
            rows.append((source, post_id, channels[number % len(channels)], created, created, True, title, text))
    frame = pd.DataFrame(rows, columns=list(POST_COLUMNS))
    times = {name: frame[name].astype("datetime64[us, UTC]") for name in ("event_time", "knowledge_time")}
    return frame.assign(**times)


POSTS = make_posts()


@dataclass
class Rig:
    """A source, the clock it obeys, and the server behind it."""

    source: PostSource
    clock: ManualClock
    doubles: TextDoubles | None


def make_source(name: str, url: str, clock: ManualClock, delay: float | None = 0.0, **changed: Any) -> PostSource:
    keys = KEYS | changed
    common: dict[str, Any] = {"received_at": clock.now, "assumed_delay_seconds": delay}
    common |= {"on_payload": changed["on_payload"]} if "on_payload" in changed else {}
    if name == "x":
        return XSource(keys["bearer_token"], "bitcoin OR ethereum", url, **common)
    if name == "reddit":
        return RedditSource(keys["client_id"], keys["client_secret"], CHANNELS["reddit"], url, **common)
    return NewsSource(keys["api_key"], "bitcoin OR ethereum", url, **common)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[TextDoubles, list[ManualClock]]]:
    """One server for the module; each test puts its own clock behind it."""
    behind = [ManualClock(NOW)]

    def market_now() -> datetime:
        return behind[0].now()

    doubles = TextDoubles(POSTS, market_now, keys=TextKeys(**KEYS))
    doubles.start()
    yield doubles, behind
    doubles.stop()


@pytest.fixture(params=["memory", *[pytest.param(name, marks=pytest.mark.wire) for name in WIRE]])
def rig(request: pytest.FixtureRequest, served: tuple[TextDoubles, list[ManualClock]]) -> Rig:
    clock = ManualClock(NOW)
    if request.param == "memory":
        return Rig(MemoryPostSource(POSTS, clock, source="reddit"), clock, None)
    doubles, behind = served
    behind[0] = clock
    return Rig(make_source(request.param, doubles.x_url, clock), clock, doubles)


@pytest.fixture(params=WIRE)
def wired(request: pytest.FixtureRequest, served: tuple[TextDoubles, list[ManualClock]]) -> Iterator[Rig]:
    doubles, behind = served
    behind[0] = ManualClock(NOW)
    yield Rig(make_source(request.param, doubles.x_url, behind[0]), behind[0], doubles)
    doubles.mend(request.param)


def expected(source: str, start: datetime, end: datetime) -> pd.DataFrame:
    inside = (POSTS["source"] == source) & (POSTS["event_time"] >= start) & (POSTS["event_time"] < end)
    return POSTS[inside].reset_index(drop=True)


def assert_fetches(rig: Rig, start: datetime, end: datetime, count: int) -> None:
    fetched = rig.source.fetch_posts(start, end)
    wanted = expected(rig.source.source, start, end)
    assert len(wanted) == count  # the test asks what it says
    pd.testing.assert_frame_equal(fetched, wanted, check_dtype=False)


def test_the_range_is_half_open_and_ascending(rig: Rig) -> None:
    assert_fetches(rig, FIRST + STEP * 10, FIRST + STEP * 20, 10)


def test_a_range_between_whole_seconds_is_exact(rig: Rig) -> None:
    tick = timedelta(microseconds=1)
    assert_fetches(rig, FIRST + STEP * 10 + tick, FIRST + STEP * 20 + tick, 10)
    assert_fetches(rig, FIRST + STEP * 10 - tick, FIRST + STEP * 20 - tick, 10)


def test_more_than_two_pages_come_whole(rig: Rig) -> None:
    assert_fetches(rig, FIRST + STEP * 100, FIRST + STEP * 360, 260)
    assert_fetches(rig, FIRST, FIRST + STEP * 700, 700)


def test_exactly_one_page_comes_whole(rig: Rig) -> None:
    assert_fetches(rig, FIRST + STEP * 600, FIRST + STEP * 700, 100)


def test_a_range_without_posts_gives_an_empty_frame_of_the_right_columns(rig: Rig) -> None:
    empty = rig.source.fetch_posts(FIRST + timedelta(minutes=1), FIRST + timedelta(minutes=2))
    assert list(empty.columns) == list(POST_COLUMNS)
    assert not len(empty)
    assert str(empty["event_time"].dtype) == "datetime64[us, UTC]"


def test_the_types_are_those_of_the_port(rig: Rig) -> None:
    types = {name: str(dtype) for name, dtype in rig.source.fetch_posts(FIRST, FIRST + STEP).dtypes.items()}
    assert types["event_time"] == types["knowledge_time"] == "datetime64[us, UTC]"
    assert types["assumed"] == "bool"
    assert {types[name] for name in ("post_id", "channel", "title", "text")} == {"str"}


def test_nothing_after_the_market_clock_is_ever_served(rig: Rig) -> None:
    fetched = rig.source.fetch_posts(FIRST, NOW + timedelta(days=1))
    assert len(expected(rig.source.source, NOW + STEP, NOW + timedelta(days=1)))  # there would be some
    assert fetched["event_time"].max() <= NOW
    assert len(fetched) >= len(expected(rig.source.source, FIRST, NOW - timedelta(minutes=1)))


def test_a_later_clock_shows_what_was_not_there_before(rig: Rig) -> None:
    before = rig.source.fetch_posts(NOW - STEP * 3, NOW + STEP * 10)
    rig.clock.move_to(NOW + STEP * 4)
    after = rig.source.fetch_posts(NOW - STEP * 3, NOW + STEP * 10)
    assert set(before["post_id"]) < set(after["post_id"])
    assert after["event_time"].max() > NOW


@pytest.mark.wire
class TestOverTheWire:
    """What only a source with a server behind it can show."""

    def test_live_posts_are_known_when_received(self, wired: Rig) -> None:
        live = make_source(wired.source.source, self.url(wired), wired.clock, delay=None)
        fetched = live.fetch_posts(FIRST, FIRST + STEP * 5)
        assert (fetched["knowledge_time"] == NOW).all()
        assert not fetched["assumed"].any()

    def test_replayed_posts_are_known_a_stated_delay_after_they_were_made(self, wired: Rig) -> None:
        replayed = make_source(wired.source.source, self.url(wired), wired.clock, delay=7.5)
        fetched = replayed.fetch_posts(FIRST, FIRST + STEP * 5)
        assert (fetched["knowledge_time"] - fetched["event_time"] == timedelta(seconds=7.5)).all()
        assert fetched["assumed"].all()

    def test_wrong_keys_are_a_matter_of_configuration_and_stay_secret(
        self, wired: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        wrong = dict.fromkeys(KEYS, "wr0ng-secret")
        source = make_source(wired.source.source, self.url(wired), wired.clock, **wrong)
        with pytest.raises(ConfigurationError, match=f"TIDEMILL_{wired.source.source.upper()}__") as raised:
            source.fetch_posts(FIRST, NOW)
        assert "wr0ng" not in str(raised.value)
        assert "wr0ng" not in caplog.text

    def test_right_keys_stay_out_of_the_log(self, wired: Rig, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        wired.source.fetch_posts(FIRST, FIRST + STEP)
        assert "right-" not in caplog.text

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_a_source_that_is_down_is_transient(self, wired: Rig, status: int) -> None:
        assert wired.doubles is not None
        wired.doubles.fail(wired.source.source, status)
        with pytest.raises(TransientError, match=f"is down \\({status}\\)"):
            wired.source.fetch_posts(FIRST, NOW)

    def test_out_of_quota_is_transient_and_tells_when_to_come_back(self, wired: Rig) -> None:
        assert wired.doubles is not None
        wired.doubles.fail(wired.source.source, 429, retry_after=30)
        with pytest.raises(TransientError, match="out of quota") as raised:
            wired.source.fetch_posts(FIRST, NOW)
        assert raised.value.retry_after_seconds == pytest.approx(30, abs=2)

    def test_after_an_outage_it_goes_on(self, wired: Rig) -> None:
        assert wired.doubles is not None
        wired.doubles.fail(wired.source.source, 503, retry_after=3)
        with pytest.raises(TransientError) as raised:
            wired.source.fetch_posts(FIRST, NOW)
        assert raised.value.retry_after_seconds == 3
        wired.doubles.mend(wired.source.source)
        assert_fetches(wired, FIRST, FIRST + STEP * 5, 5)

    def test_nobody_there_is_transient(self, wired: Rig) -> None:
        source = make_source(wired.source.source, "http://127.0.0.1:1", wired.clock)
        with pytest.raises(TransientError, match="did not answer"):
            source.fetch_posts(FIRST, NOW)

    def test_raw_answers_are_handed_on_without_keys(self, wired: Rig) -> None:
        kept: list[tuple[str, bytes]] = []
        source = make_source(
            wired.source.source,
            self.url(wired),
            wired.clock,
            on_payload=lambda request, body: kept.append((request, body)),
        )
        source.fetch_posts(FIRST, FIRST + STEP * 5)
        assert kept
        assert all(request.startswith("GET /") and json.loads(body) for request, body in kept)
        assert all(b"access_token" not in body for _, body in kept)
        assert not any(key in request for request, _ in kept for key in KEYS.values() if key.startswith("right"))

    @staticmethod
    def url(rig: Rig) -> str:
        assert rig.doubles is not None
        return rig.doubles.x_url


@pytest.mark.wire
@pytest.mark.parametrize("name", WIRE)
def test_a_used_up_quota_ends_the_fetch_at_once(name: str) -> None:
    clock = ManualClock(NOW)
    doubles = TextDoubles(POSTS, clock.now, quotas={name: 1}, keys=TextKeys(**KEYS))
    doubles.start()
    try:
        source = make_source(name, doubles.x_url, clock)
        with pytest.raises(TransientError, match="out of quota"):
            source.fetch_posts(FIRST, NOW)  # needs several pages
    finally:
        doubles.stop()


@pytest.mark.wire
def test_news_of_the_free_plan_is_read_beyond_its_hundred_results() -> None:
    clock = ManualClock(NOW)
    doubles = TextDoubles(POSTS, clock.now, news_max_results=100, keys=TextKeys(**KEYS))
    doubles.start()
    try:
        source = make_source("news", doubles.news_url, clock)
        assert_fetches(Rig(source, clock, doubles), FIRST, FIRST + STEP * 350, 350)
    finally:
        doubles.stop()


@pytest.mark.wire
def test_x_is_not_asked_for_more_posts_than_allowed(served: tuple[TextDoubles, list[ManualClock]]) -> None:
    doubles, behind = served
    behind[0] = ManualClock(NOW)
    source = XSource("right-token", "bitcoin", doubles.x_url, received_at=behind[0].now, most_posts=200)
    with pytest.raises(ConfigurationError, match="more than 200 posts"):
        source.fetch_posts(FIRST, NOW)


@pytest.mark.wire
def test_x_gives_what_it_still_searches_when_asked_for_more(served: tuple[TextDoubles, list[ManualClock]]) -> None:
    doubles, behind = served
    behind[0] = ManualClock(FIRST + timedelta(days=7, hours=1))
    source = make_source("x", doubles.x_url, behind[0])
    oldest = source.fetch_posts(FIRST - timedelta(days=3), NOW)["event_time"].min()
    assert oldest == FIRST + timedelta(hours=1)
    assert not len(source.fetch_posts(FIRST - timedelta(days=3), FIRST))  # all of it gone
    assert not len(source.fetch_posts(NOW + timedelta(days=9), NOW + timedelta(days=10)))  # none of it there yet


@pytest.mark.wire
def test_a_query_that_x_cannot_read_names_its_setting(served: tuple[TextDoubles, list[ManualClock]]) -> None:
    doubles, behind = served
    source = XSource("right-token", "(bitcoin OR", doubles.x_url, received_at=behind[0].now)
    with pytest.raises(ConfigurationError, match="TIDEMILL_X__QUERY"):
        source.fetch_posts(FIRST, NOW)


@pytest.mark.wire
def test_a_listing_that_ends_too_early_is_said_so(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock(NOW)
    times = pd.date_range(NOW - timedelta(seconds=1500), periods=1500, freq="s", unit="us")
    rows = {"source": "reddit", "channel": "Bitcoin", "assumed": True, "title": "t", "text": ""}
    ids = [f"p{number:05d}" for number in range(1500)]
    posts = pd.DataFrame({"post_id": ids, "event_time": times, "knowledge_time": times, **rows})
    doubles = TextDoubles(posts[list(POST_COLUMNS)], clock.now, keys=TextKeys(**KEYS))
    doubles.start()
    try:
        fetched = make_source("reddit", doubles.reddit_url, clock).fetch_posts(NOW - timedelta(days=1), NOW)
    finally:
        doubles.stop()
    assert len(fetched) == 1000
    assert "r/Bitcoin ends at" in caplog.text
