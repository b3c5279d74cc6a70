"""What should have happened and did not."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import Mode
from tasks.monitoring import find_stops, find_undecided, rerun_sample
from tasks.publishing import publish_page
from tidemill.bootstrap import services
from tidemill.reports import monitor_page


@flow(name="monitor", flow_run_name="monitor-{mode}", log_prints=False)
def monitor(mode: Mode = "paper") -> dict[str, Any]:
    """Report every as_of of the last day without a decision, stops in force, and re-run the newest decision.

    Args:
        mode: Must be the mode of the settings; a run of another mode is refused.

    """
    services().check_mode(mode, live=services().settings.live)
    undecided = find_undecided()
    stops = find_stops()
    rerun = rerun_sample()
    publish_page(f"monitor-{mode}", monitor_page(undecided, stops, rerun), "Health")
    return {"undecided": undecided, "stops": stops, "rerun": rerun}
