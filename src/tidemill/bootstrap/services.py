"""The services of a process, each built when first asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from tidemill.adapters.capabilities import capability, check_live
from tidemill.adapters.clocks import WallClock
from tidemill.bootstrap.environment import this_environment
from tidemill.bootstrap.market_sources import MarketParts, build_market_source, describe_venue
from tidemill.bootstrap.markets import Markets, build_groups
from tidemill.bootstrap.policies import build_doubts, build_rules, build_series, build_training, quote_fee_rate
from tidemill.bootstrap.sources import build_live_market, build_post_sources
from tidemill.bootstrap.stores import build_store
from tidemill.deciding import DecisionRules, Environment
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import DecisionGrid, Instrument, Stamp, split_instrument_id, timeframe_seconds
from tidemill.domain.records import RecordKind
from tidemill.domain.trading import OrderTiming
from tidemill.execution import Desk
from tidemill.execution.desk import Broker
from tidemill.ingesting import StreamPlan
from tidemill.ports import (
    Clock,
    GapRecords,
    MarketSource,
    MarketStream,
    ModelRegistry,
    PostSource,
    RateBudgets,
    RecordStore,
    SeriesMarks,
    Sleep,
    SnapshotStore,
)
from tidemill.quality import DoubtRules
from tidemill.recording import SPOT_ONLY, Recording, bundled_recording, load_recording
from tidemill.repairing import SeriesGroup
from tidemill.settings import Settings, load_settings
from tidemill.training import TrainingParams
from tidemill.trials import TrialLedger

BUNDLED = Path("bundled")
OPENED = (
    "markets",
    "market_source",
    "witness",
    "broker",
    "store",
    "gaps",
    "records",
    "marks",
    "budgets",
    "ledger",
    "trials",
    "market_clock",
)


class Services:
    """Everything that tasks reach for, built when first asked for.

    ``parts`` replaces any property by name; tests and replays pass their own clock or broker this way.
    """

    def __init__(self, settings: Settings, **parts: Any) -> None:
        self.settings = settings
        unknown = set(parts) - set(dir(type(self)))
        if unknown:
            raise ConfigurationError(f"there is no service named {', '.join(sorted(unknown))}")
        self.__dict__.update(parts)

    @cached_property
    def wall_clock(self) -> Clock:
        """Signing, leases and waits."""
        return WallClock()

    @cached_property
    def market_clock(self) -> Clock:
        """as_of and everything recorded: the venue's clock on a recording, else the wall's."""
        if self.settings.venue.admin_url:
            from tidemill.adapters.venue_clock import VenueClock

            return VenueClock(self.settings.venue.admin_url)
        return WallClock()

    @cached_property
    def sleep(self) -> Sleep:
        """Wait between looks at the venue."""
        return time.sleep

    @cached_property
    def retry_delay_seconds(self) -> float:
        """Pause before a task is tried again; none in a replay, where time stands still."""
        return 0.0 if self.settings.mode == "replay" else 5.0

    @cached_property
    def artifacts(self) -> bool:
        """Whether flows publish artifacts; a replay switches them off between its first and last step."""
        return True

    @cached_property
    def recording(self) -> Recording | None:
        """The recording that is replayed, if any."""
        chosen = self.settings.recording
        if chosen is None:
            return None
        return bundled_recording() if chosen == BUNDLED else load_recording(chosen).need_no_funding(SPOT_ONLY)

    @cached_property
    def store(self) -> Any:
        """Market data: bars, posts, scores, payloads."""
        return build_store(self.settings)

    @cached_property
    def snapshots(self) -> SnapshotStore:
        """Bars as they were when a model was trained on them."""
        from tidemill.adapters.parquet_snapshots import ParquetSnapshots

        return ParquetSnapshots(self.settings.home.absolute() / "snapshots")

    @cached_property
    def gaps(self) -> GapRecords:
        """What is missing of the market data, and what was refused."""
        from tidemill.adapters.sql_gaps import SqlGapLedger

        return SqlGapLedger(self.settings.database_url("market"))

    @cached_property
    def ledger(self) -> Any:
        """What we did."""
        from tidemill.adapters.sql_ledger import SqlLedger

        return SqlLedger(self.settings.database_url("ops"))

    @cached_property
    def trials(self) -> TrialLedger:
        """Every backtest ever run."""
        from tidemill.adapters.sql_trials import SqlTrialLedger

        return SqlTrialLedger(self.settings.database_url("ops"))

    @cached_property
    def models(self) -> ModelRegistry:
        """Candidates and the champion."""
        from tidemill.adapters.mlflow_registry import MlflowRegistry

        return MlflowRegistry(self.settings.database_url("mlflow"), self.settings.home.absolute() / "models")

    @cached_property
    def records(self) -> RecordStore:
        """Trades, books, funding, open interest, splits and dividends."""
        from tidemill.adapters.sql_records import SqlRecords

        return SqlRecords(self.settings.database_url("market"))

    @cached_property
    def marks(self) -> SeriesMarks:
        """The state of each series."""
        from tidemill.adapters.sql_marks import SqlMarks

        return SqlMarks(self.settings.database_url("market"))

    @cached_property
    def budgets(self) -> RateBudgets:
        """How many requests all processes together may send to a venue."""
        from tidemill.adapters.sql_budgets import SqlBudgets

        return SqlBudgets(self.settings.database_url("market"))

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

    @property
    def groups(self) -> tuple[SeriesGroup, ...]:
        """The series to keep, by venue and timeframe, with their listings as they are known now."""
        now = self.market_clock.now()
        marks = self.marks.load_marks()
        return tuple(one.listed(marks) for one in build_groups(self.markets, self.series, now, now - self.history))

    def stream_plan(self, venue: str, stream: MarketStream) -> StreamPlan:
        """What is followed of a venue: its first timeframe, the instruments that it offers, trades if they are kept."""
        group = next(one for one in self.groups if one.venue == venue)
        trades = RecordKind.TRADES in self.markets.described[venue].records
        return StreamPlan(
            stream=stream,
            source=self.markets.source(venue),
            store=self.store,
            ledger=self.gaps,
            clock=self.market_clock,
            instruments=self.markets.offered(group),
            timeframe=group.timeframe,
            history=self.history,
            calendar=group.calendar,
            sessions=group.sessions,
            doubts=self.doubts,
            records=self.records if trades else None,
            trades=self.markets.records(venue) if trades else None,
        )

    @cached_property
    def witness(self) -> MarketSource | None:
        """A second venue that repairs ask for evidence, if the settings name one."""
        chosen = self.settings.quality.witness
        return build_live_market(chosen, chosen.upper()) if chosen else None

    @cached_property
    def series(self) -> SeriesGroup:
        """The series of the universe, whose holes are judged together."""
        return build_series(self.settings, self.grid)

    @cached_property
    def doubts(self) -> DoubtRules:
        """When a possible bar is doubted."""
        return build_doubts(self.settings)

    @cached_property
    def post_sources(self) -> tuple[PostSource, ...]:
        """The text sources that have keys."""
        return build_post_sources(self.settings, self.market_clock, self.keep_payload)

    @cached_property
    def broker(self) -> Broker:
        """Where orders go."""
        from tidemill.adapters.ccxt_broker import CcxtBroker

        venue = self.settings.venue
        key, secret = venue.key.get_secret_value(), venue.secret.get_secret_value()
        if not key or not secret:
            raise ConfigurationError(
                "the venue's key is not set; set TIDEMILL_VENUE__KEY and TIDEMILL_VENUE__SECRET, "
                "or run 'tidemill up', which makes a paper account of its own"
            )
        return CcxtBroker(
            venue.exchange,
            venue=venue.name,
            rest_url=venue.rest_url,
            key=key,
            secret=secret,
            instruments=list(self.instruments.values()),
            wall_clock=self.wall_clock,
            capability=capability(self.capability_name),
        )

    @cached_property
    def capability_name(self) -> str:
        """The row of the capability table that orders obey."""
        return "paper" if self.settings.venue.rest_url else self.settings.venue.exchange

    @cached_property
    def timing(self) -> OrderTiming:
        """Windows and waits of the venue."""
        return capability(self.capability_name).timing()

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
    def grid(self) -> DecisionGrid:
        """The legal values of as_of."""
        settings = self.settings
        sessions = self.recording.sessions if self.recording and settings.calendar == "as-recorded" else ()
        if settings.calendar == "as-recorded" and not sessions:
            raise ConfigurationError("calendar 'as-recorded' needs a recording; set TIDEMILL_RECORDING")
        return DecisionGrid(
            timeframe=settings.timeframe,
            delay_seconds=settings.delay_seconds,
            calendar=settings.calendar,
            every_seconds=timeframe_seconds(settings.decide_every) if settings.decide_every else 0,
            sessions=tuple(sessions),
        )

    @cached_property
    def rules(self) -> DecisionRules:
        """What all decisions of this account have in common."""
        return build_rules(self.settings, self.grid, self.instruments)

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """Base assets of the universe, which posts may name."""
        return tuple(dict.fromkeys(split_instrument_id(name)[0] for name in self.settings.universe))

    @property
    def quote_fee_rate(self) -> Decimal:
        """Fee that a buy pays in quote on top of its price."""
        return quote_fee_rate(self.settings)

    @cached_property
    def training(self) -> TrainingParams:
        """How candidates are trained."""
        return build_training(self.settings)

    @cached_property
    def desk(self) -> Desk:
        """The account, ready to place and settle orders."""
        return Desk(
            account=self.settings.account,
            ledger=self.ledger,
            broker=self.broker,
            market_clock=self.market_clock,
            wall_clock=self.wall_clock,
            timing=self.timing,
            sleep=self.sleep,
        )

    def stamp(self) -> Stamp:
        """Tell this instant on both clocks."""
        return Stamp(market=self.market_clock.now(), wall=self.wall_clock.now())

    @cached_property
    def environment(self) -> Environment:
        """What decisions are computed with."""
        return this_environment()

    @cached_property
    def history(self) -> timedelta:
        """How far back a first ingest reads."""
        return timedelta(days=self.settings.training.window_days)

    def check_mode(self, mode: str, *, live: bool = False) -> None:
        """Refuse a run whose mode is not the settings', and live trading without both switches."""
        if mode != self.settings.mode:
            raise ConfigurationError(
                f"this run is for mode '{mode}' but the settings say '{self.settings.mode}'; "
                f"use the deployment of that mode or change TIDEMILL_MODE"
            )
        if mode == "live":
            if not (live and self.settings.live):
                raise ConfigurationError(
                    "live trading is off; it needs the deployment parameter live and TIDEMILL_LIVE, both true"
                )
            check_live(self.settings.venue.exchange)

    def close(self) -> None:
        """Close what was opened."""
        for name in OPENED:
            part = self.__dict__.get(name)
            if part is not None and hasattr(part, "close"):
                part.close()

    def keep_payloads(self, answers: Sequence[tuple[str, str, bytes]]) -> None:
        """Keep raw answers, each (source, request, body), all at once."""
        self.store.write_payloads(answers, now=self.market_clock.now())

    def keep_payload(self, source: str, request: str, body: bytes) -> None:
        """Keep a raw answer as evidence."""
        self.store.write_payload(source, request, body, now=self.market_clock.now())


_current: ContextVar[Services | None] = ContextVar("tidemill_services", default=None)


@cache
def _default_services() -> Services:
    return Services(load_settings())


def services() -> Services:
    """The services of this process: those in force by :func:`using`, else built from the settings once."""
    return _current.get() or _default_services()


@contextmanager
def using(chosen: Services) -> Iterator[Services]:
    """Put ``chosen`` in force for the code inside."""
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)
