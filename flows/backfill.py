"""Older bars fetched for a range; announced as repaired, which never starts trade."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow

from flows.parameters import Mode, RunName
from tasks.artifacts import Progress, announce_bars, publish_page
from tasks.data import backfill_bars, backfill_parts, ingest_summaries, judge_gaps, mark_series
from tasks.options import finished, run_each
from tidemill.bootstrap import services
from tidemill.domain.market import require_range
from tidemill.ingest import sum_by_name
from tidemill.reports import ingest_page


@flow(name="backfill", flow_run_name=RunName("backfill-{mode}-{start}"), log_prints=False)
def backfill(
    start: datetime,
    end: datetime,
    mode: Mode = "paper",
    again: bool = False,
) -> dict[str, Any]:
    """Fetch, check and store the bars of a range, part by part. What decisions read before stays as it was for them.

    A run after one that died goes on where that one stopped.

    Args:
        start: First open time wanted (UTC).
        end: Open times before this (UTC).
        mode: Must be the mode of the settings; a run of another mode is refused.
        again: Ask also for parts of which every bar is stored, to find what the venue revised since.

    """
    svc = services()
    svc.trading.check_mode(mode)
    begin, until = require_range(start, end)
    pieces = backfill_parts(begin, until)
    series = [(name, timeframe) for name, timeframe, _, _ in pieces]
    progress = Progress(f"Backfill of {len(set(series))} series", parts=len(pieces))
    futures = run_each(backfill_bars, [(*piece, again) for piece in pieces])
    for future in futures:
        future.wait()
        progress.advance()
    summaries = sum_by_name(ingest_summaries(series, finished(futures)))
    mark_series(summaries)
    judge_gaps(begin, until)
    results = [summary.to_json() for summary in summaries]
    publish_page(f"backfill-{mode}", ingest_page("Bars backfilled", results), "Bars by instrument")
    announce_bars(until, results, event="bars.repaired")
    return {"results": results}
