"""X through tweepy: recent search, which keeps seven days and costs money per post read."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import requests

from tidemill.adapters.posts._frames import PostFrames, PostRow, ceil_second, floor_second
from tidemill.adapters.posts._session import MESSAGE_LENGTH, OnPayload, open_session, unwrap
from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.domain.market import format_time, parse_time, to_micros

log = logging.getLogger(__name__)

TOKEN_SETTING, QUERY_SETTING = "TIDEMILL_X__BEARER_TOKEN", "TIDEMILL_X__QUERY"
PAGE = 100
# X searches from 7 days to 10 seconds back; the margins allow for clocks that differ and for the way there.
SEARCHED = timedelta(days=7) - timedelta(seconds=60)
SETTLING = timedelta(seconds=12)
FIELDS = ["created_at", "note_tweet"]


class XSource:
    """Posts of X that match ``query``.

    ``received_at`` tells the market clock. ``most_posts`` ends a fetch that would read more than that
    many posts, each of which X charges for. X has no channels: a post's channel is ``x``.
    """

    def __init__(
        self,
        bearer_token: str,
        query: str,
        base_url: str = "",
        *,
        received_at: Callable[[], datetime],
        assumed_delay_seconds: float | None = None,
        most_posts: int = 5_000,
        on_payload: OnPayload | None = None,
    ) -> None:
        import tweepy

        if not bearer_token:
            raise ConfigurationError(f"X needs a bearer token; set {TOKEN_SETTING}")
        if not query:
            raise ConfigurationError(f"X needs something to search for; set {QUERY_SETTING}")
        self._query, self._received_at, self._most_posts = query, received_at, most_posts
        self._frames = PostFrames(source="x", assumed_delay_seconds=assumed_delay_seconds)
        # tweepy writes its own headers to the debug log, so the token is put in behind its back.
        self._client = tweepy.Client("kept by the session", return_type=dict, wait_on_rate_limit=False)
        self._client.session = open_session("X", base_url, on_payload)
        self._client.session.auth = _BearerToken(bearer_token)
        self._errors = tweepy.errors

    @property
    def source(self) -> str:
        """``x``."""
        return "x"

    def fetch_posts(self, start: datetime, end: datetime) -> pd.DataFrame:
        """POSTS with ``start`` <= event_time < ``end``, ascending; may be empty.

        What X no longer or not yet searches (7 days, 10 seconds back) is left out.
        """
        now = self._received_at()
        first, last = floor_second(start), min(ceil_second(end), floor_second(now - SETTLING))
        window = {"start_time": format_time(first), "end_time": format_time(last)}
        if first < now - SEARCHED:
            log.info("X searches seven days back; posts from %s on may be missing", format_time(first))
            del window["start_time"]  # X then begins as early as it can
            first = now - SEARCHED
        rows = self._read_pages(window) if first < last else []
        return self._frames.build(rows, start, end)

    def _read_pages(self, window: dict[str, str]) -> list[PostRow]:
        rows: list[PostRow] = []
        token: str | None = None
        for _ in range(-(-self._most_posts // PAGE)):
            answer = self._ask(window, token)
            received = to_micros(self._received_at())
            rows += [_row(post, received) for post in answer.get("data", ())]
            token = answer.get("meta", {}).get("next_token")
            if token is None:
                return rows
        raise ConfigurationError(
            f"X has more than {self._most_posts:,} posts for '{self._query}'; narrow {QUERY_SETTING}"
        )

    def _ask(self, window: dict[str, str], token: str | None) -> Mapping[str, Any]:
        errors = self._errors
        try:
            answer = self._client.search_recent_tweets(
                self._query, max_results=PAGE, next_token=token, tweet_fields=FIELDS, **window
            )
        except errors.Unauthorized:
            raise ConfigurationError(f"X refused the bearer token; correct {TOKEN_SETTING}") from None
        except errors.BadRequest as error:
            raise ConfigurationError(
                f"X cannot search for '{self._query}': {_answer_text(error)}; correct {QUERY_SETTING}"
            ) from None
        except errors.HTTPException as error:
            raise ConfigurationError(
                f"X does not let {TOKEN_SETTING} search recent posts: {_answer_text(error)}"
            ) from None
        except requests.exceptions.JSONDecodeError as error:
            raise unwrap(error, "X") from None
        return dict(answer)


class _BearerToken(requests.auth.AuthBase):
    """Puts the token on each request."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _row(post: Mapping[str, Any], received: int) -> PostRow:
    try:
        text = post.get("note_tweet", {}).get("text") or post["text"]
        created = to_micros(parse_time(post["created_at"], "created_at"))
        return PostRow(str(post["id"]), "x", created, received, "", html.unescape(text))
    except KeyError as error:
        raise DataError(f"X sent a post without {error}; the answer cannot be used") from None


def _answer_text(error: Exception) -> str:
    return " ".join(str(error).split())[:MESSAGE_LENGTH]
