"""A stream of bars followed: each closed bar stored, and what a cut took is fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError, TransientError
from tidemill.domain.market import MICROSECOND, from_micros
from tidemill.domain.market_events import MarketEventKind
from tidemill.ingest.bars import ingest_bars, ingest_range
from tidemill.ingest.jobs import BarFeed, SeriesJob
from tidemill.ingest.market_events import ingest_market_events
from tidemill.ingest.storage import store_checked
from tidemill.ports import Clock, MarketEventSource, MarketEventStore, MarketStream, StreamPart

TRADE_HISTORY = timedelta(hours=1)
LOOK_BACK_BARS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """What came of a stream: bars and trades stored from it, cuts, bars fetched to heal them, and what failed."""

    bars: int = 0
    trades: int = 0
    breaks: int = 0
    healed: int = 0
    failures: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Counts and failures by name.

        Failures are sentences, in the order in which they came; the same one twice in a row stands once.
        """
        return {**asdict(self), "failures": list(self.failures)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """What is followed, and where it goes.

    ``feed``: the store, and the source that heals what the stream lost. ``jobs``: the series, all of one timeframe.
    ``history``: how far back a series without bars is fetched. ``market_events`` and ``trades`` None: trades are not
    followed.
    """

    stream: MarketStream
    feed: BarFeed
    clock: Clock
    jobs: Sequence[SeriesJob]
    history: timedelta
    market_events: MarketEventStore | None = None
    trades: MarketEventSource | None = None


class _Follower:
    """One run of a stream: which series wait to be healed, and what came of it so far.

    A series waits rather than fails. A venue that cuts a stream is often down for requests as well, and every later
    part, of whatever series, is another occasion to fetch what is lacking.
    """

    def __init__(self, plan: StreamPlan) -> None:
        self._plan = plan
        self._jobs = {job.name: job for job in plan.jobs}
        self._waiting = set(self._jobs)
        self.summary = StreamSummary()

    def store_part(self, part: StreamPart) -> None:
        """Store what a part brings; after a cut or a leap the series waits to be healed."""
        if part.broken:
            self._count(breaks=1)
            self._waiting.add(part.instrument)
        store, now = self._plan.market_events, self._plan.clock.now()
        if part.trades is not None and store is not None:
            self._count(trades=store.write_market_events(MarketEventKind.TRADES, part.trades, now=now))
        if part.bars is not None and len(part.bars):
            self._store_bars(self._jobs[part.instrument], part.bars)
        self.heal()

    def heal(self) -> None:
        """Fetch what the waiting series lack; one that cannot be healed now waits on."""
        for name in sorted(self._waiting):
            try:
                self._count(healed=self._fetch_lost(self._jobs[name]))
            except (TransientError, DataError) as error:
                self._note(str(error))
            else:
                self._waiting.discard(name)

    def finish(self) -> None:
        """Bring every series up to now."""
        self._waiting = set(self._jobs)
        self.heal()

    def _count(self, **more: int) -> None:
        counts = {name: getattr(self.summary, name) + count for name, count in more.items()}
        self.summary = replace(self.summary, **counts)

    def _note(self, failure: str) -> None:
        # a venue that is down says the same at every part
        if self.summary.failures[-1:] != (failure,):
            self.summary = replace(self.summary, failures=(*self.summary.failures, failure))

    def _store_bars(self, job: SeriesJob, bars: pd.DataFrame) -> None:
        feed = self._plan.feed
        newest = feed.store.latest_open(job.name, job.timeframe)
        if newest is None or bars["open_time"].iloc[0] > newest + job.length:
            self._waiting.add(job.name)
        now = self._plan.clock.now()
        self._count(
            bars=store_checked(bars, feed.store, feed.ledger, job, now=now, after=newest, source="stream").stored
        )

    def _fetch_lost(self, job: SeriesJob) -> int:
        """Bars that a fetch added: from the last stored bar that has its successor, on to now."""
        plan, now = self._plan, self._plan.clock.now()
        newest = plan.feed.store.latest_open(job.name, job.timeframe)
        if newest is None:
            return ingest_bars(plan.feed, job, now=now, history=plan.history).stored
        start = self._whole_until(job, newest)
        healed = ingest_range(plan.feed, job, start=start, end=now, now=now, past=False).stored
        self._fetch_trades(job.name, now)
        return healed

    def _whole_until(self, job: SeriesJob, newest: datetime) -> datetime:
        """Open time of the last bar before the first gap near the end.

        That bar is fetched again too: the cut may have come before the stream's last word on it.
        """
        reach = newest - LOOK_BACK_BARS * job.length
        opens = self._plan.feed.store.coverage(job.name, job.timeframe, reach, newest + MICROSECOND)
        leaps = opens[:-1][np.diff(opens) > job.length // MICROSECOND]
        return from_micros(int(leaps[0] if len(leaps) else opens[-1]))

    def _fetch_trades(self, name: str, now: datetime) -> None:
        source, store = self._plan.trades, self._plan.market_events
        if source is not None and store is not None:
            kind = MarketEventKind.TRADES
            self._count(trades=ingest_market_events(source, store, kind, name, now=now, history=TRADE_HISTORY).stored)


def follow_stream(
    plan: StreamPlan, *, seconds: float, say: Callable[[StreamPart], None] = lambda _: None
) -> StreamSummary:
    """Follow a stream for ``seconds`` of the wall clock; what it loses is fetched, at once and at every later part.

    The stream brings closed bars only. Before its first and after its last part the series are brought up to now,
    so that nothing between two runs is lost either. ``say`` hears of every part. What cannot be fetched is a failure
    in the summary; errors of the store pass through.
    """
    follower = _Follower(plan)
    follower.heal()
    names = [job.name for job in plan.jobs]
    for part in plan.stream.watch(names, plan.jobs[0].timeframe, seconds=seconds):
        say(part)
        follower.store_part(part)
    follower.finish()
    return follower.summary
