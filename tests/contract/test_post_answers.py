"""Post sources by themselves: what they must be told, and recorded answers of the real services."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from support.locations import need

from tidemill.adapters.posts import newsapi as newsapi_source
from tidemill.adapters.posts import reddit as reddit_praw
from tidemill.adapters.posts import x as x_tweepy
from tidemill.adapters.posts.newsapi import NewsSource
from tidemill.adapters.posts.reddit import RedditSource
from tidemill.adapters.posts.x import XSource
from tidemill.domain.errors import ConfigurationError

NOW = datetime(2021, 4, 18, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: XSource("", "bitcoin", received_at=lambda: NOW), "TIDEMILL_X__BEARER_TOKEN"),
        (lambda: XSource("t", "", received_at=lambda: NOW), "TIDEMILL_X__QUERY"),
        (lambda: RedditSource("", "s", ["Bitcoin"], received_at=lambda: NOW), "TIDEMILL_REDDIT__CLIENT_ID"),
        (lambda: RedditSource("i", "", ["Bitcoin"], received_at=lambda: NOW), "TIDEMILL_REDDIT__CLIENT_SECRET"),
        (lambda: RedditSource("i", "s", [], received_at=lambda: NOW), "TIDEMILL_REDDIT__SUBREDDITS"),
        (lambda: NewsSource("", "bitcoin", received_at=lambda: NOW), "TIDEMILL_NEWS__API_KEY"),
        (lambda: NewsSource("k", "", received_at=lambda: NOW), "TIDEMILL_NEWS__QUERY"),
    ],
)
def test_what_is_not_set_is_named(make: Any, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        make()


@pytest.mark.parametrize("url", ["http://example.org", "ftp://127.0.0.1", "127.0.0.1:80"])
def test_keys_never_travel_in_the_clear_beyond_this_machine(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        XSource("token", "bitcoin", url, received_at=lambda: NOW)


def test_reddit_takes_nothing_from_praw_ini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[DEFAULT]\noauth_url=http://127.0.0.1:9\nusername=someone\npassword=p\n[other]\nclient_id=x\n"
    (tmp_path / "praw.ini").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("praw_site", "other")
    monkeypatch.setenv("praw_username", "someone")
    source = RedditSource("mine", "secret", ["Bitcoin"], received_at=lambda: NOW)
    config = source._reddit.config
    assert (config.client_id, config.oauth_url, config.username) == ("mine", "https://oauth.reddit.com", None)
    assert source._reddit.read_only


class _Recorded(requests.adapters.HTTPAdapter):
    """Answers every request with a recorded body."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self._body = json.dumps(body).encode()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, str(request.url)
        is_token = "access_token" in str(request.url)
        token = {"access_token": "t", "expires_in": 3600, "scope": "*", "token_type": "bearer"}
        response._content = json.dumps(token).encode() if is_token else self._body
        return response


def _load(relative: str) -> Any:
    return json.loads(need(f"api_payloads/{relative}").read_text(encoding="utf-8"))


@pytest.mark.data
def test_a_recorded_answer_of_x_is_read() -> None:
    body = _load("x_api_v2/test_client_search_recent_tweets.json")[0]["body"]
    for post in body["data"]:  # the recording did not ask for created_at; its texts begin with that time
        post["created_at"] = post["text"][:10] + "T" + post["text"][11:23] + "Z"
    body["meta"].pop("next_token")
    source = XSource("t", "Tweepy", received_at=lambda: datetime(2022, 10, 7, 22, 43, 19, tzinfo=UTC))
    source._client.session.mount("https://", _Recorded(body))
    fetched = source.fetch_posts(datetime(2022, 10, 7, 22, 30, tzinfo=UTC), datetime(2022, 10, 8, tzinfo=UTC))
    assert len(fetched) == 7
    assert fetched["post_id"].is_monotonic_increasing
    assert fetched["text"].iloc[-1] == "2022-10-07 22:42:12.637103 tweepy"


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "count"), [("TestSubredditListings.test_new", 100), ("TestListingGenerator.test_no_items", 0)]
)
def test_a_recorded_listing_of_reddit_is_read(file: str, count: int) -> None:
    exchanges = _load(f"reddit/{file}.json")
    body = next(one["body"] for one in exchanges if one["method"] == "GET" and one["body"].get("kind") == "Listing")
    body["data"]["after"] = None
    source = RedditSource("i", "s", ["AskReddit"], received_at=lambda: datetime(2016, 3, 2, tzinfo=UTC))
    source._reddit._core.requestor._http.mount("https://", _Recorded(body))
    fetched = source.fetch_posts(datetime(2016, 1, 1, tzinfo=UTC), datetime(2016, 3, 2, tzinfo=UTC))
    assert len(fetched) == count
    assert set(fetched["channel"]) <= {"AskReddit"}
    assert fetched["title"].str.len().gt(0).all()


@pytest.mark.data
def test_a_recorded_answer_of_newsapi_is_read() -> None:
    body = _load("newsapi/everything_bitcoin_2020-08-09.json")
    source = NewsSource("k", "bitcoin", received_at=lambda: datetime(2020, 8, 9, 8, tzinfo=UTC))
    source._client.request_method.mount("https://", _Recorded(body))
    fetched = source.fetch_posts(datetime(2020, 8, 1, tzinfo=UTC), datetime(2020, 8, 10, tzinfo=UTC))
    assert len(fetched) == 20
    assert fetched["event_time"].is_monotonic_increasing
    assert fetched["post_id"].str.startswith("http").all()
    assert not fetched["text"].str.contains(r"\[\+\d+ chars\]").any()


def test_cut_off_content_stands_in_for_a_missing_description() -> None:
    article = {"publishedAt": "2020-08-09T07:00:00Z", "url": "u", "description": None, "content": "So far… [+12 chars]"}
    row = newsapi_source._row(article, 0)
    assert (row.text, row.title, row.channel) == ("So far…", "", "")


def test_a_long_post_of_x_is_read_in_full_and_unescaped() -> None:
    post = {"id": 1, "text": "cut…", "note_tweet": {"text": "a &amp; b"}, "created_at": "2021-01-01T00:00:00.000Z"}
    assert x_tweepy._row(post, 0).text == "a & b"


def test_what_reddit_took_away_is_no_text() -> None:
    post = {"id": "a", "subreddit": "r", "created_utc": 1.0, "selftext": "[removed]", "title": "t"}
    assert reddit_praw._row(post, 0).text == ""
