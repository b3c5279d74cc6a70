"""Posts judged: every reason, and that batches do not matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.locations import need

from tidemill.domain.errors import DataError
from tidemill.ingest import store_posts
from tidemill.memory.market import MemoryMarketStore
from tidemill.ports import POST_COLUMNS
from tidemill.quality.posts import check_posts

NOW = datetime(2021, 4, 18, 12, tzinfo=UTC)


def make_posts(*changes: dict[str, Any]) -> pd.DataFrame:
    """Good posts a minute apart, each with its changes."""
    rows = []
    for number, changed in enumerate(changes):
        created = NOW - timedelta(minutes=len(changes) - number)
        row = {"source": "x", "post_id": str(number), "channel": "x", "event_time": created}
        row |= {"knowledge_time": created, "assumed": True, "title": "", "text": f"text {number}"}
        rows.append(row | changed)
    return pd.DataFrame(rows, columns=list(POST_COLUMNS))


def test_good_posts_pass_unchanged_in_their_order() -> None:
    posts = make_posts({}, {}, {}).iloc[::-1]
    checked = check_posts(posts, as_of=NOW)
    pd.testing.assert_frame_equal(checked.good, posts.reset_index(drop=True), check_dtype=False)
    assert not len(checked.rejected)
    assert checked.reasons == {}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"event_time": NOW + timedelta(seconds=1)}, "created in the future"),
        ({"text": ""}, "no text"),
        ({"text": None, "title": None}, "no text"),
        ({"text": " \n\t", "title": " "}, "no text"),
        ({"post_id": "0"}, "id seen before"),
        ({"post_id": ""}, "no id"),
        ({"post_id": None}, "no id"),
        ({"event_time": pd.NaT}, "no time"),
        ({"event_time": datetime(2021, 4, 18)}, "time without zone"),
    ],
)
def test_each_reason_is_told(changed: dict[str, Any], reason: str) -> None:
    checked = check_posts(make_posts({}, changed, {}), as_of=NOW)
    assert checked.reasons == {reason: 1}
    assert len(checked.good) == 2
    assert str(checked.good["event_time"].dtype) == "datetime64[us, UTC]"


def test_a_post_made_at_as_of_is_good() -> None:
    assert len(check_posts(make_posts({"event_time": NOW}), as_of=NOW).good) == 1


def test_the_same_id_of_another_source_is_another_post() -> None:
    assert len(check_posts(make_posts({}, {"post_id": "0", "source": "reddit"}), as_of=NOW).good) == 2


def test_the_first_reason_counts_once() -> None:
    wrong = {"event_time": NOW + timedelta(days=1), "text": "", "post_id": "0"}
    assert check_posts(make_posts({}, wrong), as_of=NOW).reasons == {"created in the future": 1}


def test_the_fourth_repeat_within_an_hour_is_spam_whatever_its_blanks_and_case() -> None:
    texts = ["Buy now", "buy  now ", "BUY\nNOW", "buy now", "buy now", "another"]
    checked = check_posts(make_posts(*({"text": text} for text in texts)), as_of=NOW)
    assert checked.rejected["post_id"].tolist() == ["3", "4"]
    assert checked.reasons == {"repeated text": 2}


def test_only_good_posts_count_as_said() -> None:
    texts = [{"text": "buy", "event_time": NOW - timedelta(minutes=ago)} for ago in (100, 99, 98, 50, 39, 38, 30)]
    assert check_posts(make_posts(*texts), as_of=NOW).rejected["post_id"].tolist() == ["3"]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 200)), min_size=1, max_size=40),
    st.lists(st.integers(1, 199), max_size=5),
)
def test_the_size_of_a_batch_does_not_matter(said: list[tuple[str, int]], cuts: list[int]) -> None:
    posts = make_posts(*({"text": text, "event_time": NOW - timedelta(minutes=ago)} for text, ago in said))
    posts = posts.astype({"event_time": "datetime64[us, UTC]", "knowledge_time": "datetime64[us, UTC]"})
    store = MemoryMarketStore()
    borders = [NOW - timedelta(minutes=ago) for ago in (10_000, *sorted(set(cuts), reverse=True), -1)]
    for start, end in pairwise(borders):
        batch = posts[(posts["event_time"] >= start) & (posts["event_time"] < end)]
        store_posts(batch, store, bases=(), now=NOW)
    kept = store.read_posts(NOW - timedelta(days=10), NOW + timedelta(days=1))
    assert sorted(kept["post_id"]) == sorted(check_posts(posts, as_of=NOW).good["post_id"])


def test_without_what_was_said_before_a_batch_would_matter() -> None:
    posts = make_posts(*({"text": "buy"} for _ in range(6)))
    parts = [check_posts(part, as_of=NOW) for part in (posts.iloc[:3], posts.iloc[3:])]
    assert sum(len(part.good) for part in parts) == 6
    assert len(check_posts(posts, as_of=NOW).good) == 3
    assert not len(check_posts(posts.iloc[3:], as_of=NOW, before=parts[0].good).good)


def test_repeats_of_other_channels_or_hours_are_no_spam() -> None:
    spread = [{"text": "daily thread", "channel": str(number % 2)} for number in range(6)]
    assert len(check_posts(make_posts(*spread), as_of=NOW).good) == 6
    slow = [{"text": "daily thread", "event_time": NOW - timedelta(minutes=21 * number)} for number in range(9)]
    assert len(check_posts(make_posts(*slow), as_of=NOW).good) == 9


def test_missing_titles_become_empty() -> None:
    assert check_posts(make_posts({"title": None}), as_of=NOW).good["title"].tolist() == [""]


def test_an_empty_frame_gives_empty_frames() -> None:
    checked = check_posts(make_posts().astype({"event_time": "datetime64[us, UTC]"}), as_of=NOW)
    assert not len(checked.good)
    assert not len(checked.rejected)
    assert list(checked.rejected.columns) == [*POST_COLUMNS, "reason"]


def test_times_that_all_lack_a_zone_are_all_refused() -> None:
    posts = make_posts({}, {})
    naive = posts.assign(event_time=posts["event_time"].dt.tz_localize(None))
    assert check_posts(naive, as_of=NOW).reasons == {"time without zone": 2}


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="'title'"):
        check_posts(make_posts({}).drop(columns="title"), as_of=NOW)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.integers(-90, 90), st.integers(0, 9)), max_size=25))
def test_every_post_is_either_good_or_rejected(drawn: list[tuple[str, int, int]]) -> None:
    changes = (
        {"text": text, "event_time": NOW - timedelta(minutes=ago), "post_id": str(ident)} for text, ago, ident in drawn
    )
    posts = make_posts(*changes).astype({"event_time": "datetime64[us, UTC]"})
    checked = check_posts(posts, as_of=NOW)
    assert len(checked.good) + len(checked.rejected) == len(posts)
    assert not checked.good.duplicated(["source", "post_id"]).any()
    assert (checked.good["event_time"] <= NOW).all()
    assert sum(checked.reasons.values()) == len(checked.rejected)


@pytest.mark.data
def test_a_month_of_posts_is_judged_alike_at_once_and_day_by_day() -> None:
    raw = pd.read_parquet(need("reddit_crypto_2020_2021/posts.parquet"))
    raw = raw[raw["created_utc"].dt.strftime("%Y-%m") == "2021-02"]
    named = raw.rename(
        columns={"id": "post_id", "created_utc": "event_time", "subreddit": "channel", "selftext": "text"}
    )
    posts = named.assign(source="reddit", knowledge_time=named["event_time"], assumed=True)[list(POST_COLUMNS)]
    at_once = check_posts(posts, as_of=NOW + timedelta(days=90))
    assert at_once.reasons == {"repeated text": 7}
    days = [part for _, part in posts.groupby(posts["event_time"].dt.floor("D"))]
    daily = pd.concat([check_posts(part, as_of=NOW + timedelta(days=90)).rejected for part in days])
    assert set(daily["post_id"]) == set(at_once.rejected["post_id"])
