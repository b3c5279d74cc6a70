"""Market data and posts: one call each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tasks.options import step
from tidemill.bootstrap import services
from tidemill.ingesting import Ingested, ingest_bars, ingest_posts, ingest_range


@step(name="ingest_bars", run_name="bars {instrument}", tags=["data"], retries=2)
def fetch_and_store_bars(instrument: str) -> Ingested:
    """Fetch, check and store the newest bars of one instrument."""
    known = services()
    return ingest_bars(
        known.market_source,
        known.store,
        known.store,
        known.instruments[instrument],
        timeframe=known.settings.timeframe,
        calendar=known.settings.calendar,
        sessions=known.grid.sessions,
        now=known.market_clock.now(),
        history=known.history,
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
        known.store,
        known.instruments[instrument],
        timeframe=known.settings.timeframe,
        calendar=known.settings.calendar,
        sessions=known.grid.sessions,
        start=start,
        end=end,
        now=known.market_clock.now(),
    )


def outcomes(names: list[str], states: list[Any]) -> list[Ingested]:
    """What became of each name: its result, or the failure that it alone met."""
    found = []
    for name, state in zip(names, states, strict=True):
        result = state.result(raise_on_failure=False)
        found.append(result if isinstance(result, Ingested) else Ingested(name=name, failure=str(result)))
    return found
