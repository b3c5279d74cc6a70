"""Sources of one venue, made from its settings."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tidemill.adapters.clocks import WallClock
from tidemill.domain.budgets import BudgetRule
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import split_instrument_id
from tidemill.domain.market_events import MarketEventKind
from tidemill.ports import Clock, MarketEventSource, MarketSource, MarketStream, RateBudgets
from tidemill.settings import MarketSettings, Settings

SHARES_PER_MINUTE = {"yfinance": (60.0, 5.0), "alpha_vantage": (5.0, 1.0)}
"""Requests a minute and at once, unless set otherwise: Yahoo tells no limit, Alpha Vantage's free key has five."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketParts:
    """What the sources of a process share."""

    settings: Settings
    market_clock: Clock
    budgets: RateBudgets
    keep_payload: Any
    keep_payloads: Any
    wall_clock: Clock = field(default_factory=WallClock)


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


def build_access(market: MarketSettings, parts: MarketParts) -> Any:
    """How the sources of a venue reach it: its kind, the shared pace, and how patiently."""
    from tidemill.adapters.ccxt.calls import Patience
    from tidemill.adapters.ccxt.client import MarketAccess, SharedPace

    told, unpaced = market.budget_per_minute, _is_unpaced(market)
    rule = None if told is None or unpaced else BudgetRule(per_second=told / 60)
    pace = SharedPace(budgets=parts.budgets, owner=f"{os.getpid()}", clock=parts.wall_clock, rule=rule)
    # in a replay time stands still, and a venue that is down stays down until it is moved
    patience = Patience(tries=1 if parts.settings.mode == "replay" else parts.settings.ingest.tries)
    return MarketAccess(kind=market.kind, pace=None if unpaced else pace, patience=patience)


def build_market_source(market: MarketSettings, parts: MarketParts) -> MarketSource:
    """Where bars of a venue come from."""
    keep = partial(_keep_bars, parts.keep_payloads)
    if market.source == "ccxt":
        from tidemill.adapters.ccxt.market import CcxtMarket

        return CcxtMarket(
            market.exchange,
            venue=market.name,
            rest_url=market.rest_url,
            market_clock=parts.market_clock,
            assumed_delay_seconds=1.0 if parts.settings.mode == "replay" else None,
            on_payloads=keep,
            access=build_access(market, parts),
        )
    source: MarketSource = build_equities(market, parts)
    return source


def build_equities(market: MarketSettings, parts: MarketParts) -> Any:
    """A source of shares: of their bars, splits and dividends."""
    budget = _share_budget(market, parts)

    def keep(request: str, body: bytes) -> None:
        names = {split_instrument_id(name)[0]: name for name in market.instruments}
        parts.keep_payload(f"bars {names[request.rpartition(' ')[2]]}", request, body)

    if market.source == "alpha_vantage":
        from tidemill.adapters.equities.alpha_vantage import AlphaVantageBars

        key = os.environ.get(market.key_variable, "")
        return AlphaVantageBars(
            key,
            market.instruments,
            market_clock=parts.market_clock,
            base_url=market.rest_url,
            on_payload=keep,
            budget=budget,
        )
    from tidemill.adapters.equities.yfinance import YfinanceBars

    return YfinanceBars(
        market.instruments,
        market_clock=parts.market_clock,
        base_url=market.rest_url,
        cache=parts.settings.home / "yfinance",
        on_payload=keep,
        budget=budget,
    )


def _share_budget(market: MarketSettings, parts: MarketParts) -> Any:
    """What all processes together may ask a source of shares, whichever of its markets they keep."""
    from tidemill.adapters.pacing import BlockingBudget

    if _is_unpaced(market):
        return None
    told = market.budget_per_minute
    per_minute, burst = (told, 1.0) if told is not None else SHARES_PER_MINUTE[market.source]
    rule = BudgetRule(per_second=per_minute / 60, burst=burst)
    owner, clock = f"{os.getpid()}", parts.wall_clock
    return BlockingBudget(parts.budgets, market.source, rule, owner=owner, clock=clock, sleep=time.sleep)


def _is_unpaced(market: MarketSettings) -> bool:
    """What comes from a venue of our own on loopback needs no pace, unless one is set."""
    return market.budget_per_minute == 0 or (market.budget_per_minute is None and bool(market.rest_url))


def build_record_source(market: MarketSettings, parts: MarketParts) -> MarketEventSource:
    """Where trades, books, funding, open interest, splits and dividends of a venue come from."""
    keep = parts.keep_payload
    if market.source == "ccxt":
        from tidemill.adapters.ccxt.market_events import CcxtMarketEvents

        return CcxtMarketEvents(
            market.exchange,
            venue=market.name,
            rest_url=market.rest_url,
            market_clock=parts.market_clock,
            on_payload=lambda request, body: keep(request.rpartition(" from ")[0] or request, request, body),
            access=build_access(market, parts),
        )
    source: MarketEventSource = build_equities(market, parts)
    return source


def build_stream(market: MarketSettings, parts: MarketParts) -> MarketStream:
    """The stream of a venue; ConfigurationError when its source has none."""
    if market.source != "ccxt":
        raise ConfigurationError(f"{market.name} has no stream: {market.source} gives bars on request only")
    from tidemill.adapters.ccxt.stream import CcxtStream

    return CcxtStream(
        market.exchange,
        venue=market.name,
        rest_url=market.rest_url,
        ws_url=market.ws_url,
        market_clock=parts.market_clock,
        trades=MarketEventKind.TRADES in market.records,
        on_payloads=partial(_keep_told, parts.keep_payloads),
        access=build_access(market, parts),
    )


def _keep_told(keep: Any, told: Sequence[tuple[str, bytes]]) -> None:
    keep([(request.removesuffix(" by stream"), request, body) for request, body in told])


def _keep_bars(keep: Any, answers: Sequence[tuple[str, bytes]]) -> None:
    keep([(f"bars {request.split(maxsplit=1)[0]}", request, body) for request, body in answers])
