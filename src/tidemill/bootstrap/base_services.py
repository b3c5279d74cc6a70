"""Clocks, the decision grid and every store: what the other services stand on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from tidemill.adapters.clocks import WallClock
from tidemill.bootstrap.environment import this_environment
from tidemill.bootstrap.stores import build_store
from tidemill.decision import Environment
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import DecisionGrid, Stamp, timeframe_seconds
from tidemill.ports import (
    Clock,
    GapRecords,
    MarketEventStore,
    ModelRegistry,
    RateBudgets,
    SeriesStatusStore,
    Sleep,
    SnapshotStore,
)
from tidemill.ports.trials import TrialLedger
from tidemill.recording import SPOT_ONLY, Recording, bundled_recording, load_recording
from tidemill.settings import Settings

BUNDLED = Path("bundled")
OPENED = (
    "markets",
    "market_source",
    "reference_source",
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


class BaseServices:
    """Clocks, grid and stores, each built when first asked for."""

    settings: Settings

    @cached_property
    def wall_clock(self) -> Clock:
        """Signing, leases and waits."""
        return WallClock()

    @cached_property
    def market_clock(self) -> Clock:
        """as_of and everything recorded: the venue's clock on a recording, else the wall's."""
        if self.settings.venue.admin_url:
            from tidemill.adapters.clocks import VenueClock

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
    def history(self) -> timedelta:
        """How far back a first ingest reads."""
        return timedelta(days=self.settings.training.window_days)

    @cached_property
    def environment(self) -> Environment:
        """What decisions are computed with."""
        return this_environment()

    @cached_property
    def store(self) -> Any:
        """Market data: bars, posts, scores, payloads."""
        return build_store(self.settings)

    @cached_property
    def snapshots(self) -> SnapshotStore:
        """Bars as they were when a model was trained on them."""
        from tidemill.adapters.models.parquet_snapshots import ParquetSnapshots

        return ParquetSnapshots(self.settings.home.absolute() / "snapshots")

    @cached_property
    def gaps(self) -> GapRecords:
        """What is missing of the market data, and what was refused."""
        from tidemill.adapters.sql.market.gaps import SqlGapLedger

        return SqlGapLedger(self.settings.database_url("market"))

    @cached_property
    def ledger(self) -> Any:
        """What we did."""
        from tidemill.adapters.sql.ledger.ledger import SqlLedger

        return SqlLedger(self.settings.database_url("ops"))

    @cached_property
    def trials(self) -> TrialLedger:
        """Every backtest ever run."""
        from tidemill.adapters.sql.ledger.trials import SqlTrialLedger

        return SqlTrialLedger(self.settings.database_url("ops"))

    @cached_property
    def models(self) -> ModelRegistry:
        """Candidates and the champion."""
        from tidemill.adapters.models.mlflow_registry import MlflowRegistry

        return MlflowRegistry(self.settings.database_url("mlflow"), self.settings.home.absolute() / "models")

    @cached_property
    def records(self) -> MarketEventStore:
        """Trades, books, funding, open interest, splits and dividends."""
        from tidemill.adapters.sql.market.market_events import SqlMarketEvents

        return SqlMarketEvents(self.settings.database_url("market"))

    @cached_property
    def marks(self) -> SeriesStatusStore:
        """The state of each series."""
        from tidemill.adapters.sql.market.series_status import SqlSeriesStatus

        return SqlSeriesStatus(self.settings.database_url("market"))

    @cached_property
    def budgets(self) -> RateBudgets:
        """How many requests all processes together may send to a venue."""
        from tidemill.adapters.sql.market.budgets import SqlBudgets

        return SqlBudgets(self.settings.database_url("market"))

    def keep_payloads(self, answers: Sequence[tuple[str, str, bytes]]) -> None:
        """Keep raw answers, each (source, request, body), all at once."""
        self.store.write_payloads(answers, now=self.market_clock.now())

    def keep_payload(self, source: str, request: str, body: bytes) -> None:
        """Keep a raw answer as evidence."""
        self.store.write_payload(source, request, body, now=self.market_clock.now())

    def stamp(self) -> Stamp:
        """Tell this instant on both clocks."""
        return Stamp(market=self.market_clock.now(), wall=self.wall_clock.now())

    def close(self) -> None:
        """Close what was opened."""
        for name in OPENED:
            part = self.__dict__.get(name)
            if part is not None and hasattr(part, "close"):
                part.close()
