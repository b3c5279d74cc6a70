"""From a source to the store: fetch what is new, judge it, keep what is good, record what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from tidemill.domain.market import Calendar, Instrument, timeframe_seconds
from tidemill.ports import BarStore, EvidenceStore, MarketSource, PostSource, PostStore
from tidemill.quality import check_bars, check_posts
from tidemill.scoring import score_posts

POST_LOOKBACK = timedelta(days=7)
BACKFILL_DELAY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What came of one instrument or source; ``failure`` says why nothing did."""

    name: str
    fetched: int = 0
    stored: int = 0
    rejected: int = 0
    missing: int = 0
    scores: int = 0
    failure: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return asdict(self)


def ingest_bars(
    source: MarketSource,
    store: BarStore,
    evidence: EvidenceStore,
    instrument: Instrument,
    *,
    timeframe: str,
    calendar: Calendar,
    sessions: Sequence[datetime],
    now: datetime,
    history: timedelta,
) -> Ingested:
    """Fetch bars from the newest stored one (or ``history`` back) to ``now``, check and store them.

    TransientError and DataError of the source pass through: the caller lets this instrument fail alone.
    """
    length = timedelta(seconds=timeframe_seconds(timeframe))
    newest = store.latest_open(instrument.id, timeframe)
    fetched = source.fetch_bars(instrument.id, timeframe, newest + length if newest else now - history, now)
    if newest is None:
        fetched = as_backfilled(fetched, timeframe)
    return store_checked(
        fetched,
        store,
        evidence,
        instrument,
        timeframe=timeframe,
        calendar=calendar,
        sessions=sessions,
        now=now,
        after=newest,
    )


def ingest_range(
    source: MarketSource,
    store: BarStore,
    evidence: EvidenceStore,
    instrument: Instrument,
    *,
    timeframe: str,
    calendar: Calendar,
    sessions: Sequence[datetime],
    start: datetime,
    end: datetime,
    now: datetime,
) -> Ingested:
    """Fetch the bars with ``start`` <= open time < ``end``, check and store them; equal ones add nothing."""
    fetched = as_backfilled(source.fetch_bars(instrument.id, timeframe, start, end), timeframe)
    return store_checked(
        fetched,
        store,
        evidence,
        instrument,
        timeframe=timeframe,
        calendar=calendar,
        sessions=[one for one in sessions if start <= one < end],
        now=now,
        after=None,
    )


def as_backfilled(bars: pd.DataFrame, timeframe: str) -> pd.DataFrame:
    """BARS of the past, taken as known a second after their close and marked as assumed.

    They were received just now, long after anybody could have decided on them; without the assumption no
    history could ever be trained on. When they were stored stays on record.
    """
    known = bars["open_time"] + pd.Timedelta(seconds=timeframe_seconds(timeframe)) + BACKFILL_DELAY
    return bars.assign(knowledge_time=known.astype("datetime64[us, UTC]"), assumed=True)


def store_checked(
    bars: pd.DataFrame,
    store: BarStore,
    evidence: EvidenceStore,
    instrument: Instrument,
    *,
    timeframe: str,
    calendar: Calendar,
    sessions: Sequence[datetime],
    now: datetime,
    after: datetime | None,
) -> Ingested:
    """Check BARS, store the good ones and the gaps since the bar that opened at ``after``."""
    length = timedelta(seconds=timeframe_seconds(timeframe))
    expected = [one for one in sessions if (after is None or one > after) and one + length <= now]
    checked = check_bars(
        bars,
        instrument=instrument,
        timeframe=timeframe,
        as_of=now,
        calendar=calendar,
        expected_from=after + length if after and len(bars) else None,
        sessions=expected,
    )
    stored = store.write_bars(timeframe, checked.good, now=now)
    if len(checked.gaps):
        evidence.write_gaps(checked.gaps, now=now)
    return Ingested(
        name=instrument.id,
        fetched=len(bars),
        stored=stored,
        rejected=len(checked.rejected),
        missing=int(checked.gaps["missing"].sum()) if len(checked.gaps) else 0,
    )


def ingest_posts(source: PostSource, store: PostStore, *, bases: Sequence[str], now: datetime) -> Ingested:
    """Fetch posts since the newest known of this source (at most a week back), check, store and score them."""
    recent = store.read_posts(now - POST_LOOKBACK, now)
    times: Any = recent.loc[recent["source"] == source.source, "event_time"] if len(recent) else []
    start = max(times).to_pydatetime() if len(times) else now - POST_LOOKBACK
    fetched = source.fetch_posts(start, now)
    stored, rejected, scores = store_posts(fetched, store, bases=bases, now=now)
    return Ingested(name=source.source, fetched=len(fetched), stored=stored, rejected=rejected, scores=scores)


def store_posts(posts: pd.DataFrame, store: PostStore, *, bases: Sequence[str], now: datetime) -> tuple[int, int, int]:
    """Check, store and score POSTS; return (stored, rejected, scores)."""
    checked = check_posts(posts, as_of=now)
    stored = store.write_posts(checked.good, now=now)
    scored = store.write_scores(score_posts(checked.good, bases=bases), now=now) if len(checked.good) else 0
    return stored, len(checked.rejected), scored
