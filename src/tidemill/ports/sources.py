"""Where bars, posts and records come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pandas as pd

from tidemill.domain.budgets import Block, BudgetRule
from tidemill.domain.market import Bar, Instrument
from tidemill.domain.market_events import MarketEventKind


class MarketSource(Protocol):
    """Where bars come from."""

    def fetch_instruments(self) -> Sequence[Instrument]:
        """Everything tradable there, with its steps."""
        ...

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """BARS with ``start`` <= open_time < ``end`` that have closed, ascending; may be empty.

        TransientError when the source is down or out of quota; DataError for an instrument or
        timeframe that it does not have.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamPart:
    """What a stream told of one instrument: BARS that have closed, or trades (RECORDS), or that it was cut and why.

    Nothing of all this: some time has passed.
    """

    instrument: str = ""
    bars: pd.DataFrame | None = None
    trades: pd.DataFrame | None = None
    broken: str = ""


class MarketStream(Protocol):
    """Where bars come from as they close."""

    def watch(self, instruments: Sequence[str], timeframe: str, *, seconds: float) -> Iterator[StreamPart]:
        """Parts as they come, for ``seconds`` of the wall clock, at least one a second.

        A cut is told and the stream joined again; what happened between is not told afterwards. DataError for an
        instrument or timeframe that the venue does not have.
        """
        ...

    def close(self) -> None:
        """Leave it."""
        ...


class BarTape(Protocol):
    """Recorded bars as matching reads them: exact, and only of an instrument's finest timeframe."""

    def bar_at(self, instrument: str, moment: datetime) -> Bar | None:
        """The bar with open_time <= ``moment`` < close_time, or None."""
        ...

    def bars_closed(self, instrument: str, after: datetime, until: datetime) -> Sequence[Bar]:
        """Bars with ``after`` < close_time <= ``until``, ascending."""
        ...

    def is_down(self, moment: datetime) -> bool:
        """Whether no recorded bar of any instrument contains ``moment``: the venue is down."""
        ...


class PostSource(Protocol):
    """Where posts come from."""

    @property
    def source(self) -> str:
        """``x``, ``reddit`` or ``news``."""
        ...

    def fetch_posts(self, start: datetime, end: datetime) -> pd.DataFrame:
        """POSTS with ``start`` <= event_time < ``end``, ascending; may be empty.

        TransientError when the source is down or out of quota (with ``retry_after_seconds`` where told);
        ConfigurationError when a key is missing or refused.
        """
        ...


class MarketEventSource(Protocol):
    """Where trades, books, funding rates, open interest, or splits and dividends come from."""

    @property
    def kinds(self) -> Sequence[MarketEventKind]:
        """What can be had there."""
        ...

    def fetch_market_events(
        self, kind: MarketEventKind, instrument: str, start: datetime, end: datetime
    ) -> pd.DataFrame:
        """RECORDS of ``kind`` with ``start`` <= event_time < ``end``, ascending; may be empty.

        Of books the one that stands now, whatever the range. TransientError when the source is down or out of
        quota; DataError for an instrument or kind that it does not have.
        """
        ...


class RateBudgets(Protocol):
    """One line of moments per venue at which all processes together may send."""

    def lease_block(self, name: str, owner: str, rule: BudgetRule, units: float, *, now: datetime) -> Block:
        """The next free ``units`` of the line, for ``owner`` alone: no other lease ever overlaps them.

        They begin now, up to the burst earlier after a pause, or later when others leased before. Nothing is
        given back: what its owner does not spend in time is lost with it. ``now`` is wall time.
        """
        ...

    def pause(self, name: str, seconds: float, *, now: datetime) -> None:
        """Begin no lease sooner than ``seconds`` from ``now``: the venue asked for it."""
        ...
