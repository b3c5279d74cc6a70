"""What everything else stands on: the clocks, the stores, and what takes their place in a test or a replay."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeVar, cast, runtime_checkable

from tidemill.adapters.clocks import VenueClock, WallClock
from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.adapters.sql.ledger.trials import SqlTrialLedger
from tidemill.adapters.sql.market.budgets import SqlBudgets
from tidemill.adapters.sql.market.gaps import SqlGapLedger
from tidemill.adapters.sql.market.market_events import SqlMarketEvents
from tidemill.adapters.sql.market.series_status import SqlSeriesStatus
from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.decision import DecisionRules
from tidemill.domain.market import DecisionGrid, Instrument, Stamp
from tidemill.execution import Desk
from tidemill.execution.desk import Broker
from tidemill.ports import (
    Clock,
    GapRecords,
    Ledger,
    MarketEventStore,
    MarketSource,
    MarketStore,
    ModelRegistry,
    RateBudgets,
    SeriesStatusStore,
    Sleep,
    SnapshotStore,
)
from tidemill.ports.trials import TrialLedger
from tidemill.settings import Settings

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Parts that take the place of those that the settings name; None, or no entry, leaves the settings' own.

    Whoever gives a part closes it: services close only what they opened themselves.
    ``sources`` are sources of bars by the name of their venue.
    """

    wall_clock: Clock | None = None
    market_clock: Clock | None = None
    grid: DecisionGrid | None = None
    market_store: MarketStore | None = None
    gaps: GapRecords | None = None
    market_events: MarketEventStore | None = None
    series_status: SeriesStatusStore | None = None
    budgets: RateBudgets | None = None
    ledger: Ledger | None = None
    trials: TrialLedger | None = None
    models: ModelRegistry | None = None
    sources: Mapping[str, MarketSource] = field(default_factory=dict)
    instruments: Mapping[str, Instrument] | None = None
    rules: DecisionRules | None = None
    broker: Broker | None = None
    desk: Desk | None = None
    retry_delay_seconds: float | None = None


@runtime_checkable
class Closable(Protocol):
    """What holds a connection or a file."""

    def close(self) -> None:
        """Give it back."""
        ...


def closed_by(stack: ExitStack, part: Part) -> Part:
    """``part`` itself, which ``stack`` closes when it ends, if there is anything to close."""
    if isinstance(part, Closable):
        stack.callback(part.close)
    return part


class Clocks:
    """The two times of a process, and how it waits."""

    def __init__(self, settings: Settings, overrides: Overrides, stack: ExitStack) -> None:
        self._settings, self._overrides, self._stack = settings, overrides, stack

    @cached_property
    def wall(self) -> Clock:
        """Signing, leases and waits."""
        return self._overrides.wall_clock or WallClock()

    @cached_property
    def market(self) -> Clock:
        """as_of and everything recorded: the venue's clock on a recording, else the wall's."""
        if self._overrides.market_clock is not None:
            return self._overrides.market_clock
        url = self._settings.venue.admin_url
        return closed_by(self._stack, VenueClock(url)) if url else WallClock()

    @property
    def sleep(self) -> Sleep:
        """Wait between looks at the venue; seconds of the wall clock."""
        return time.sleep

    def stamp(self) -> Stamp:
        """Tell this instant on both clocks, as the ledger stores it."""
        return Stamp(market=self.market.now(), wall=self.wall.now())


class Stores:
    """Everything that is kept between runs, each store opened when it is first asked for."""

    def __init__(self, settings: Settings, clocks: Clocks, overrides: Overrides, stack: ExitStack) -> None:
        self._settings, self._clocks, self._overrides, self._stack = settings, clocks, overrides, stack

    @cached_property
    def market(self) -> MarketStore:
        """Bars, posts, scores and the raw answers that they came from."""
        return self._overrides.market_store or closed_by(self._stack, _open_market_store(self._settings))

    @cached_property
    def gaps(self) -> GapRecords:
        """What is missing of the market data, what was fetched, and what was refused."""
        return self._overrides.gaps or closed_by(self._stack, SqlGapLedger(self._market_url))

    @cached_property
    def market_events(self) -> MarketEventStore:
        """Trades, books, funding, open interest, splits and dividends."""
        return self._overrides.market_events or closed_by(self._stack, SqlMarketEvents(self._market_url))

    @cached_property
    def series_status(self) -> SeriesStatusStore:
        """Which series are fine, failing, unknown or delisted."""
        return self._overrides.series_status or closed_by(self._stack, SqlSeriesStatus(self._market_url))

    @cached_property
    def budgets(self) -> RateBudgets:
        """How many requests all processes together may send to a venue."""
        return self._overrides.budgets or closed_by(self._stack, SqlBudgets(self._market_url))

    @cached_property
    def snapshots(self) -> SnapshotStore:
        """Bars as they were when a model was trained on them."""
        from tidemill.adapters.models.parquet_snapshots import ParquetSnapshots

        return ParquetSnapshots(self._settings.home.absolute() / "snapshots")

    @cached_property
    def ledger(self) -> Ledger:
        """What we did: decisions, orders, fills, cash, leases and stops."""
        return self._overrides.ledger or closed_by(self._stack, SqlLedger(self._ops_url))

    @cached_property
    def trials(self) -> TrialLedger:
        """Every backtest ever run."""
        return self._overrides.trials or closed_by(self._stack, SqlTrialLedger(self._ops_url))

    @cached_property
    def models(self) -> ModelRegistry:
        """Candidates and the champion."""
        if self._overrides.models is not None:
            return self._overrides.models
        from tidemill.adapters.models.mlflow_registry import MlflowRegistry

        settings = self._settings
        return MlflowRegistry(settings.database_url("mlflow"), settings.home.absolute() / "models")

    def keep_payloads(self, answers: Sequence[tuple[str, str, bytes]]) -> None:
        """Keep raw answers, each (source, request, body), as evidence: all of them or none."""
        self.market.write_payloads(answers, now=self._clocks.market.now())

    def keep_payload(self, source: str, request: str, body: bytes) -> None:
        """Keep a raw answer as evidence."""
        self.market.write_payload(source, request, body, now=self._clocks.market.now())

    @property
    def _market_url(self) -> str:
        return self._settings.database_url("market")

    @property
    def _ops_url(self) -> str:
        return self._settings.database_url("ops")


def _open_market_store(settings: Settings) -> MarketStore:
    """SQL for everything, or bars in InfluxDB and the rest in SQL beside it."""
    beside = SqlMarketStore(settings.database_url("market"))
    if not settings.influx_url:
        return beside
    from tidemill.adapters.influx.market import InfluxMarketStore
    from tidemill.adapters.influx.wire import Place

    influx = settings.influx
    place = Place(
        url=settings.influx_url.rstrip("/"),
        token=influx.token.get_secret_value(),
        org=influx.org,
        bucket=influx.bucket,
    )
    # what is no bar it passes on to the store beside it by name, which a type checker cannot see
    return cast("MarketStore", InfluxMarketStore(place, beside, api=influx.api))
