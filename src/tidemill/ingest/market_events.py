"""Trades, books, funding rates, open interest and adjustments from a source to the store."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from tidemill.domain.market_events import MarketEventKind
from tidemill.ingest.values import IngestSummary
from tidemill.ports import MarketEventSource, MarketEventStore

PART = {
    MarketEventKind.TRADES: timedelta(hours=1),
    MarketEventKind.FUNDING: timedelta(days=30),
    MarketEventKind.OPEN_INTEREST: timedelta(days=7),
    MarketEventKind.ADJUSTMENTS: timedelta(days=36_500),
}
"""Records fetched and stored at once: what a crash costs, and what memory holds."""


def ingest_market_events(
    source: MarketEventSource,
    store: MarketEventStore,
    kind: MarketEventKind,
    instrument: str,
    *,
    now: datetime,
    history: timedelta,
) -> IngestSummary:
    """Fetch records from the newest stored one (or ``history`` back) to ``now`` and store them part by part.

    Of books the one that stands now. What is of before the first fetch was not known to us when it happened: it
    is taken as known then, and marked as assumed. Errors of the source pass through.
    """
    if kind is MarketEventKind.BOOKS:
        book = source.fetch_market_events(kind, instrument, now, now)
        return IngestSummary(name=instrument, fetched=len(book), stored=store.write_market_events(kind, book, now=now))
    newest = store.latest_event(kind, instrument)
    # what comes again with the newest time adds nothing, what was missing at that time does
    start = now - history if newest is None else newest
    fetched = stored = 0
    while start < now:
        end = min(now, start + PART[kind])
        part = source.fetch_market_events(kind, instrument, start, end)
        events = as_past(part) if newest is None else part
        fetched += len(events)
        stored += store.write_market_events(kind, events, now=now)
        start = end
    return IngestSummary(name=instrument, fetched=fetched, stored=stored)


def as_past(records: pd.DataFrame) -> pd.DataFrame:
    """RECORDS taken as known when they happened, unless the source says when they were known.

    All of them are marked as assumed afterwards, those with a time of their own as well.
    """
    knowledge = records["event_time"].where(~records["assumed"], records["knowledge_time"])
    return records.assign(knowledge_time=knowledge.astype("datetime64[us, UTC]"), assumed=True)
