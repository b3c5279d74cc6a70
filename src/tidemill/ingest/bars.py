"""From a source to the store: fetch what is new part by part, judge it, keep what is good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.market import MICROSECOND
from tidemill.domain.series import NotKept, SeriesError, SeriesState
from tidemill.ingest.jobs import BarFeed, SeriesJob
from tidemill.ingest.storage import as_backfilled, note_fetch, store_checked
from tidemill.ingest.values import IngestSummary, sum_by_name
from tidemill.ports.frames import OHLCV
from tidemill.quality import expected_opens

PART_BARS = 20_000
"""Bars fetched and stored at once: what a crash costs, and what memory holds."""
RESUME_AFTER = timedelta(days=1)
"""A series whose newest bar is older than this, and was backfilled, goes on being backfilled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetcher:
    """Parts of one series fetched and stored at the moment ``now``; ``past``: as known after their close."""

    feed: BarFeed
    job: SeriesJob
    now: datetime
    past: bool

    def fetch_part(self, start: datetime, end: datetime, *, after: datetime | None, source: str) -> IngestSummary:
        """Fetch one part, note that it was answered, check and store it."""
        feed, job = self.feed, self.job
        bars = need_numbers(feed.source.fetch_bars(job.name, job.timeframe, start, end), job.name)
        note_fetch(feed.ledger, job, start, min(end, self.now), bars=len(bars), now=self.now)
        return store_checked(
            as_backfilled(bars, job.timeframe) if self.past else bars,
            feed.store,
            feed.ledger,
            job.between(start, end),
            now=self.now,
            after=after,
            source=source,
        )

    def resume(self, start: datetime) -> IngestSummary:
        """Fetch from ``start`` to now, each part following on what is stored.

        Of a series that begins with what the source keeps nothing is missing: the part then begins there.
        """
        parts = [_nothing(self.job)]
        while start < self.now:
            newest = self.feed.store.latest_open(self.job.name, self.job.timeframe)
            end = min(self.now, start + PART_BARS * self.job.length)
            try:
                parts.append(self.fetch_part(start, end, after=newest, source="ingest"))
            except NotKept as error:
                if newest is not None or not start < error.first < self.now:
                    raise
                end = error.first
            start = end
        return sum_by_name(parts)[0]

    def fill(self, start: datetime, end: datetime) -> IngestSummary:
        """Fetch [start, end); the source must have kept it all."""
        parts = [_nothing(self.job)]
        while start < end:
            beyond = min(end, start + PART_BARS * self.job.length)
            parts.append(self.fetch_part(start, beyond, after=None, source="backfill"))
            start = beyond
        return sum_by_name(parts)[0]


def ingest_bars(
    feed: BarFeed, job: SeriesJob, *, now: datetime, history: timedelta, look_again: int = 0
) -> IngestSummary:
    """Fetch bars from the newest stored one (or ``history`` back) to ``now``, check and store them part by part.

    ``look_again``: that many of the newest stored bars are asked for once more, for venues revise them.
    Each part is stored before the next is asked for: a run that died is taken on from what is stored.
    TransientError and DataError of the source pass through: the caller lets this instrument fail alone.
    """
    newest = feed.store.latest_open(job.name, job.timeframe)
    past = newest is None or _was_backfilling(feed, job, newest, now)
    start = newest + (1 - look_again) * job.length if newest else now - history
    return _Fetcher(feed=feed, job=job, now=now, past=past).resume(start)


def ingest_range(
    feed: BarFeed,
    job: SeriesJob,
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    again: bool = True,
    past: bool = True,
) -> IngestSummary:
    """Fetch the bars with ``start`` <= open time < ``end``, check and store them; equal ones add nothing.

    Without ``again`` nothing is asked for when every bar of the range is stored: so a backfill that died is
    taken on where it stopped. ``past``: the bars are taken as known after their close, not now.
    TransientError and DataError of the source pass through, NotKept when it has no bars so old.
    """
    if not again and _is_stored(feed, job, start, min(end, now - job.length + MICROSECOND)):
        return _nothing(job)
    return _Fetcher(feed=feed, job=job, now=now, past=past).fill(start, end)


def need_numbers(bars: pd.DataFrame, name: str) -> pd.DataFrame:
    """The bars, unless not one of them has all its numbers: then the answer means something else than it did.

    SeriesError then; a single bar without a number is left to the checks.
    """
    if len(bars) > 1 and np.isnan(bars[list(OHLCV)].to_numpy(np.float64)).any(axis=1).all():
        raise SeriesError(
            f"no bar of {name} has all its numbers: the answer changed its shape; nothing of it was stored",
            state=SeriesState.CHANGED_SHAPE,
        )
    return bars


def _nothing(job: SeriesJob) -> IngestSummary:
    """What came of a series before anything was asked for."""
    return IngestSummary(name=job.name, timeframe=job.timeframe, listed_from=job.instrument.listed_from)


def _was_backfilling(feed: BarFeed, job: SeriesJob, newest: datetime, now: datetime) -> bool:
    """Whether the newest stored bar was fetched long after its time, and the next ones will be as well."""
    if now - newest < max(RESUME_AFTER, 2 * job.length):
        return False
    bars = feed.store.read_bars([job.name], job.timeframe, newest, newest + MICROSECOND)
    return bool(bars["assumed"].all())


def _is_stored(feed: BarFeed, job: SeriesJob, start: datetime, end: datetime) -> bool:
    expected = expected_opens(job.schedule, start, end)
    if not len(expected):
        return False
    return bool(np.isin(expected, feed.store.coverage(job.name, job.timeframe, start, end)).all())
