"""A stream of bars followed: each closed bar stored, and what a cut took is fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError, TransientError
from tidemill.domain.market import Calendar, Instrument, from_micros, timeframe_seconds
from tidemill.domain.market_events import MarketEventKind
from tidemill.ingest.bars import ingest_bars, ingest_range
from tidemill.ingest.market_events import ingest_market_events
from tidemill.ingest.storage import store_checked
from tidemill.ports import (
    BarStore,
    Clock,
    GapRecords,
    MarketEventSource,
    MarketEventStore,
    MarketSource,
    MarketStream,
    StreamPart,
)
from tidemill.quality import OutlierRules

TRADE_HISTORY = timedelta(hours=1)
LOOK_BACK_BARS = 1_000
MICRO = timedelta(microseconds=1)


@dataclass(slots=True, kw_only=True)
class StreamLog:
    """What came of a stream: bars and trades it told, cuts, and what was fetched to mend them."""

    bars: int = 0
    trades: int = 0
    breaks: int = 0
    healed: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """What is followed, and where it goes.

    ``source`` mends what the stream lost; ``records`` and ``trades`` None: trades are not followed.
    """

    stream: MarketStream
    source: MarketSource
    store: BarStore
    ledger: GapRecords
    clock: Clock
    instruments: Sequence[Instrument]
    timeframe: str
    history: timedelta
    calendar: Calendar = "24x7"
    sessions: Sequence[datetime] = ()
    outliers: OutlierRules | None = None
    records: MarketEventStore | None = None
    trades: MarketEventSource | None = None


class _Follower:
    """One run of a stream: which series wait to be mended, and what was done."""

    def __init__(self, plan: StreamPlan, log: StreamLog) -> None:
        self._plan = plan
        self._log = log
        self._by_name = {one.id: one for one in plan.instruments}
        self._length = timedelta(seconds=timeframe_seconds(plan.timeframe))
        self._waiting = set(self._by_name)

    def take(self, part: StreamPart) -> None:
        """Store what a part tells; after a cut or a leap the series waits to be mended."""
        if part.broken:
            self._log.breaks += 1
            self._waiting.add(part.instrument)
        if part.trades is not None and self._plan.records is not None:
            now = self._plan.clock.now()
            self._log.trades += self._plan.records.write_market_events(MarketEventKind.TRADES, part.trades, now=now)
        if part.bars is not None and len(part.bars):
            self._store(self._by_name[part.instrument], part.bars)
        self.mend()

    def mend(self) -> None:
        """Fetch what the waiting series lack; one that cannot be mended now waits on."""
        for name in sorted(self._waiting):
            try:
                self._log.healed += self._heal(self._by_name[name])
            except (TransientError, DataError) as error:
                if not self._log.failures or self._log.failures[-1] != str(error):
                    self._log.failures.append(str(error))
            else:
                self._waiting.discard(name)

    def finish(self) -> None:
        """Bring every series up to now."""
        self._waiting = set(self._by_name)
        self.mend()

    def _store(self, instrument: Instrument, bars: pd.DataFrame) -> None:
        plan = self._plan
        newest = plan.store.latest_open(instrument.id, plan.timeframe)
        if newest is None or bars["open_time"].iloc[0] > newest + self._length:
            self._waiting.add(instrument.id)
        done = store_checked(
            bars,
            plan.store,
            plan.ledger,
            instrument,
            timeframe=plan.timeframe,
            calendar=plan.calendar,
            sessions=plan.sessions,
            now=plan.clock.now(),
            after=newest,
            source="stream",
            outliers=plan.outliers,
        )
        self._log.bars += done.stored

    def _heal(self, instrument: Instrument) -> int:
        """Bars that a fetch added: from the last stored bar that has its successor, on to now."""
        plan, now = self._plan, self._plan.clock.now()
        newest = plan.store.latest_open(instrument.id, plan.timeframe)
        if newest is None:
            done = ingest_bars(
                plan.source,
                plan.store,
                plan.ledger,
                instrument,
                timeframe=plan.timeframe,
                calendar=plan.calendar,
                sessions=plan.sessions,
                now=now,
                history=plan.history,
                outliers=plan.outliers,
            )
            return done.stored
        healed = ingest_range(
            plan.source,
            plan.store,
            plan.ledger,
            instrument,
            timeframe=plan.timeframe,
            calendar=plan.calendar,
            sessions=plan.sessions,
            start=self._whole_until(instrument.id, newest),
            end=now,
            now=now,
            outliers=plan.outliers,
            past=False,
        ).stored
        self._heal_trades(instrument.id)
        return healed

    def _whole_until(self, name: str, newest: datetime) -> datetime:
        """Open time of the last bar before the first gap near the end: its own content may be torn as well."""
        reach = newest - LOOK_BACK_BARS * self._length
        opens = self._plan.store.coverage(name, self._plan.timeframe, reach, newest + MICRO)
        leaps = opens[:-1][np.diff(opens) > self._length // MICRO]
        return from_micros(int(leaps[0] if len(leaps) else opens[-1]))

    def _heal_trades(self, name: str) -> None:
        plan = self._plan
        if plan.trades is not None and plan.records is not None:
            now = plan.clock.now()
            done = ingest_market_events(
                plan.trades, plan.records, MarketEventKind.TRADES, name, now=now, history=TRADE_HISTORY
            )
            self._log.trades += done.stored


def follow_stream(plan: StreamPlan, *, seconds: float, say: Callable[[StreamPart], None] = lambda _: None) -> StreamLog:
    """Follow a stream for ``seconds`` of the wall clock; what it loses is fetched, at once and at every later part.

    The stream brings closed bars only. Before its first and after its last part the series are brought up to now,
    so that nothing between two runs is lost either. ``say`` hears of every part.
    """
    log = StreamLog()
    follower = _Follower(plan, log)
    follower.mend()
    for part in plan.stream.watch([one.id for one in plan.instruments], plan.timeframe, seconds=seconds):
        say(part)
        follower.take(part)
    follower.finish()
    return log
