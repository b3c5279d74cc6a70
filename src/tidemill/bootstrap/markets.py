"""Market data and posts: where they come from, of which instruments, and in which groups series are judged."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import get_args

from tidemill.bootstrap.market_sources import (
    SourceParts,
    build_event_source,
    build_live_market,
    build_market_source,
    build_post_sources,
    build_stream,
    describe_venue,
)
from tidemill.bootstrap.stores import Clocks, Overrides, Stores, closed_by
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import Calendar, DecisionGrid, Instrument, split_instrument_id
from tidemill.domain.market_events import MarketEventKind
from tidemill.gap_repair import SeriesGroup
from tidemill.ingest import BarFeed, OfferRules, StreamPlan, VenueOffers
from tidemill.ports import MarketEventSource, MarketSource, MarketStream, PostSource
from tidemill.quality import OutlierRules
from tidemill.settings import MarketSettings, Settings
from tidemill.settings.policies import build_grid, build_outlier_rules, build_series


class Markets:
    """Everything that market data and posts are asked of, each part built when first asked for."""

    def __init__(
        self, settings: Settings, clocks: Clocks, stores: Stores, overrides: Overrides, stack: ExitStack
    ) -> None:
        self._settings, self._clocks, self._stores = settings, clocks, stores
        self._overrides, self._stack = overrides, stack

    @property
    def parts(self) -> SourceParts:
        """What the sources of all venues share."""
        return SourceParts(settings=self._settings, clocks=self._clocks, stores=self._stores)

    @cached_property
    def sources(self) -> MarketSources:
        """The sources of bars, market events and streams, by venue."""
        return MarketSources(self.parts, self._overrides, self._stack)

    @cached_property
    def offers(self) -> VenueOffers:
        """The instruments that each venue offers now."""
        settings = self._settings
        seconds = settings.ingest.max_clock_skew_seconds
        max_skew = None if settings.mode == "replay" else timedelta(seconds=seconds)
        clocks = OfferRules(market_clock=self._clocks.market, wall_clock=self._clocks.wall, max_skew=max_skew)
        return VenueOffers(self.sources.bars, clocks)

    @property
    def main_source(self) -> MarketSource:
        """Where bars of the venue that takes the orders come from."""
        return self.sources.bars(self._settings.venue.name)

    @cached_property
    def reference_source(self) -> MarketSource | None:
        """A second venue that repairs ask for evidence, if the settings name one."""
        exchange = self._settings.quality.witness
        return closed_by(self._stack, build_live_market(exchange, exchange.upper())) if exchange else None

    @cached_property
    def post_sources(self) -> tuple[PostSource, ...]:
        """The text sources that have keys."""
        return build_post_sources(self.parts)

    @cached_property
    def instruments(self) -> Mapping[str, Instrument]:
        """The universe with its trading rules, as the venue tells them; ConfigurationError names one it has not."""
        if self._overrides.instruments is not None:
            return self._overrides.instruments
        offered = {instrument.id: instrument for instrument in self.main_source.fetch_instruments()}
        missing = [name for name in self._settings.universe if name not in offered]
        if missing:
            examples = ", ".join(sorted(offered)[:8])
            raise ConfigurationError(
                f"instrument {missing[0]} is not traded at {self._settings.venue.name}; it offers {examples}"
            )
        return {name: offered[name] for name in self._settings.universe}

    @property
    def bases(self) -> tuple[str, ...]:
        """Base assets of the universe, which posts may name."""
        return tuple(dict.fromkeys(split_instrument_id(name)[0] for name in self._settings.universe))

    @cached_property
    def grid(self) -> DecisionGrid:
        """The legal values of as_of."""
        return self._overrides.grid or build_grid(self._settings)

    @property
    def history(self) -> timedelta:
        """How far back a first ingest reads."""
        return timedelta(days=self._settings.training.window_days)

    @cached_property
    def series(self) -> SeriesGroup:
        """The series of the universe, whose gaps are judged together."""
        return build_series(self._settings, self.grid)

    @cached_property
    def outlier_rules(self) -> OutlierRules:
        """When a possible bar is doubted."""
        return build_outlier_rules(self._settings)

    @property
    def groups(self) -> tuple[SeriesGroup, ...]:
        """The series to keep, by venue and timeframe, with their listings as they are recorded now."""
        now = self._clocks.market.now()
        statuses = self._stores.series_status.load_statuses()
        groups = build_groups(self.sources, self._settings, self.series, now, now - self.history)
        return tuple(group.listed(statuses) for group in groups)

    def bar_feed(self, venue: str) -> BarFeed:
        """Where bars of a venue come from and go, with the second venue that repairs ask for evidence."""
        return BarFeed(
            source=self.sources.bars(venue),
            store=self._stores.market,
            ledger=self._stores.gaps,
            reference_source=self.reference_source,
        )

    def stream_plan(self, venue: str, stream: MarketStream) -> StreamPlan:
        """What is followed of a venue: its first timeframe, the instruments that it offers, trades if they are kept."""
        group = next(group for group in self.groups if group.venue == venue)
        trades = MarketEventKind.TRADES in self.sources.described[venue].records
        return StreamPlan(
            stream=stream,
            feed=self.bar_feed(venue),
            clock=self._clocks.market,
            jobs=group.jobs(self.offers.need_any(group.names, group.timeframe)),
            history=self.history,
            market_events=self._stores.market_events if trades else None,
            trades=self.sources.market_events(venue) if trades else None,
        )


def build_groups(
    sources: MarketSources, settings: Settings, main: SeriesGroup, now: datetime, since: datetime
) -> tuple[SeriesGroup, ...]:
    """The series to keep by venue and timeframe, the one that is decided on first.

    Sessions of a calendar with a code are those that end between ``since`` and ``now``.
    """
    groups = [main]
    for market in sources.described.values():
        for timeframe in market.timeframes or (settings.timeframe,):
            if (market.name, timeframe) == (settings.venue.name, main.timeframe):
                continue
            sessions = main.sessions
            if market.calendar not in get_args(Calendar):
                sessions = sources.sessions(market.calendar, timeframe, since, now)
            group = replace(
                main,
                names=market.instruments,
                timeframe=timeframe,
                calendar="24x7" if market.calendar == "24x7" else "as-recorded",
                sessions=() if market.calendar == "24x7" else sessions,
            )
            groups.append(group)
    return tuple(group for group in groups if group.names)


class MarketSources:
    """The sources of every venue by its name, each built when first asked for and then kept."""

    def __init__(self, parts: SourceParts, overrides: Overrides, stack: ExitStack) -> None:
        self._parts, self._stack = parts, stack
        described = (describe_venue(parts.settings), *parts.settings.markets)
        self.described: Mapping[str, MarketSettings] = {market.name: market for market in described}
        if len(self.described) < len(described):
            raise ConfigurationError(
                f"a market is named {parts.settings.venue.name} as the venue that takes the orders"
            )
        self._bars: dict[str, MarketSource] = dict(overrides.sources)
        self._events: dict[str, MarketEventSource] = {}
        self._sessions: dict[tuple[str, str, date], tuple[datetime, ...]] = {}
        self._lock = threading.RLock()

    def bars(self, venue: str) -> MarketSource:
        """Where bars of ``venue`` come from."""
        with self._lock:
            if venue not in self._bars:
                self._bars[venue] = closed_by(self._stack, build_market_source(self.described[venue], self._parts))
            return self._bars[venue]

    def market_events(self, venue: str) -> MarketEventSource:
        """Where trades, books, funding and the like of ``venue`` come from."""
        with self._lock:
            if venue not in self._events:
                self._events[venue] = closed_by(self._stack, build_event_source(self.described[venue], self._parts))
            return self._events[venue]

    def stream(self, name: str) -> MarketStream:
        """A new stream of the venue ``name``; whoever asks closes it; ConfigurationError without such a market."""
        if name not in self.described:
            there = ", ".join(self.described)
            raise ConfigurationError(f"the settings have no market '{name}'; there are {there}")
        return build_stream(self.described[name], self._parts)

    def sessions(self, code: str, timeframe: str, since: datetime, now: datetime) -> tuple[datetime, ...]:
        """Open times that bars of an exchange's sessions have; looked up once a day."""
        from tidemill.adapters.equities.sessions import ExchangeSessions

        key = (code, timeframe, now.date())
        with self._lock:
            if key not in self._sessions:
                tomorrow = now + timedelta(days=1)
                self._sessions = {**self._sessions, key: ExchangeSessions(code).opens(timeframe, since, tomorrow)}
            return self._sessions[key]

    def recorded_events(self) -> list[tuple[str, str]]:
        """Pairs (kind, instrument) of the records to keep."""
        return [
            (kind, name) for market in self.described.values() for kind in market.records for name in market.instruments
        ]
