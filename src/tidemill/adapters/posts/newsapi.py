"""NewsAPI through newsapi-python: articles that match a query."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import requests

from tidemill.adapters.posts._frames import PostFrames, PostRow, ceil_second, floor_second
from tidemill.adapters.posts._session import MESSAGE_LENGTH, OnPayload, open_session, unwrap
from tidemill.domain.errors import ConfigurationError, DataError, TidemillError, TransientError
from tidemill.domain.market import from_micros, parse_time, to_micros

log = logging.getLogger(__name__)

KEY_SETTING, QUERY_SETTING = "TIDEMILL_NEWS__API_KEY", "TIDEMILL_NEWS__QUERY"
PAGE, MOST_PAGES = 100, 100
SECOND = timedelta(seconds=1)
CUT_OFF = re.compile(r"… \[\+\d+ chars\]$")
SPENT = frozenset({"rateLimited", "apiKeyExhausted"})
REFUSED = frozenset({"apiKeyInvalid", "apiKeyMissing", "apiKeyDisabled"})


class NewsSource:
    """Articles that match ``query``; ``received_at`` tells the market clock.

    An article's id is its address, its channel the outlet, its text the description. The free plan ends
    every search after 100 results, so a further page is asked for as a search that ends earlier.
    """

    def __init__(
        self,
        api_key: str,
        query: str,
        base_url: str = "",
        *,
        received_at: Callable[[], datetime],
        assumed_delay_seconds: float | None = None,
        language: str = "en",
        on_payload: OnPayload | None = None,
    ) -> None:
        from newsapi import NewsApiClient

        if not api_key:
            raise ConfigurationError(f"NewsAPI needs a key; set {KEY_SETTING}")
        if not query:
            raise ConfigurationError(f"NewsAPI needs something to search for; set {QUERY_SETTING}")
        self._query, self._language, self._received_at = query, language, received_at
        self._frames = PostFrames(source="news", assumed_delay_seconds=assumed_delay_seconds)
        self._client = NewsApiClient(api_key, session=open_session("NewsAPI", base_url, on_payload))

    @property
    def source(self) -> str:
        """``news``."""
        return "news"

    def fetch_posts(self, start: datetime, end: datetime) -> pd.DataFrame:
        """POSTS with ``start`` <= event_time < ``end``, ascending; may be empty."""
        rows: list[PostRow] = []
        first, last = floor_second(start), ceil_second(end)
        for _ in range(MOST_PAGES):
            page = self._ask(first, last)
            rows += page
            last = _next_end(page, last) if len(page) >= PAGE else first - SECOND
            if last < first:
                return self._frames.build(rows, start, end)
        raise ConfigurationError(f"NewsAPI has over {len(rows):,} articles for '{self._query}'; narrow {QUERY_SETTING}")

    def _ask(self, first: datetime, last: datetime) -> Sequence[PostRow]:
        from newsapi.newsapi_exception import NewsAPIException

        try:
            answer = self._client.get_everything(
                q=self._query,
                from_param=first.strftime("%Y-%m-%dT%H:%M:%S"),
                to=last.strftime("%Y-%m-%dT%H:%M:%S"),
                language=self._language,
                sort_by="publishedAt",
                page_size=PAGE,
            )
        except NewsAPIException as error:
            raise _refusal(error.get_exception()) from None
        except requests.exceptions.JSONDecodeError as error:
            raise unwrap(error, "NewsAPI") from None
        received = to_micros(self._received_at())
        return [_row(article, received) for article in answer["articles"]]


def _next_end(page: Sequence[PostRow], last: datetime) -> datetime:
    """Where a search for what is older than this page must end; ``to`` is inclusive, in whole seconds."""
    oldest = floor_second(from_micros(min(row.created for row in page)))
    if oldest < last:
        return oldest
    log.warning("NewsAPI has %d articles or more of %s; those beyond cannot be read", PAGE, oldest.isoformat())
    return last - SECOND


def _refusal(answer: Mapping[str, Any]) -> TidemillError:
    code, message = answer.get("code", ""), str(answer.get("message", ""))[:MESSAGE_LENGTH]
    if code in SPENT:
        return TransientError("NewsAPI is out of quota")
    if code in REFUSED:
        return ConfigurationError(f"NewsAPI refused the key ({code}); correct {KEY_SETTING}")
    return ConfigurationError(f"NewsAPI refused the search ({code}): {message}; correct {QUERY_SETTING} or the plan")


def _row(article: Mapping[str, Any], received: int) -> PostRow:
    try:
        created = to_micros(parse_time(article["publishedAt"], "publishedAt"))
        text = article.get("description") or CUT_OFF.sub("…", article.get("content") or "")
        outlet = (article.get("source") or {}).get("name") or ""
        return PostRow(article["url"] or "", outlet, created, received, article.get("title") or "", text)
    except KeyError as error:
        raise DataError(f"NewsAPI sent an article without {error}; the answer cannot be used") from None
