"""Sources of bars, market events and posts, made from the settings of their venue or text source."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from tidemill.adapters.clocks import WallClock
from tidemill.adapters.pacing import BlockingBudget
from tidemill.bootstrap.stores import Clocks, Stores
from tidemill.domain.budgets import BudgetRule
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import split_instrument_id
from tidemill.domain.market_events import MarketEventKind
from tidemill.ports import MarketEventSource, MarketSource, MarketStream, PostSource
from tidemill.settings import MarketSettings, Settings
from tidemill.venue.live import LiveSource

if TYPE_CHECKING:
    from tidemill.adapters.ccxt.client import MarketAccess
    from tidemill.adapters.equities.alpha_vantage import AlphaVantageBars
    from tidemill.adapters.equities.yfinance import YfinanceBars

KeepPayloads = Callable[[Sequence[tuple[str, str, bytes]]], None]
SHARES_PER_MINUTE = {"yfinance": (60.0, 5.0), "alpha_vantage": (5.0, 1.0)}
"""Requests a minute and at once, unless set otherwise: Yahoo tells no limit, Alpha Vantage's free key has five."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceParts:
    """What the sources of a process share."""

    settings: Settings
    clocks: Clocks
    stores: Stores


def describe_venue(settings: Settings) -> MarketSettings:
    """The venue that takes the orders as one more place that market data come from."""
    venue, ingest = settings.venue, settings.ingest
    return MarketSettings(
        name=venue.name,
        exchange=venue.exchange,
        instruments=settings.universe,
        timeframes=tuple(dict.fromkeys((settings.timeframe, *ingest.timeframes))),
        calendar=settings.calendar,
        records=ingest.records,
        rest_url=venue.rest_url,
        ws_url=venue.ws_url,
        budget_per_minute=venue.budget_per_minute,
    )


def build_access(market: MarketSettings, parts: SourceParts) -> MarketAccess:
    """How the sources of a venue reach it: its kind, the shared pace, and how patiently."""
    from tidemill.adapters.ccxt.calls import Patience
    from tidemill.adapters.ccxt.client import MarketAccess, SharedPace

    per_minute, unpaced = market.budget_per_minute, _is_unpaced(market)
    rule = None if per_minute is None or unpaced else BudgetRule(per_second=per_minute / 60)
    pace = SharedPace(budgets=parts.stores.budgets, owner=f"{os.getpid()}", clock=parts.clocks.wall, rule=rule)
    # in a replay time stands still, and a venue that is down stays down until it is moved
    patience = Patience(tries=1 if parts.settings.mode == "replay" else parts.settings.ingest.tries)
    return MarketAccess(kind=market.kind, pace=None if unpaced else pace, patience=patience)


def build_market_source(market: MarketSettings, parts: SourceParts) -> MarketSource:
    """Where bars of a venue come from."""
    if market.source == "ccxt":
        from tidemill.adapters.ccxt.market import CcxtMarket

        return CcxtMarket(
            market.exchange,
            venue=market.name,
            rest_url=market.rest_url,
            market_clock=parts.clocks.market,
            assumed_delay_seconds=1.0 if parts.settings.mode == "replay" else None,
            on_payloads=partial(_keep_bars, parts.stores.keep_payloads),
            access=build_access(market, parts),
        )
    return _build_equities(market, parts)


def _build_equities(market: MarketSettings, parts: SourceParts) -> AlphaVantageBars | YfinanceBars:
    """A source of shares: of their bars, splits and dividends."""
    budget = _share_budget(market, parts)

    def keep(request: str, body: bytes) -> None:
        names = {split_instrument_id(name)[0]: name for name in market.instruments}
        parts.stores.keep_payload(f"bars {names[request.rpartition(' ')[2]]}", request, body)

    if market.source == "alpha_vantage":
        from tidemill.adapters.equities.alpha_vantage import AlphaVantageBars

        key = os.environ.get(market.key_variable, "")
        return AlphaVantageBars(
            key,
            market.instruments,
            market_clock=parts.clocks.market,
            base_url=market.rest_url,
            on_payload=keep,
            budget=budget,
        )
    from tidemill.adapters.equities.yfinance import YfinanceBars

    return YfinanceBars(
        market.instruments,
        market_clock=parts.clocks.market,
        base_url=market.rest_url,
        cache=parts.settings.home / "yfinance",
        on_payload=keep,
        budget=budget,
    )


def _share_budget(market: MarketSettings, parts: SourceParts) -> BlockingBudget | None:
    """What all processes together may ask a source of shares, whichever of its markets they keep."""
    if _is_unpaced(market):
        return None
    per_minute, burst = SHARES_PER_MINUTE[market.source]
    if market.budget_per_minute is not None:
        per_minute, burst = market.budget_per_minute, 1.0
    rule = BudgetRule(per_second=per_minute / 60, burst=burst)
    owner, clock = f"{os.getpid()}", parts.clocks.wall
    return BlockingBudget(parts.stores.budgets, market.source, rule, owner=owner, clock=clock, sleep=time.sleep)


def _is_unpaced(market: MarketSettings) -> bool:
    """What comes from a venue of our own on loopback needs no pace, unless one is set."""
    return market.budget_per_minute == 0 or (market.budget_per_minute is None and bool(market.rest_url))


def build_event_source(market: MarketSettings, parts: SourceParts) -> MarketEventSource:
    """Where trades, books, funding, open interest, splits and dividends of a venue come from."""
    keep = parts.stores.keep_payload
    if market.source == "ccxt":
        from tidemill.adapters.ccxt.market_events import CcxtMarketEvents

        return CcxtMarketEvents(
            market.exchange,
            venue=market.name,
            rest_url=market.rest_url,
            market_clock=parts.clocks.market,
            on_payload=lambda request, body: keep(request.rpartition(" from ")[0] or request, request, body),
            access=build_access(market, parts),
        )
    return _build_equities(market, parts)


def build_stream(market: MarketSettings, parts: SourceParts) -> MarketStream:
    """The stream of a venue; ConfigurationError when its source has none."""
    if market.source != "ccxt":
        raise ConfigurationError(f"{market.name} has no stream: {market.source} gives bars on request only")
    from tidemill.adapters.ccxt.stream import CcxtStream

    return CcxtStream(
        market.exchange,
        venue=market.name,
        rest_url=market.rest_url,
        ws_url=market.ws_url,
        market_clock=parts.clocks.market,
        trades=MarketEventKind.TRADES in market.records,
        on_payloads=partial(_keep_streamed, parts.stores.keep_payloads),
        access=build_access(market, parts),
    )


def _keep_streamed(keep: KeepPayloads, messages: Sequence[tuple[str, bytes]]) -> None:
    keep([(request.removesuffix(" by stream"), request, body) for request, body in messages])


def _keep_bars(keep: KeepPayloads, answers: Sequence[tuple[str, bytes]]) -> None:
    keep([(f"bars {request.split(maxsplit=1)[0]}", request, body) for request, body in answers])


def build_live_market(exchange: str, venue: str, rest_url: str = "") -> LiveSource:
    """Public market data of an exchange, as the paper venue on live data needs it; no key.

    ``rest_url`` takes the place of the exchange's own URLs.
    """
    from tidemill.adapters.ccxt.market import CcxtMarket

    return CcxtMarket(exchange, venue=venue, rest_url=rest_url, market_clock=WallClock())


def build_post_sources(parts: SourceParts) -> tuple[PostSource, ...]:
    """X, Reddit and NewsAPI, each as far as its key is set."""
    settings, keep = parts.settings, parts.stores.keep_payload
    sources: list[PostSource] = []
    if token := settings.x.bearer_token.get_secret_value():
        from tidemill.adapters.posts.x import XSource

        x, on_payload = settings.x, partial(keep, "posts x")
        sources.append(XSource(token, x.query, base_url=x.base_url, on_payload=on_payload, **_receipt(parts)))
    if settings.reddit.client_id:
        from tidemill.adapters.posts.reddit import RedditSource

        reddit, on_payload = settings.reddit, partial(keep, "posts reddit")
        access = (reddit.client_id, reddit.client_secret.get_secret_value(), reddit.subreddits)
        sources.append(RedditSource(*access, base_url=reddit.base_url, on_payload=on_payload, **_receipt(parts)))
    if api_key := settings.news.api_key.get_secret_value():
        from tidemill.adapters.posts.newsapi import NewsSource

        newsapi, on_payload = settings.news, partial(keep, "posts news")
        sources.append(
            NewsSource(api_key, newsapi.query, base_url=newsapi.base_url, on_payload=on_payload, **_receipt(parts))
        )
    return tuple(sources)


class _Receipt(TypedDict):
    """When a text source says that it got a post."""

    received_at: Callable[[], datetime]
    assumed_delay_seconds: float | None


def _receipt(parts: SourceParts) -> _Receipt:
    """In a replay the recorded post is had at once; live, each source assumes its own delay."""
    replayed = parts.settings.mode == "replay"
    return _Receipt(received_at=parts.clocks.market.now, assumed_delay_seconds=0.0 if replayed else None)
