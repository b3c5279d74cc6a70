"""Market data and posts: one call each."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from tasks.artifacts import note_asset
from tasks.options import materialize_step, step
from tidemill.bootstrap import services
from tidemill.domain.errors import TransientError
from tidemill.domain.gaps import Gap
from tidemill.domain.market_events import MarketEventKind
from tidemill.domain.series import SeriesStatus
from tidemill.gap_repair import RepairSummary, measure_group, record_listings, record_missing, repair_series
from tidemill.ingest import (
    PART_BARS,
    BarFeed,
    IngestSummary,
    SeriesJob,
    StreamSummary,
    failed,
    follow_stream,
    ingest_bars,
    ingest_market_events,
    ingest_posts,
    ingest_range,
    status_of,
)
from tidemill.lineage import prune_payloads
from tidemill.ports import Pruned
from tidemill.quality import SeriesCompleteness


@materialize_step(name="ingest_bars", run_name="bars {instrument} {timeframe}", tags=["data"], retries=2)
def fetch_and_store_bars(instrument: str, timeframe: str) -> IngestSummary:
    """Fetch, check and store the newest bars of one series.

    As of the market clock. Calling it again adds nothing that is stored already. A series that its venue does not
    offer fails alone, with a SeriesError.
    """
    svc = services()
    feed, job = _feed_and_job(instrument, timeframe)
    look_again = svc.settings.ingest.look_again_bars
    summary = ingest_bars(feed, job, now=svc.clocks.market.now(), history=svc.markets.history, look_again=look_again)
    note_asset(instrument, timeframe, summary)
    return summary


@step(name="ingest_records", run_name="{kind} {instrument}", tags=["data"], retries=2)
def fetch_and_store_records(kind: str, instrument: str) -> IngestSummary:
    """Fetch and store the newest records of one kind and instrument.

    ``kind`` is the value of a MarketEventKind, as texts travel between flows. As of the market clock.
    """
    svc = services()
    source = svc.markets.sources.market_events(instrument.rpartition(".")[2])
    now, history = svc.clocks.market.now(), timedelta(hours=svc.settings.ingest.record_history_hours)
    return ingest_market_events(
        source, svc.stores.market_events, MarketEventKind(kind), instrument, now=now, history=history
    )


@step(name="ingest_posts", run_name="posts {source}", tags=["data"], retries=2)
def fetch_and_store_posts(source: str) -> IngestSummary:
    """Fetch, check, store and score the newest posts of one source.

    ``source`` is ``x``, ``reddit`` or ``news``, one that the settings name. As of the market clock.
    """
    svc = services()
    post_source = next(candidate for candidate in svc.markets.post_sources if candidate.source == source)
    return ingest_posts(post_source, svc.stores.market, bases=svc.markets.bases, now=svc.clocks.market.now())


@materialize_step(name="backfill_bars", run_name="backfill {instrument} {timeframe}", tags=["data"], retries=2)
def backfill_bars(instrument: str, timeframe: str, start: datetime, end: datetime, again: bool) -> IngestSummary:
    """Fetch, check and store the bars of one series in a range.

    ``start`` <= open time < ``end``, aware UTC. Without ``again`` nothing is asked for when every bar of the range is
    stored.
    """
    feed, job = _feed_and_job(instrument, timeframe)
    summary = ingest_range(feed, job, start=start, end=end, now=services().clocks.market.now(), again=again)
    note_asset(instrument, timeframe, summary)
    return summary


@step(name="record_missing", tags=["data"], retries=2)
def judge_gaps(start: datetime | None = None, end: datetime | None = None, *, follow: bool = False) -> list[Gap]:
    """Look for gaps, judge their causes with all instruments of a venue in view, and record what changed.

    ``start`` None: where the newest fetches began. ``end`` None: each series up to its newest answered fetch, or with
    ``follow`` up to now. Returns what is missing now.
    """
    svc = services()
    now = svc.clocks.market.now()
    looks = [
        record_missing(svc.stores.market, svc.stores.gaps, group, now=now, start=start, end=end, follow=follow)
        for group in svc.markets.groups
    ]
    return [gap for look in looks for gap in look]


@materialize_step(name="repair_series", run_name="repair {instrument} {timeframe}", tags=["data"], retries=2)
def repair_bars(instrument: str, timeframe: str, start: datetime, end: datetime, accepted: bool) -> RepairSummary:
    """Ask again for exactly what is missing or refused of one series."""
    feed, job = _feed_and_job(instrument, timeframe)
    now = services().clocks.market.now()
    summary = repair_series(feed, job, now=now, start=start, end=end, accepted=accepted)
    note_asset(instrument, timeframe, summary.ingest)
    return summary


@step(name="mark_series", tags=["data"])
def mark_series(summaries: list[IngestSummary]) -> list[SeriesStatus]:
    """Record the state in which each series was found; a store that takes no status has said so already.

    A status that could not be stored is among the answers all the same.
    """
    svc = services()
    now, statuses = svc.clocks.market.now(), []
    before = {status.key: status for status in svc.stores.series_status.load_statuses()}
    for summary in summaries:
        newest = svc.stores.market.latest_open(summary.name, summary.timeframe)
        status = status_of(summary, newest, before.get((summary.name, summary.timeframe)))
        with suppress(TransientError):
            svc.stores.series_status.record_status(status, now=now)
        statuses.append(status)
    return statuses


@step(name="mark_listings", tags=["data"], retries=2)
def mark_listings() -> list[SeriesStatus]:
    """Ask each venue since when and until when it lists what is kept, and record it."""
    svc = services()
    return record_listings(
        svc.markets.groups,
        svc.markets.offers.need,
        bars=svc.stores.market,
        statuses=svc.stores.series_status,
        now=svc.clocks.market.now(),
    )


@step(name="settle_holes", tags=["data"], retries=2)
def judge_repaired(start: datetime, end: datetime, repaired: list[RepairSummary]) -> list[Gap]:
    """Judge what a repair left; what nobody has is accepted.

    A repair that failed leaves its gaps open: only what was asked for again can be accepted.
    """
    svc = services()
    now = svc.clocks.market.now()
    looks = [
        record_missing(
            svc.stores.market, svc.stores.gaps, group, now=now, start=start, end=end, repaired=repaired, follow=True
        )
        for group in svc.markets.groups
    ]
    return [gap for look in looks for gap in look]


@step(name="measure_completeness", tags=["data"], retries=2)
def measure_completeness(days: int) -> list[SeriesCompleteness]:
    """Completeness of every series that is kept over the last ``days``.

    Up to now by the market clock, over every venue and timeframe; series that never had a bar due are left out.
    """
    svc = services()
    now = svc.clocks.market.now()
    since = now - timedelta(days=days)
    measured = [
        measure_group(svc.stores.market, svc.stores.gaps, group, now=now, since=since, follow=True)
        for group in svc.markets.groups
    ]
    return [series for group in measured for series in group]


@step(name="prune_answers", tags=["data"], retries=2)
def prune_answers(days: float) -> Pruned:
    """Delete raw answers older than ``days`` that no decision references, none with 0; what went and what stayed."""
    svc = services()
    return prune_payloads(svc.stores.market, svc.stores.ledger, now=svc.clocks.market.now(), days=days)


@step(name="stream_market", tags=["data"])
def follow_market(venue: str, seconds: float) -> StreamSummary:
    """Follow one venue's stream for so many seconds and fetch by request what it loses.

    ``seconds`` are of the wall clock. The stream is closed whatever happens.
    """
    svc = services()
    stream = svc.markets.sources.stream(venue)
    try:
        plan = svc.markets.stream_plan(venue, stream)
        return follow_stream(plan, seconds=seconds)
    finally:
        stream.close()


def watched_series() -> list[tuple[str, str]]:
    """Every series to keep as (instrument, timeframe), those that are decided on first.

    In the order of the groups, so that what is needed first is fetched first.
    """
    return [(name, group.timeframe) for group in services().markets.groups for name in group.names]


def _feed_and_job(instrument: str, timeframe: str) -> tuple[BarFeed, SeriesJob]:
    """Where bars of a series come from and go, and how they are judged; SeriesError when its venue has none."""
    svc = services()
    group = next(group for group in svc.markets.groups if group.timeframe == timeframe and instrument in group.names)
    return svc.markets.bar_feed(group.venue), group.job(svc.markets.offers.need(instrument, timeframe))


def backfill_parts(start: datetime, end: datetime) -> list[tuple[str, str, datetime, datetime]]:
    """The pieces of a backfill, oldest first: instrument, timeframe, start and end.

    A piece has at most ``PART_BARS`` bars of one series, so that a task that is retried repeats little. Oldest first
    over all series.
    """
    pieces = []
    for group in services().markets.groups:
        length = PART_BARS * group.length
        starts = [start + number * length for number in range(max(1, -(-(end - start) // length)))]
        pieces += [(name, group.timeframe, begin, min(end, begin + length)) for begin in starts for name in group.names]
    return sorted(pieces, key=lambda piece: piece[2])


def ingest_summaries(series: list[tuple[str, str]], states: list[Any]) -> list[IngestSummary]:
    """What became of each series or source: its result, or the failure that it alone met.

    ``states`` are those of the tasks, in the order of ``series``; a failed one does not raise here.
    """
    results = [state.result(raise_on_failure=False) for state in states]
    return [
        result if isinstance(result, IngestSummary) else failed(name, timeframe, result)
        for (name, timeframe), result in zip(series, results, strict=True)
    ]


def repair_summaries(series: list[tuple[str, str]], states: list[Any]) -> list[RepairSummary]:
    """What became of each repair: its result, or the failure that it alone met."""
    results = [state.result(raise_on_failure=False) for state in states]
    return [
        result if isinstance(result, RepairSummary) else RepairSummary(ingest=failed(name, timeframe, result))
        for (name, timeframe), result in zip(series, results, strict=True)
    ]
