"""New bars of every series: fetched, checked, stored, announced; and what else is kept of the venues."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import Emit, Mode
from tasks.artifacts import announce_bars, publish_page
from tasks.data import (
    fetch_and_store_bars,
    fetch_and_store_records,
    ingest_summaries,
    judge_gaps,
    mark_series,
    watched_series,
)
from tasks.options import finished, patiently, run_each
from tidemill.bootstrap import services
from tidemill.reports import ingest_page


@flow(name="ingest_market", flow_run_name="ingest_market-{mode}", log_prints=False)
def ingest_market(mode: Mode = "paper", emit: Emit = False) -> dict[str, Any]:
    """Fetch what is new of each series of every venue; one that fails, fails alone and is marked.

    Rejected bars go into quarantine; holes are recorded with their cause, never filled. With ``emit`` the event
    ``bars.ingested`` follows, which starts ``trade`` of the same mode.

    Args:
        mode: Must be the mode of the settings; a run of another mode is refused.
        emit: Announce the new bars, which starts trade. Only the schedule sets this.

    """
    svc = services()
    svc.trading.check_mode(mode)
    series, event_series = watched_series(), svc.markets.sources.recorded_events()
    futures = run_each(fetch_and_store_bars, series)
    records = patiently(fetch_and_store_records).map(*zip(*event_series, strict=True)) if event_series else []
    summaries = ingest_summaries(series, finished(futures))
    mark_series(summaries)
    judge_gaps()
    results = [summary.to_json() for summary in summaries]
    events = [
        summary.to_json()
        for summary in ingest_summaries([(name, kind) for kind, name in event_series], finished(records))
    ]
    publish_page(f"ingest-market-{mode}", ingest_page("Bars ingested", [*results, *events]), "Bars by instrument")
    as_of = svc.markets.grid.upcoming_as_of(svc.clocks.market.now())
    if emit and as_of is not None:
        announce_bars(as_of, results)
    return {"results": results, "records": events}
