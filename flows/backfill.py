"""Older bars fetched for a range; announced as repaired, which never starts trade."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow

from flows.parameters import Mode
from tasks.data import backfill_bars, backfill_parts, judge_holes, outcomes
from tasks.options import patiently
from tasks.publishing import Progress, announce_bars, publish_page
from tidemill.bootstrap import services
from tidemill.domain.market import require_utc
from tidemill.ingesting import sum_by_name
from tidemill.reports import ingest_page


@flow(name="backfill", flow_run_name="backfill-{mode}-{start}", log_prints=False)
def backfill(
    start: datetime,
    end: datetime,
    mode: Mode = "paper",
) -> dict[str, Any]:
    """Fetch, check and store the bars of a range. What decisions read before stays as it was for them.

    Args:
        start: First open time wanted (UTC).
        end: Open times before this (UTC).
        mode: Must be the mode of the settings; a run of another mode is refused.

    """
    known = services()
    known.check_mode(mode)
    begin, until = require_utc(start, "start"), require_utc(end, "end")
    names, starts, ends = backfill_parts(begin, until)
    progress = Progress(f"Backfill of {len(known.instruments)} instruments", parts=len(names))
    futures = patiently(backfill_bars).map(names, starts, ends)
    for future in futures:
        future.wait()
        progress.advance()
    judge_holes(begin, until)
    results = [one.as_dict() for one in sum_by_name(outcomes(names, [future.state for future in futures]))]
    publish_page(f"backfill-{mode}", ingest_page("Bars backfilled", results), "Bars by instrument")
    announce_bars(until, results, event="bars.repaired")
    return {"results": results}
