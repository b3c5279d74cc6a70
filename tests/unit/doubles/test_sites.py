"""The doubles of X, Reddit and NewsAPI, asked as anyone may ask them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.doubles import TextDoubles, TextKeys
from tidemill.doubles.queries import compile_query
from tidemill.doubles.shelf import Shelf
from tidemill.doubles.site import Quota
from tidemill.ports import POST_COLUMNS

NOW = datetime(2021, 4, 18, 12, tzinfo=UTC)
KEYS = {"bearer_token": "bt", "client_id": "ci", "client_secret": "cs", "api_key": "ak"}
BEARER = {"Authorization": "Bearer bt"}
SEARCH = "/2/tweets/search/recent"


def make_posts(source: str, count: int, channel: str = "main", ends: datetime = NOW) -> pd.DataFrame:
    """``count`` posts, one a minute, the last at ``ends``."""
    times = pd.DatetimeIndex([ends - timedelta(minutes=count - 1 - number) for number in range(count)]).as_unit("us")
    ids = [f"{number:04d}" for number in range(count)]
    texts = [f"bitcoin <{number}> & more" for number in range(count)]
    known = {"event_time": times, "knowledge_time": times, "assumed": True}
    frame = {"source": source, "post_id": ids, "channel": channel, "title": "", "text": texts, **known}
    return pd.DataFrame(frame)[list(POST_COLUMNS)]


POSTS = pd.concat(
    [
        make_posts("x", 250, ends=NOW + timedelta(minutes=10)),
        make_posts("reddit", 1250, "Bitcoin"),
        make_posts("reddit", 5, "Ethereum").assign(post_id=[f"e{number}" for number in range(5)]),
        make_posts("news", 250, "Mill Post", ends=NOW + timedelta(minutes=10)),
    ],
    ignore_index=True,
)


@pytest.fixture(scope="module")
def doubles() -> Iterator[TextDoubles]:
    served = TextDoubles(POSTS, lambda: NOW, news_max_results=200, keys=TextKeys(**KEYS))
    served.start()
    yield served
    served.stop()


def ask(url: str, headers: dict[str, str] | None = None, **params: Any) -> requests.Response:
    return requests.get(url, params=params, headers=headers, timeout=10)


def reddit_token(doubles: TextDoubles, secret: str = "cs") -> requests.Response:
    url = f"{doubles.reddit_url}/api/v1/access_token"
    return requests.post(url, data={"grant_type": "client_credentials"}, auth=("ci", secret), timeout=10)


@pytest.mark.wire
class TestX:
    def test_a_page_has_the_shape_of_the_service(self, doubles: TextDoubles) -> None:
        fields = "created_at,author_id,public_metrics,lang"
        answer = ask(doubles.x_url + SEARCH, BEARER, **{"query": "bitcoin", "max_results": 10, "tweet.fields": fields})
        body = answer.json()
        first = body["data"][0]
        assert set(first) == {"id", "text", "edit_history_tweet_ids", *fields.split(",")}
        assert first["edit_history_tweet_ids"] == [first["id"]]
        assert first["text"].endswith("&amp; more")
        assert set(first["public_metrics"].values()) == {0}  # nobody had seen it yet
        assert body["meta"]["result_count"] == len(body["data"]) == 10
        assert (body["meta"]["newest_id"], body["meta"]["oldest_id"]) == (first["id"], body["data"][-1]["id"])
        assert {"x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"} <= set(answer.headers)

    def test_without_fields_only_the_default_ones_come(self, doubles: TextDoubles) -> None:
        post = ask(doubles.x_url + SEARCH, BEARER, query="bitcoin").json()["data"][0]
        assert set(post) == {"id", "text", "edit_history_tweet_ids"}

    def test_pages_follow_one_another_to_the_end(self, doubles: TextDoubles) -> None:
        seen: list[str] = []
        params: dict[str, Any] = {"query": "bitcoin", "max_results": 100}
        while True:
            body = ask(doubles.x_url + SEARCH, BEARER, **params).json()
            seen += [post["id"] for post in body["data"]]
            if "next_token" not in body["meta"]:
                break
            params["next_token"] = body["meta"]["next_token"]
        assert seen == sorted(set(seen), reverse=True)
        assert len(seen) == 239  # of 250, ten lie ahead and one is not thirty seconds old

    def test_no_result_has_no_data(self, doubles: TextDoubles) -> None:
        assert ask(doubles.x_url + SEARCH, BEARER, query="dogecoin").json() == {"meta": {"result_count": 0}}

    def test_since_id_wins_over_start_time(self, doubles: TextDoubles) -> None:
        late = "2021-04-18T11:59:00Z"
        body = ask(doubles.x_url + SEARCH, BEARER, query="bitcoin", since_id="0235", start_time=late).json()
        assert [post["id"] for post in body["data"]] == ["0238", "0237", "0236"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"max_results": 9},
            {"max_results": 101},
            {"start_time": "2021-04-11T11:59:59Z"},
            {"end_time": "2021-04-18T11:59:51Z"},
            {"start_time": "yesterday"},
            {"start_time": "2021-04-18T10:00:00Z", "end_time": "2021-04-18T10:00:00Z"},
            {"next_token": "mine"},
            {"since_id": "none"},
            {"query": "("},
            {"query": ""},
        ],
    )
    def test_a_wrong_parameter_is_refused(self, doubles: TextDoubles, wrong: dict[str, Any]) -> None:
        answer = ask(doubles.x_url + SEARCH, BEARER, **({"query": "bitcoin"} | wrong))
        assert answer.status_code == 400
        assert answer.json()["title"] == "Invalid Request"
        assert answer.json()["errors"][0]["message"]

    def test_the_token_is_asked_for(self, doubles: TextDoubles) -> None:
        for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "bt"}):
            answer = ask(doubles.x_url + SEARCH, headers, query="bitcoin")
            assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")

    def test_a_long_post_is_cut_and_told_in_full_when_asked(self) -> None:
        long = make_posts("x", 1, ends=NOW - timedelta(hours=1)).assign(text="bitcoin " * 60)
        served = TextDoubles(long, lambda: NOW, keys=TextKeys(**KEYS))
        served.start()
        try:
            post = ask(served.x_url + SEARCH, BEARER, **{"query": "bitcoin", "tweet.fields": "note_tweet"}).json()[
                "data"
            ][0]
        finally:
            served.stop()
        assert len(post["text"]) == 280
        assert post["note_tweet"]["text"] == "bitcoin " * 60


@pytest.mark.wire
class TestReddit:
    def list_new(self, doubles: TextDoubles, subreddit: str = "bitcoin", **params: Any) -> Any:
        token = reddit_token(doubles).json()["access_token"]
        url = f"{doubles.reddit_url}/r/{subreddit}/new"
        answer = ask(url, {"Authorization": f"bearer {token}"}, **({"raw_json": 1} | params))
        assert float(answer.headers["x-ratelimit-remaining"]) > 0
        assert {"x-ratelimit-used", "x-ratelimit-reset"} <= set(answer.headers)
        return answer.json()["data"]

    def test_only_the_right_secret_gets_a_token(self, doubles: TextDoubles) -> None:
        assert reddit_token(doubles).json()["token_type"] == "bearer"
        assert reddit_token(doubles, "wrong").status_code == 401
        assert ask(f"{doubles.reddit_url}/r/bitcoin/new").status_code == 401

    def test_another_grant_is_refused_in_an_answer_of_200(self, doubles: TextDoubles) -> None:
        url = f"{doubles.reddit_url}/api/v1/access_token"
        answer = requests.post(url, data={"grant_type": "password"}, auth=("ci", "cs"), timeout=10)
        assert (answer.status_code, answer.json()) == (200, {"error": "unsupported_grant_type"})

    def test_the_newest_come_first_with_nothing_known_of_them_yet(self, doubles: TextDoubles) -> None:
        data = self.list_new(doubles)
        posts = [child["data"] for child in data["children"]]
        assert {child["kind"] for child in data["children"]} == {"t3"}
        assert [post["id"] for post in posts[:2]] == ["1249", "1248"]
        assert (len(posts), data["after"]) == (25, posts[-1]["name"])
        assert {post[name] for post in posts for name in ("score", "ups", "num_comments")} == {0}

    def test_a_listing_ends_after_a_thousand(self, doubles: TextDoubles) -> None:
        seen: list[str] = []
        after = ""
        while after is not None:
            data = self.list_new(doubles, limit=1024, after=after)
            assert len(data["children"]) <= 100
            seen += [child["data"]["id"] for child in data["children"]]
            after = data["after"]
        assert seen == [f"{number:04d}" for number in range(1249, 249, -1)]

    def test_subreddits_may_be_joined_and_unknown_ones_are_empty(self, doubles: TextDoubles) -> None:
        joined = self.list_new(doubles, "Bitcoin+ETHEREUM", limit=10)["children"]
        assert {child["data"]["subreddit"] for child in joined} == {"Bitcoin", "Ethereum"}
        for empty in (self.list_new(doubles, "none"), self.list_new(doubles, after="t3_unknown")):
            assert (empty["children"], empty["after"]) == ([], None)

    def test_signs_are_escaped_unless_raw_json_is_asked_for(self, doubles: TextDoubles) -> None:
        def newest(**params: Any) -> str:
            return str(self.list_new(doubles, limit=1, **params)["children"][0]["data"]["selftext"])

        assert newest() == "bitcoin <1249> & more"
        assert newest(raw_json=0) == "bitcoin &lt;1249&gt; &amp; more"


@pytest.mark.wire
class TestNews:
    def search(self, doubles: TextDoubles, **params: Any) -> requests.Response:
        return ask(f"{doubles.news_url}/v2/everything", {"Authorization": "ak"}, **({"q": "bitcoin"} | params))

    def test_a_page_has_the_shape_of_the_service(self, doubles: TextDoubles) -> None:
        body = self.search(doubles, pageSize=1).json()
        assert (body["status"], body["totalResults"]) == ("ok", 240)
        wanted = ["source", "author", "title", "description", "url", "urlToImage", "publishedAt", "content"]
        assert list(body["articles"][0]) == wanted
        assert body["articles"][0]["publishedAt"] == "2021-04-18T12:00:00Z"
        assert body["articles"][0]["source"] == {"id": None, "name": "Mill Post"}

    def test_both_ends_of_the_range_are_inside(self, doubles: TextDoubles) -> None:
        body = self.search(doubles, **{"from": "2021-04-18T11:00:00", "to": "2021-04-18T11:05:00"}).json()
        assert body["totalResults"] == 6
        assert self.search(doubles, **{"from": "2021-04-18", "to": "2021-04-18"}).json()["totalResults"] == 240

    def test_pages_go_as_far_as_the_plan(self, doubles: TextDoubles) -> None:
        first, second = (self.search(doubles, pageSize=100, page=page).json()["articles"] for page in (1, 2))
        assert not {one["url"] for one in first} & {one["url"] for one in second}
        beyond = self.search(doubles, pageSize=100, page=3)
        assert (beyond.status_code, beyond.json()["code"]) == (426, "maximumResultsReached")

    def test_the_key_is_asked_for(self, doubles: TextDoubles) -> None:
        url = f"{doubles.news_url}/v2/everything"
        for headers, code in (({}, "apiKeyMissing"), ({"Authorization": "no"}, "apiKeyInvalid")):
            answer = ask(url, headers, q="bitcoin")
            assert (answer.status_code, answer.json()["code"]) == (401, code)
        assert ask(url, q="bitcoin", apiKey="ak").ok
        assert ask(url, {"X-Api-Key": "ak"}, q="bitcoin").ok

    def test_other_languages_have_nothing(self, doubles: TextDoubles) -> None:
        assert self.search(doubles, language="de").json()["totalResults"] == 0

    @pytest.mark.parametrize(
        "wrong", [{"q": ""}, {"pageSize": 101}, {"page": 0}, {"language": "xx"}, {"sortBy": "luck"}, {"from": "soon"}]
    )
    def test_a_wrong_parameter_is_refused(self, doubles: TextDoubles, wrong: dict[str, Any]) -> None:
        answer = self.search(doubles, **wrong)
        assert (answer.status_code, answer.json()["status"]) == (400, "error")


@pytest.mark.wire
@pytest.mark.parametrize("site", ["x", "reddit", "news"])
@pytest.mark.parametrize("status", [429, 503])
def test_an_outage_lasts_until_it_is_mended(doubles: TextDoubles, site: str, status: int) -> None:
    paths = {"x": SEARCH, "reddit": "/r/bitcoin/new", "news": "/v2/everything"}
    doubles.fail(site, status, retry_after=5)
    try:
        statuses = {name: ask(doubles.x_url + path).status_code for name, path in paths.items()}
    finally:
        doubles.mend(site)
    assert statuses == dict.fromkeys(paths, 401) | {site: status}
    assert ask(doubles.x_url + paths[site]).status_code == 401


@pytest.mark.wire
def test_it_starts_and_stops_more_than_once() -> None:
    served = TextDoubles(POSTS, lambda: NOW, keys=TextKeys(**KEYS))
    served.stop()
    for _ in range(2):
        served.start()
        served.start()
        url = served.news_url
        assert ask(f"{url}/v2/everything").status_code == 401
        served.stop()
        served.stop()
        with pytest.raises(requests.ConnectionError):
            ask(url)
    with pytest.raises(ConfigurationError, match="start them first"):
        _ = served.x_url


def test_a_quota_is_counted_by_window() -> None:
    clock = [NOW]
    quota = Quota(2, 60.0, lambda: clock[0])
    assert [quota.take().remaining for _ in range(3)] == [1, 0, 0]
    assert quota.peek().used == 3
    clock[0] += timedelta(seconds=59)
    assert quota.peek().seconds_left == 1
    clock[0] += timedelta(seconds=1)
    assert quota.take().used == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("bitcoin", [0, 1, 4]),
        ("BITCOIN cash", [1]),
        ("bitcoin AND cash", [1]),
        ("bitcoin -cash", [0, 4]),
        ("bitcoin NOT cash", [0, 4]),
        ("ether OR bitcoin cash", [1, 2]),
        ("(ether OR bitcoin) -cash", [0, 2, 4]),
        ('"bitcoin cash"', [1]),
        ("+ether", [2]),
        ("$BTC", [3]),
        ("BTC", [3]),
        ("coin", []),
        ("bitcoin lang:en -is:retweet", [0, 1, 4]),
    ],
)
def test_a_query_finds_whole_words(query: str, found: list[int]) -> None:
    texts = ["Bitcoin!", "bitcoin cash", "ether", "buy $BTC", "the\nbitcoin-thing"]
    assert np.flatnonzero(compile_query(query)(texts)).tolist() == found


@pytest.mark.parametrize("query", ["", "(", "a OR", "OR a", "a)", "(a", "-", "a AND", "NOT"])
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        compile_query(query)


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(0, 50), st.integers(0, 50))
def test_a_shelf_serves_exactly_what_lies_between(minutes: list[int], low: int, high: int) -> None:
    times = pd.DatetimeIndex([NOW + timedelta(minutes=one) for one in minutes], dtype="datetime64[us, UTC]")
    rows = {"source": "x", "channel": "c", "title": "", "text": "bitcoin", "assumed": True}
    ids = [str(number) for number in range(len(minutes))]
    posts = pd.DataFrame({"post_id": ids, "event_time": times, "knowledge_time": times, **rows})
    shelf = Shelf(posts, "x")
    found = shelf.between(shelf.matching("bitcoin"), NOW + timedelta(minutes=low), NOW + timedelta(minutes=high))
    wanted = sorted((minute, ident) for minute, ident in zip(minutes, ids, strict=True) if low <= minute < high)
    assert [shelf.read(int(at)).post_id for at in found] == [ident for _, ident in wanted]
