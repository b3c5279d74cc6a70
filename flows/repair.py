"""What is missing or refused asked for again, exactly that; announced as repaired, which never starts trade."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow

from flows.parameters import Mode
from tasks.artifacts import announce_bars, publish_page
from tasks.data import judge_gaps, judge_repaired, mark_listings, repair_bars, repair_summaries, watched_series
from tasks.options import finished, run_each
from tidemill.bootstrap import services
from tidemill.domain.market import EPOCH, require_range
from tidemill.reports import repair_page


@flow(name="repair", flow_run_name="repair-{mode}", log_prints=False)
def repair(
    start: datetime | None = None, end: datetime | None = None, mode: Mode = "paper", accepted: bool = False
) -> dict[str, Any]:
    """Ask again for every hole and every bar in quarantine, and judge what is left by all there is to know.

    Before, each venue is asked since when it lists what is kept, and whether it still does.

    A witness, if the settings name one, is asked as well. What decisions read before stays as it was.

    Args:
        start: First open time looked at (UTC). Empty: the beginning.
        end: Open times before this (UTC). Empty: now.
        mode: Must be the mode of the settings; a run of another mode is refused.
        accepted: Ask again also for what nobody had the last time.

    """
    svc = services()
    svc.trading.check_mode(mode)
    begin, until = require_range(start or EPOCH, end or svc.clocks.market.now())
    mark_listings()
    judge_gaps(begin, until, follow=True)
    series = watched_series()
    futures = run_each(repair_bars, [(*job, begin, until, accepted) for job in series])
    summaries = repair_summaries(series, finished(futures))
    open_gaps = judge_repaired(begin, until, summaries)
    results = [summary.to_json() for summary in summaries]
    publish_page(f"repair-{mode}", repair_page(results, open_gaps), "What was repaired and what is missing still")
    announce_bars(until, results, event="bars.repaired")
    return {"results": results, "missing": sum(summary.missing for summary in open_gaps)}
