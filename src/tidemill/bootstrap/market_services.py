"""Market data and posts: where they come from, of which instruments, and which series are kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from tidemill.bootstrap.base_services import BaseServices
from tidemill.bootstrap.market_sources import MarketParts, build_market_source, describe_venue
from tidemill.bootstrap.markets import Markets, build_groups
from tidemill.bootstrap.policies import build_outlier_rules, build_series
from tidemill.bootstrap.sources import build_live_market, build_post_sources
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import Instrument, split_instrument_id
from tidemill.domain.market_events import MarketEventKind
from tidemill.gap_repair import SeriesGroup
from tidemill.ingest import BarFeed, StreamPlan
from tidemill.ports import MarketSource, MarketStream, PostSource
from tidemill.quality import OutlierRules


class MarketServices(BaseServices):
    """Sources of bars, records and posts, each built when first asked for."""

    @cached_property
    def market_parts(self) -> MarketParts:
        """What the sources of all venues share."""
        return MarketParts(
            settings=self.settings,
            market_clock=self.market_clock,
            wall_clock=self.wall_clock,
            budgets=self.budgets,
            keep_payload=self.keep_payload,
            keep_payloads=self.keep_payloads,
        )

    @cached_property
    def market_source(self) -> MarketSource:
        """Where bars of the venue that takes the orders come from."""
        return build_market_source(describe_venue(self.settings), self.market_parts)

    @cached_property
    def markets(self) -> Markets:
        """Every venue that market data come from."""
        return Markets(self.market_parts, self.market_source)

    @cached_property
    def instruments(self) -> Mapping[str, Instrument]:
        """The universe with its trading rules, as the venue tells them."""
        offered = {one.id: one for one in self.market_source.fetch_instruments()}
        missing = [name for name in self.settings.universe if name not in offered]
        if missing:
            some = ", ".join(sorted(offered)[:8])
            raise ConfigurationError(
                f"instrument {missing[0]} is not traded at {self.settings.venue.name}; it offers {some}"
            )
        return {name: offered[name] for name in self.settings.universe}

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """Base assets of the universe, which posts may name."""
        return tuple(dict.fromkeys(split_instrument_id(name)[0] for name in self.settings.universe))

    @cached_property
    def series(self) -> SeriesGroup:
        """The series of the universe, whose gaps are judged together."""
        return build_series(self.settings, self.grid)

    @cached_property
    def outliers(self) -> OutlierRules:
        """When a possible bar is doubted."""
        return build_outlier_rules(self.settings)

    @property
    def groups(self) -> tuple[SeriesGroup, ...]:
        """The series to keep, by venue and timeframe, with their listings as they are known now."""
        now = self.market_clock.now()
        marks = self.marks.load_statuses()
        return tuple(one.listed(marks) for one in build_groups(self.markets, self.series, now, now - self.history))

    def bar_feed(self, venue: str) -> BarFeed:
        """Where bars of a venue come from and go, with the second venue that repairs ask for evidence."""
        return BarFeed(
            source=self.markets.source(venue),
            store=self.store,
            ledger=self.gaps,
            reference_source=self.reference_source,
        )

    def stream_plan(self, venue: str, stream: MarketStream) -> StreamPlan:
        """What is followed of a venue: its first timeframe, the instruments that it offers, trades if they are kept."""
        group = next(one for one in self.groups if one.venue == venue)
        trades = MarketEventKind.TRADES in self.markets.described[venue].records
        return StreamPlan(
            stream=stream,
            feed=self.bar_feed(venue),
            clock=self.market_clock,
            jobs=group.jobs(self.markets.offered(group)),
            history=self.history,
            market_events=self.records if trades else None,
            trades=self.markets.records(venue) if trades else None,
        )

    @cached_property
    def reference_source(self) -> MarketSource | None:
        """A second venue that repairs ask for evidence, if the settings name one."""
        chosen = self.settings.quality.witness
        return build_live_market(chosen, chosen.upper()) if chosen else None

    @cached_property
    def post_sources(self) -> tuple[PostSource, ...]:
        """The text sources that have keys."""
        return build_post_sources(self.settings, self.market_clock, self.keep_payload)
