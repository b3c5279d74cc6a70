"""What should have happened and did not."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import Mode
from tasks.artifacts import publish_page, publish_table
from tasks.data import judge_gaps, measure_completeness
from tasks.monitor import find_stops, find_undecided, rerun_sample
from tidemill.bootstrap import services
from tidemill.reports import completeness_days, completeness_rows, monitor_page

COMPLETENESS_DAYS = 30


@flow(name="monitor", flow_run_name="monitor-{mode}", log_prints=False)
def monitor(mode: Mode = "paper") -> dict[str, Any]:
    """Report every as_of of the last day without a decision, stops in force, and re-run the newest decision.

    Completeness of the last thirty days follows as tables: per series with causes, and per day.

    Args:
        mode: Must be the mode of the settings; a run of another mode is refused.

    """
    services().trading.check_mode(mode, live=services().settings.live)
    undecided = find_undecided()
    stops = find_stops()
    rerun = rerun_sample().to_json()
    publish_page(f"monitor-{mode}", monitor_page(undecided, stops, rerun), "Health")
    judge_gaps(follow=True)
    measured = measure_completeness(COMPLETENESS_DAYS)
    series, days = (
        completeness_rows(measured, services().stores.series_status.load_statuses()),
        completeness_days(measured),
    )
    publish_table(f"completeness-{mode}", series, "Per series: expected, stored, repaired, missing with cause")
    publish_table(f"completeness-days-{mode}", days, "Per day: expected, stored, figure")
    return {"undecided": undecided, "stops": stops, "rerun": rerun, "completeness": series}
