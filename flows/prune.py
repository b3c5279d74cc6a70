"""What is kept no longer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from prefect import flow

from flows.parameters import Mode
from tasks.artifacts import publish_table
from tasks.data import prune_answers
from tidemill.bootstrap import services
from tidemill.reports.retention import pruned_rows


@flow(name="prune", flow_run_name="prune-{mode}", log_prints=False)
def prune(mode: Mode = "paper") -> dict[str, Any]:
    """Delete raw answers older than the setting retention.payload_days, and tell how many went and stayed.

    With 0, the default, none is deleted. What a recorded decision references is never deleted. To delete by
    another age once, there is 'tidemill data prune --older-than DAYS'.

    Args:
        mode: Must be the mode of the settings; a run of another mode is refused.

    """
    svc = services()
    svc.trading.check_mode(mode, live=svc.settings.live)
    days = svc.settings.retention.payload_days
    pruned = prune_answers(days)
    age = f"Raw answers older than {days:g} days" if days else "All raw answers are kept (retention.payload_days is 0)"
    publish_table(f"prune-{mode}", pruned_rows(pruned), age)
    return asdict(pruned)
