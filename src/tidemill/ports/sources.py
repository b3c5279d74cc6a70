"""Where bars, posts and records come from.

A source only fetches: what it answers is checked and stored by the stage that asked.
"""

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
    """Where bars come from.

    What it gives is not yet checked for gaps and outliers: that is the stage's work.
    """

    def fetch_instruments(self) -> Sequence[Instrument]:
        """Everything tradable there, with its steps.

        Asked once a run as a rule, since the answer is large. TransientError when the source is down or out of quota.
        """
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
    """Where bars come from as they close.

    Unlike :class:`MarketSource` it never looks back: what closed before the stream was joined is fetched, not watched.
    """

    def watch(self, instruments: Sequence[str], timeframe: str, *, seconds: float) -> Iterator[StreamPart]:
        """Parts as they come, for ``seconds`` of the wall clock, at least one a second.

        A cut is told and the stream joined again; what happened between is not told afterwards. DataError for an
        instrument or timeframe that the venue does not have.
        """
        ...

    def close(self) -> None:
        """Leave it.

        Afterwards it cannot be watched any more. Calling it twice is harmless.
        """
        ...


class BarTape(Protocol):
    """Recorded bars as matching reads them: exact, and only of an instrument's finest timeframe.

    The paper venue and the backtest match orders against it. Times are the market's, aware UTC.
    """

    def bar_at(self, instrument: str, moment: datetime) -> Bar | None:
        """The bar with open_time <= ``moment`` < close_time, or None.

        None where the recording has a gap, where the venue did not trade, and outside the recording.
        """
        ...

    def bars_closed(self, instrument: str, after: datetime, until: datetime) -> Sequence[Bar]:
        """Bars with ``after`` < close_time <= ``until``, ascending.

        Empty when none closed in between, also for an instrument without a recording.
        """
        ...

    def is_down(self, moment: datetime) -> bool:
        """Whether no recorded bar of any instrument contains ``moment``: the venue is down.

        A single instrument without a bar is a quiet market; all of them without one is an outage, in which
        the backtest refuses to decide and the paper venue takes no order.
        """
        ...


class PostSource(Protocol):
    """Where posts come from.

    The text is taken as it was received; scoring it is a later stage's work.
    """

    @property
    def source(self) -> str:
        """``x``, ``reddit`` or ``news``.

        Stored with each post and part of its identity.
        """
        ...

    def fetch_posts(self, start: datetime, end: datetime) -> pd.DataFrame:
        """POSTS with ``start`` <= event_time < ``end``, ascending; may be empty.

        TransientError when the source is down or out of quota (with ``retry_after_seconds`` where told);
        ConfigurationError when a key is missing or refused.
        """
        ...


class MarketEventSource(Protocol):
    """Where trades, books, funding rates, open interest, or splits and dividends come from.

    Few sources have every kind; callers look at ``kinds`` before they ask.
    """

    @property
    def kinds(self) -> Sequence[MarketEventKind]:
        """What can be had there.

        It depends on the venue alone, not on the instrument, and is answered without a request.
        """
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
    """One line of moments per venue at which all processes together may send.

    A line is identified by its name. What is leased is time, so processes that know nothing of each other stay within
    the venue's limit together.
    """

    def lease_block(self, name: str, owner: str, rule: BudgetRule, units: float, *, now: datetime) -> Block:
        """The next free ``units`` of the line, for ``owner`` alone: no other lease ever overlaps them.

        They begin now, up to the burst earlier after a pause, or later when others leased before. Nothing is
        given back: what its owner does not spend in time is lost with it. ``now`` is wall time.
        """
        ...

    def pause(self, name: str, seconds: float, *, now: datetime) -> None:
        """Begin no lease sooner than ``seconds`` from ``now``: the venue asked for it.

        It is for all processes on the line. A later pause only ever lengthens an earlier one; blocks leased before it
        stand.
        """
        ...
