"""X API v2: GET /2/tweets/search/recent, the posts of the last seven days, newest first.

Parameters, limits and errors follow the page "Search recent Posts" of X's API documentation: ``max_results`` from 10 to
100, a window of seven days that ends at least ten seconds ago, and ``next_token`` for the next page.
"""

from __future__ import annotations

import html
import math
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

import numpy as np
from aiohttp import web

from tidemill.domain.errors import DataError
from tidemill.domain.market import parse_time
from tidemill.doubles.shelf import RecordedPost, Shelf
from tidemill.doubles.site import Now, Quota, QuotaState, Site, json_answer, unavailable_page

MAX_AGE = timedelta(days=7)
LEAST_AGE = timedelta(seconds=10)
DEFAULT_AGE = timedelta(seconds=30)
SHORT_TEXT = 280
METRICS = ("retweet_count", "reply_count", "like_count", "quote_count", "bookmark_count", "impression_count")


class XSite(Site):
    """Recent search with a bearer token. Nobody has liked a post yet: its metrics are 0.

    ``author_id`` is made from the channel's name, so it is the same in every run. A text longer than 280 characters is
    cut, and whole in ``note_tweet`` when that field is asked for.
    """

    def __init__(self, shelf: Shelf, market_now: Now, quota: Quota, *, bearer_token: str) -> None:
        super().__init__(shelf, market_now, quota)
        self._expected = f"Bearer {bearer_token}"

    def routes(self) -> list[web.RouteDef]:
        """The one address."""
        return [web.get("/2/tweets/search/recent", self.guarded(self._search))]

    def refuse(self, status: int, seconds: float | None) -> web.Response:
        """429 tells the end of its window in the rate limit headers; what is worse comes as a page."""
        if status != 429:
            return unavailable_page(status, seconds)
        body = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}
        state = self.quota.peek()
        # X names the moment at which the window ends, not a number of seconds to wait.
        reset = state.reset_at if seconds is None else state.reset_at - state.seconds_left + seconds
        headers = {
            "x-rate-limit-limit": str(state.limit),
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": str(math.ceil(reset)),
        }
        return json_answer(body, 429, headers)

    def is_authorized(self, request: web.Request) -> web.Response | None:
        """Compare the bearer token."""
        authorization = request.headers.get("Authorization", "")
        if compare_digest(authorization.encode(), self._expected.encode()):
            return None
        body = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
        return json_answer(body, 401)

    def quota_headers(self, state: QuotaState) -> dict[str, str]:
        """Limit, rest, and when the window ends."""
        return {
            "x-rate-limit-limit": str(state.limit),
            "x-rate-limit-remaining": str(state.remaining),
            "x-rate-limit-reset": str(state.reset_at),
        }

    def _search(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            matches = self._find(query.get("query", ""), *self._window(query), query.get("since_id"))
            size = _size(query.get("max_results", "10"))
            beyond = _position(query["next_token"]) if "next_token" in query else len(self.shelf.times)
        except (DataError, ValueError) as error:
            return _invalid(str(error), dict(query))
        # The token names the last post of the page before; posts that came meanwhile do not shift the pages.
        older = matches[: np.searchsorted(matches, beyond)]
        page = older[::-1][:size]
        fields = set(query.get("tweet.fields", "").split(","))
        return json_answer(_answer([self.shelf.read(int(at)) for at in page], page, len(older) > size, fields))

    def _find(self, query: str, start: datetime, end: datetime, since_id: str | None) -> np.ndarray:
        if not query:
            raise DataError("query is required")
        matches = self.shelf.between(self.shelf.matching(query), start, end)
        if since_id is None:
            return matches
        since = self.shelf.position(since_id)
        if since is None:
            raise DataError(f"since_id '{since_id}' is no post of the last seven days")
        return matches[np.searchsorted(matches, since, side="right") :]

    def _window(self, query: Mapping[str, str]) -> tuple[datetime, datetime]:
        now = self.market_now()
        oldest, newest = now - MAX_AGE, now - LEAST_AGE
        start, end = oldest, now - DEFAULT_AGE
        if "end_time" in query:
            end = parse_time(query["end_time"], "end_time")
        if "start_time" in query and "since_id" not in query:  # since_id wins over start_time
            start = parse_time(query["start_time"], "start_time")
        if start < oldest:
            raise DataError(f"start_time must be on or after {oldest.isoformat()}")
        if end > newest:
            raise DataError("end_time must be a minimum of 10 seconds prior to the request time")
        if start >= end:
            raise DataError("end_time must be after start_time")
        return start, end


def _size(text: str) -> int:
    size = int(text)
    if not 10 <= size <= 100:
        raise DataError(f"max_results {size} is not between 10 and 100")
    return size


def _token(position: int) -> str:
    return f"b26v89c19zqg8o3f{position:x}"


def _position(token: str) -> int:
    prefix = _token(0)[:-1]
    if not token.startswith(prefix):
        raise DataError(f"next_token '{token}' is not one of ours")
    return int(token.removeprefix(prefix), 16)


def _invalid(message: str, parameters: dict[str, str]) -> web.Response:
    listed = {name: [value] for name, value in parameters.items()}
    body = {
        "errors": [{"parameters": listed, "message": message}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": "https://api.twitter.com/2/problems/invalid-request",
    }
    return json_answer(body, 400)


def _answer(posts: list[RecordedPost], page: np.ndarray, more: bool, fields: set[str]) -> dict[str, Any]:
    if not posts:
        return {"meta": {"result_count": 0}}
    meta: dict[str, Any] = {
        "newest_id": posts[0].post_id,
        "oldest_id": posts[-1].post_id,
        "result_count": len(posts),
    }
    if more:
        meta["next_token"] = _token(int(page[-1]))
    return {"data": [_tweet(post, fields) for post in posts], "meta": meta}


def _tweet(post: RecordedPost, fields: set[str]) -> dict[str, Any]:
    full = html.escape(f"{post.title}\n{post.text}" if post.title else post.text, quote=False)
    short = full if len(full) <= SHORT_TEXT else full[: SHORT_TEXT - 1] + "…"
    optional: dict[str, Any] = {
        "created_at": post.created_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "author_id": str(zlib.crc32(post.channel.encode())),
        "lang": "en",
        "public_metrics": dict.fromkeys(METRICS, 0),
    }
    if short != full:
        optional["note_tweet"] = {"text": full}
    fields_sent = {name: value for name, value in optional.items() if name in fields}
    return {"id": post.post_id, "text": short, "edit_history_tweet_ids": [post.post_id], **fields_sent}
