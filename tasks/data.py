"""Market data and posts: one call each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tasks.options import step
from tidemill.bootstrap import services
from tidemill.domain.gaps import Hole
from tidemill.ingesting import Ingested, ingest_bars, ingest_posts, ingest_range
from tidemill.quality import SeriesCompleteness
from tidemill.repairing import Repaired, measure_group, record_missing, repair_series

PART_BARS = 5_000


@step(name="ingest_bars", run_name="bars {instrument}", tags=["data"], retries=2)
def fetch_and_store_bars(instrument: str) -> Ingested:
    """Fetch, check and store the newest bars of one instrument."""
    known = services()
    return ingest_bars(
        known.market_source,
        known.store,
        known.gaps,
        known.instruments[instrument],
        timeframe=known.settings.timeframe,
        calendar=known.settings.calendar,
        sessions=known.grid.sessions,
        now=known.market_clock.now(),
        history=known.history,
        doubts=known.doubts,
    )


@step(name="ingest_posts", run_name="posts {source}", tags=["data"], retries=2)
def fetch_and_store_posts(source: str) -> Ingested:
    """Fetch, check, store and score the newest posts of one source."""
    known = services()
    chosen = next(one for one in known.post_sources if one.source == source)
    return ingest_posts(chosen, known.store, bases=known.bases, now=known.market_clock.now())


@step(name="backfill_bars", run_name="backfill {instrument}", tags=["data"], retries=2)
def backfill_bars(instrument: str, start: datetime, end: datetime) -> Ingested:
    """Fetch, check and store the bars of one instrument in a range."""
    known = services()
    return ingest_range(
        known.market_source,
        known.store,
        known.gaps,
        known.instruments[instrument],
        timeframe=known.settings.timeframe,
        calendar=known.settings.calendar,
        sessions=known.grid.sessions,
        start=start,
        end=end,
        now=known.market_clock.now(),
        doubts=known.doubts,
    )


@step(name="record_missing", tags=["data"], retries=2)
def judge_holes(start: datetime | None = None, end: datetime | None = None, *, follow: bool = False) -> list[Hole]:
    """Look for holes, judge their causes with all instruments in view, and record what changed."""
    known = services()
    now = known.market_clock.now()
    return record_missing(known.store, known.gaps, known.series, now=now, start=start, end=end, follow=follow)


@step(name="repair_series", run_name="repair {instrument}", tags=["data"], retries=2)
def repair_bars(instrument: str, start: datetime, end: datetime, accepted: bool) -> Repaired:
    """Ask again for exactly what is missing or refused of one instrument."""
    known = services()
    return repair_series(
        known.market_source,
        known.store,
        known.gaps,
        known.instruments[instrument],
        known.series,
        now=known.market_clock.now(),
        start=start,
        end=end,
        accepted=accepted,
        doubts=known.doubts,
        witness=known.witness,
    )


@step(name="settle_holes", tags=["data"], retries=2)
def settle_holes(start: datetime, end: datetime, repaired: list[Repaired]) -> list[Hole]:
    """Judge what a repair left; what nobody has is accepted."""
    known = services()
    return record_missing(
        known.store,
        known.gaps,
        known.series,
        now=known.market_clock.now(),
        start=start,
        end=end,
        asked=[one.done.name for one in repaired if not one.done.failure],
        witness={one.done.name: one.witness for one in repaired if one.witness is not None},
        follow=True,
    )


@step(name="measure_completeness", tags=["data"], retries=2)
def measure_completeness(days: int) -> list[SeriesCompleteness]:
    """Completeness of every series of the universe over the last ``days``."""
    known = services()
    now = known.market_clock.now()
    since = now - timedelta(days=days)
    return measure_group(known.store, known.gaps, known.series, now=now, since=since, follow=True)


def backfill_parts(start: datetime, end: datetime) -> tuple[list[str], list[datetime], list[datetime]]:
    """The pieces of a backfill, oldest first: instruments, starts and ends side by side."""
    known = services()
    length = PART_BARS * known.series.length
    count = max(1, -(-(end - start) // length))
    starts = [start + number * length for number in range(count)]
    parts = [(name, begin, min(end, begin + length)) for begin in starts for name in known.instruments]
    return [one[0] for one in parts], [one[1] for one in parts], [one[2] for one in parts]


def outcomes(names: list[str], states: list[Any]) -> list[Ingested]:
    """What became of each name: its result, or the failure that it alone met."""
    found = []
    for name, state in zip(names, states, strict=True):
        result = state.result(raise_on_failure=False)
        found.append(result if isinstance(result, Ingested) else Ingested(name=name, failure=str(result)))
    return found


def repairs(names: list[str], states: list[Any]) -> list[Repaired]:
    """What became of each repair: its result, or the failure that it alone met."""
    found = []
    for name, state in zip(names, states, strict=True):
        result = state.result(raise_on_failure=False)
        failed = Ingested(name=name, failure=str(result))
        found.append(result if isinstance(result, Repaired) else Repaired(done=failed))
    return found
