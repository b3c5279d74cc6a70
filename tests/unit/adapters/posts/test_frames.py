"""Posts as a site sent them become rows with the moment at which each could be known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from tidemill.adapters.posts._frames import PostFrames, PostRow, ceil_second, floor_second
from tidemill.adapters.posts._session import _seconds_to_wait, open_session, unwrap
from tidemill.domain.errors import ConfigurationError, DataError, TransientError
from tidemill.domain.market import from_micros, to_micros
from tidemill.ports import POST_COLUMNS

START = datetime(2021, 4, 19, tzinfo=UTC)
END = START + timedelta(days=1)
BASE = to_micros(START)
DAY = 86_400_000_000
LIVE = PostFrames(source="reddit", assumed_delay_seconds=None)


def row(name: str, created: int, received: int | None = None) -> PostRow:
    """A post made ``created`` micros after the start, received then or later."""
    came = created if received is None else received
    return PostRow(name, "talk", BASE + created, BASE + came, "title", f"text of {name}")


rows = st.lists(
    st.builds(row, st.sampled_from("abcdef"), st.integers(-DAY, 2 * DAY), st.integers(-DAY, 3 * DAY)), max_size=12
)


@given(rows, st.sampled_from([None, 0.0, 30.0]))
def test_only_posts_of_the_range_come_each_once_in_order(posts: list[PostRow], delay: float | None) -> None:
    frame = PostFrames(source="x", assumed_delay_seconds=delay).build(posts, START, END)
    assert list(frame.columns) == list(POST_COLUMNS)
    times = [to_micros(moment) for moment in frame["event_time"]]
    assert times == sorted(times)
    assert all(BASE <= time < BASE + DAY for time in times)
    expected = {post.post_id for post in posts if BASE <= post.created < BASE + DAY}
    assert sorted(frame["post_id"]) == sorted(expected)
    assert set(frame["source"]) <= {"x"}


@given(rows)
def test_nothing_is_known_before_it_was_made(posts: list[PostRow]) -> None:
    frame = LIVE.build(posts, START, END)
    assert (frame["knowledge_time"] >= frame["event_time"]).all()
    assert not frame["assumed"].any()


@given(rows, st.floats(0, 3600))
def test_of_old_posts_the_delay_is_assumed_and_said_so(posts: list[PostRow], delay: float) -> None:
    frame = PostFrames(source="x", assumed_delay_seconds=delay).build(posts, START, END)
    waits = (frame["knowledge_time"] - frame["event_time"]).dt.total_seconds()
    assert all(abs(wait - delay) < 1e-5 for wait in waits)
    assert frame["assumed"].all()


def test_a_live_post_is_known_when_it_was_received_unless_clocks_differ() -> None:
    frame = LIVE.build([row("late", 5, 99), row("early", 7, 3)], START, END)
    assert list(frame["knowledge_time"]) == [from_micros(BASE + 99), from_micros(BASE + 7)]


def test_of_one_id_the_row_that_came_first_counts() -> None:
    first = row("a", 9)._replace(text="as it was")
    frame = LIVE.build([first, row("a", 5)], START, END)
    assert list(frame["text"]) == ["as it was"]
    # the control: the other way round, the other text counts
    assert list(LIVE.build([row("a", 5), first], START, END)["text"]) == ["text of a"]


def test_no_posts_have_the_same_types_as_some() -> None:
    empty, full = (LIVE.build(posts, START, END) for posts in ([], [row("a", 1)]))
    assert len(empty) == 0
    assert (empty.dtypes == full.dtypes).all()


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_whole_seconds_enclose_a_moment(moment: datetime) -> None:
    low, high = floor_second(moment), ceil_second(moment)
    assert low <= moment <= high
    assert high - low == timedelta(seconds=1 if moment.microsecond else 0)


SENT = "Mon, 19 Apr 2021 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "Mon, 19 Apr 2021 00:01:00 GMT", "Date": SENT}, 60.0),
        ({"Retry-After": "Sun, 18 Apr 2021 00:01:00 GMT", "Date": SENT}, 0.0),
        ({"Retry-After": "Mon, 19 Apr 2021 00:01:00 GMT"}, None),
        ({"Retry-After": "soon", "Date": SENT}, None),
        ({"Retry-After": "Mon, 19 Apr 2021 00:01:00 -0000", "Date": SENT}, None),
        ({"x-rate-limit-reset": str(BASE // 10**6 + 90), "Date": SENT}, 90.0),
        ({"x-rate-limit-reset": str(BASE // 10**6 - 90), "Date": SENT}, 0.0),
        ({"x-rate-limit-reset": "90"}, None),
        ({"X-Ratelimit-Reset": "12"}, 12.0),
        ({}, None),
    ],
)
def test_when_to_come_back_is_read_from_each_site_s_own_header(headers: dict[str, str], seconds: float | None) -> None:
    assert _seconds_to_wait(CaseInsensitiveDict(headers)) == seconds


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "nonsense"])
def test_an_address_that_is_none_is_refused_with_one_to_write(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"of X is no address; write it as http://127\.0\.0\.1:8000"):
        open_session("X", url, None)


@pytest.mark.parametrize("url", ["http://example.com", "http://10.0.0.1:80", "http://localhost.example.com"])
def test_keys_go_to_another_machine_over_tls_only(url: str) -> None:
    with pytest.raises(ConfigurationError, match="in the clear; use https"):
        open_session("X", url, None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "https://example.com"])
def test_what_stays_on_this_machine_or_is_sealed_may_go(url: str) -> None:
    session = open_session("X", url, None)
    assert not session.trust_env
    session.close()
    assert open_session("X", "", None).trust_env


def test_an_error_of_ours_comes_out_of_a_client_s_as_it_went_in() -> None:
    class Wrapped(Exception):
        original_exception = DataError("no such query")

    assert unwrap(Wrapped(), "X") is Wrapped.original_exception
    error = unwrap(KeyError("data"), "X")
    assert isinstance(error, TransientError)
    assert str(error) == "X gave an answer that cannot be read (KeyError)"
