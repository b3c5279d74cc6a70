"""Sources outside: texts as far as they have keys, and live public prices."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tidemill.adapters.clocks import WallClock
from tidemill.ports import Clock, PostSource
from tidemill.settings import Settings
from tidemill.venue.live import LiveSource

RECORDED_POST_DELAY_SECONDS = 0.0
KeepPayload = Callable[[str, str, bytes], None]


def build_live_market(exchange: str, venue: str, rest_url: str = "") -> LiveSource:
    """Public market data of an exchange, as the paper venue on live data needs it; no key.

    ``rest_url`` takes the place of the exchange's own URLs.
    """
    from tidemill.adapters.ccxt.market import CcxtMarket

    return CcxtMarket(exchange, venue=venue, rest_url=rest_url, market_clock=WallClock())


def build_post_sources(settings: Settings, market_clock: Clock, keep: KeepPayload) -> tuple[PostSource, ...]:
    """X, Reddit and NewsAPI, each as far as its key is set."""
    delay = RECORDED_POST_DELAY_SECONDS if settings.mode == "replay" else None
    common: dict[str, Any] = {"received_at": market_clock.now, "assumed_delay_seconds": delay}
    sources: list[PostSource] = []
    if token := settings.x.bearer_token.get_secret_value():
        from tidemill.adapters.posts.x import XSource

        x = settings.x
        sources.append(XSource(token, x.query, base_url=x.base_url, on_payload=partial(keep, "posts x"), **common))
    if settings.reddit.client_id:
        from tidemill.adapters.posts.reddit import RedditSource

        reddit = settings.reddit
        secret, url = reddit.client_secret.get_secret_value(), reddit.base_url
        on_payload = partial(keep, "posts reddit")
        sources.append(
            RedditSource(reddit.client_id, secret, reddit.subreddits, base_url=url, on_payload=on_payload, **common)
        )
    if api_key := settings.news.api_key.get_secret_value():
        from tidemill.adapters.posts.newsapi import NewsSource

        news = settings.news
        on_payload = partial(keep, "posts news")
        sources.append(NewsSource(api_key, news.query, base_url=news.base_url, on_payload=on_payload, **common))
    return tuple(sources)
