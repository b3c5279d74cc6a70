"""From a source to the store: fetch what is new part by part, judge it, keep what is good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.market import Calendar, Instrument, timeframe_seconds
from tidemill.domain.series import NotKept, SeriesError, SeriesState
from tidemill.ingest.storage import as_backfilled, note_fetch, store_checked
from tidemill.ingest.values import Ingested, sum_by_name
from tidemill.ports import BarStore, GapRecords, MarketSource
from tidemill.quality import OutlierRules, expected_opens

PART_BARS = 20_000
"""Bars fetched and stored at once: what a crash costs, and what memory holds."""
RESUME_AFTER = timedelta(days=1)
MICRO = timedelta(microseconds=1)
NUMBERS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """Where bars of one series come from, where they go, and how they are judged."""

    source: MarketSource
    store: BarStore
    ledger: GapRecords
    instrument: Instrument
    timeframe: str
    calendar: Calendar
    sessions: Sequence[datetime]
    now: datetime
    outliers: OutlierRules | None

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=timeframe_seconds(self.timeframe))

    @property
    def nothing(self) -> Ingested:
        """What came of it before anything was asked for."""
        name, listed = self.instrument.id, self.instrument.listed_from
        return Ingested(name=name, timeframe=self.timeframe, listed_from=listed)

    def take(self, start: datetime, end: datetime, *, past: bool, after: datetime | None, source: str) -> Ingested:
        """Fetch one part, note that it was answered, check and store it."""
        name, timeframe = self.instrument.id, self.timeframe
        bars = need_numbers(self.source.fetch_bars(name, timeframe, start, end), name)
        note_fetch(
            self.ledger,
            name,
            timeframe,
            start,
            min(end, self.now),
            bars=len(bars),
            calendar=self.calendar,
            now=self.now,
        )
        return store_checked(
            as_backfilled(bars, timeframe) if past else bars,
            self.store,
            self.ledger,
            self.instrument,
            timeframe=timeframe,
            calendar=self.calendar,
            sessions=[one for one in self.sessions if start <= one < end],
            now=self.now,
            after=after,
            source=source,
            outliers=self.outliers,
        )


def ingest_bars(
    source: MarketSource,
    store: BarStore,
    ledger: GapRecords,
    instrument: Instrument,
    *,
    timeframe: str,
    calendar: Calendar,
    sessions: Sequence[datetime],
    now: datetime,
    history: timedelta,
    outliers: OutlierRules | None = None,
    look_again: int = 0,
) -> Ingested:
    """Fetch bars from the newest stored one (or ``history`` back) to ``now``, check and store them part by part.

    ``look_again``: that many of the newest stored bars are asked for once more, for venues revise them.
    Each part is stored before the next is asked for: a run that died is taken on from what is stored.
    TransientError and DataError of the source pass through: the caller lets this instrument fail alone.
    """
    series = _Series(
        source=source,
        store=store,
        ledger=ledger,
        instrument=instrument,
        timeframe=timeframe,
        calendar=calendar,
        sessions=sessions,
        now=now,
        outliers=outliers,
    )
    newest = store.latest_open(instrument.id, timeframe)
    past = newest is None or _was_backfilling(series, newest)
    start = newest + (1 - look_again) * series.length if newest else now - history
    return _take_parts(series, start, now, past=past, resumes=True)


def ingest_range(
    source: MarketSource,
    store: BarStore,
    ledger: GapRecords,
    instrument: Instrument,
    *,
    timeframe: str,
    calendar: Calendar,
    sessions: Sequence[datetime],
    start: datetime,
    end: datetime,
    now: datetime,
    outliers: OutlierRules | None = None,
    again: bool = True,
    past: bool = True,
) -> Ingested:
    """Fetch the bars with ``start`` <= open time < ``end``, check and store them; equal ones add nothing.

    Without ``again`` nothing is asked for when every bar of the range is stored: so a backfill that died is
    taken on where it stopped. ``past``: the bars are taken as known after their close, not now.
    """
    series = _Series(
        source=source,
        store=store,
        ledger=ledger,
        instrument=instrument,
        timeframe=timeframe,
        calendar=calendar,
        sessions=sessions,
        now=now,
        outliers=outliers,
    )
    if not again and _is_stored(series, start, min(end, now - series.length + MICRO)):
        return series.nothing
    return _take_parts(series, start, end, past=past, resumes=False)


def _take_parts(series: _Series, start: datetime, end: datetime, *, past: bool, resumes: bool) -> Ingested:
    """Take [start, end) in pieces of at most ``PART_BARS`` bars, oldest first.

    ``resumes``: they follow on what is stored, and of a series that begins with what the source keeps nothing is
    missing; else the source must have kept them all (NotKept).
    """
    done = [series.nothing]
    while start < end:
        newest = series.store.latest_open(series.instrument.id, series.timeframe) if resumes else None
        beyond = min(end, start + PART_BARS * series.length)
        try:
            done.append(series.take(start, beyond, past=past, after=newest, source="ingest" if resumes else "backfill"))
        except NotKept as error:
            if not resumes or newest is not None or not start < error.first < end:
                raise
            beyond = error.first
        start = beyond
    return sum_by_name(done)[0]


def need_numbers(bars: pd.DataFrame, name: str) -> pd.DataFrame:
    """The bars, unless not one of them has all its numbers: then the answer means something else than it did.

    SeriesError then; a single bar without a number is left to the checks.
    """
    if len(bars) > 1 and np.isnan(bars[list(NUMBERS)].to_numpy(np.float64)).any(axis=1).all():
        raise SeriesError(
            f"no bar of {name} has all its numbers: the answer changed its shape; nothing of it was stored",
            state=SeriesState.CHANGED_SHAPE,
        )
    return bars


def _was_backfilling(series: _Series, newest: datetime) -> bool:
    """Whether the newest stored bar was fetched long after its time, and the next ones will be as well."""
    if series.now - newest < max(RESUME_AFTER, 2 * series.length):
        return False
    kept = series.store.read_bars([series.instrument.id], series.timeframe, newest, newest + MICRO)
    return bool(kept["assumed"].all())


def _is_stored(series: _Series, start: datetime, end: datetime) -> bool:
    expected = expected_opens(series.timeframe, start, end, calendar=series.calendar, sessions=series.sessions)
    if not len(expected):
        return False
    return bool(np.isin(expected, series.store.coverage(series.instrument.id, series.timeframe, start, end)).all())
