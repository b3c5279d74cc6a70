"""NewsAPI: GET /v2/everything, newest first.

Parameters, codes and the shape of an article are those of the pages "Everything" and "Errors" of NewsAPI's
documentation. Times are whole seconds, and a recorded article has no author and no picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

import numpy as np
from aiohttp import web

from tidemill.domain.errors import DataError
from tidemill.domain.market import EPOCH, parse_time
from tidemill.doubles.shelf import RecordedPost, Shelf
from tidemill.doubles.site import Now, Quota, QuotaState, Site, json_answer, unavailable_page

SECOND = timedelta(seconds=1)
MAX_PAGE = 100
SHORT_CONTENT = 200
ORDERS = frozenset({"publishedAt", "relevancy", "popularity"})
LANGUAGES = frozenset({"ar", "de", "en", "es", "fr", "he", "it", "nl", "no", "pt", "ru", "sv", "se", "ud", "zh"})


class NewsSite(Site):
    """Articles by keyword; a recorded article is English, and its recorded id stands in for its address.

    ``max_results`` is how far the plan lets pages go (100 on the free one).
    """

    def __init__(self, shelf: Shelf, market_now: Now, quota: Quota, *, api_key: str, max_results: int) -> None:
        super().__init__(shelf, market_now, quota)
        self._api_key, self._max_results = api_key, max_results

    def routes(self) -> list[web.RouteDef]:
        """The one address."""
        return [web.get("/v2/everything", self.guarded(self._search))]

    def refuse(self, status: int, seconds: float | None) -> web.Response:
        """429 in JSON with the code rateLimited; what is worse comes as a page."""
        if status != 429:
            return unavailable_page(status, seconds)
        refusal = _error(429, "rateLimited", "You have made too many requests recently.")
        if seconds is not None:
            refusal.headers["Retry-After"] = f"{seconds:.0f}"
        return refusal

    def is_authorized(self, request: web.Request) -> web.Response | None:
        """Compare the key, given in a header or as apiKey."""
        headers = request.headers
        api_key = headers.get("X-Api-Key") or headers.get("Authorization") or request.query.get("apiKey", "")
        if not api_key:
            return _error(401, "apiKeyMissing", "Your API key is missing from the request.")
        # In constant time, as a real service does; the prefix is there when the key came as Authorization.
        if not compare_digest(api_key.removeprefix("Bearer ").encode(), self._api_key.encode()):
            return _error(401, "apiKeyInvalid", "Your API key is invalid or incorrect.")
        return None

    def quota_headers(self, state: QuotaState) -> dict[str, str]:
        """NewsAPI tells nothing."""
        del state
        return {}

    def _search(self, request: web.Request) -> web.Response:
        query = request.query
        if not query.get("q"):
            return _error(400, "parametersMissing", "Required parameters are missing, such as q.")
        try:
            matches = self._find(query)
            size, page = _number(query, "pageSize", 100, MAX_PAGE), _number(query, "page", 1, None)
        except (DataError, ValueError) as error:
            return _error(400, "parameterInvalid", str(error))
        # The first page is always there: the plan limits how deep a search goes, not whether it answers.
        if page > 1 and page * size > self._max_results:
            message = f"You are trying to request results {(page - 1) * size} to {page * size}."
            return _error(426, "maximumResultsReached", f"{message} Your plan allows {self._max_results}.")
        page_rows = matches[::-1][(page - 1) * size : page * size]
        articles = [_article(self.shelf.read(int(at))) for at in page_rows]
        return json_answer({"status": "ok", "totalResults": len(matches), "articles": articles})

    def _find(self, query: Mapping[str, str]) -> np.ndarray:
        now = self.market_now()
        if query.get("sortBy", "publishedAt") not in ORDERS:
            raise DataError(f"sortBy '{query['sortBy']}' is unknown")
        language = query.get("language", "en")
        if language not in LANGUAGES:
            raise DataError(f"language '{language}' is unknown")
        start = _moment(query["from"], "from") if "from" in query else EPOCH
        last = _moment(query["to"], "to", "T23:59:59") if "to" in query else now
        matches = self.shelf.matching(query["q"])
        # All recorded articles count as English, so another language finds none instead of being refused.
        if language != "en":
            return matches[:0]
        # Both ends are inclusive and count in whole seconds; nothing after the market clock exists.
        return self.shelf.between(matches, start, min(last + SECOND, now + timedelta(microseconds=1)))


def _moment(text: str, name: str, day_time: str = "T00:00:00") -> datetime:
    """A day or a time without zone, which NewsAPI takes as UTC."""
    whole = f"{text}{day_time}" if len(text) == len("2021-01-01") else text
    return parse_time(whole if whole.endswith("Z") else f"{whole}Z", name)


def _number(query: Mapping[str, str], name: str, default: int, maximum: int | None) -> int:
    number = int(query.get(name, default))
    if number < 1 or (maximum is not None and number > maximum):
        raise DataError(f"{name} {number} is out of range")
    return number


def _error(status: int, code: str, message: str) -> web.Response:
    return json_answer({"status": "error", "code": code, "message": message}, status)


def _article(post: RecordedPost) -> dict[str, Any]:
    beyond = len(post.text) - SHORT_CONTENT
    content = f"{post.text[:SHORT_CONTENT]}… [+{beyond} chars]" if beyond > 0 else post.text
    return {
        "source": {"id": None, "name": post.channel},
        "author": None,
        "title": post.title,
        "description": post.text or None,
        "url": post.post_id,
        "urlToImage": None,
        "publishedAt": post.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "content": content or None,
    }
