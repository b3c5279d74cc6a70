"""A new candidate when one is due: trained, judged, registered, perhaps promoted."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import AsOf, Mode
from tasks.artifacts import publish_page
from tasks.models import (
    build_training_table,
    judge_candidate,
    load_champion,
    load_training_data,
    register_candidate,
    train_model,
)
from tidemill.bootstrap import services
from tidemill.model_training.candidates import describe, is_due
from tidemill.reports import training_page


@flow(name="retrain", flow_run_name="retrain-{mode}", log_prints=False)
def retrain(
    as_of: AsOf = None,
    mode: Mode = "paper",
    force: bool = False,
) -> dict[str, Any]:
    """Train on what was known at ``as_of``, judge honestly, and promote only what the policy allows.

    Args:
        as_of: The moment the decision pretends it is (UTC). Empty: the newest one already past.
        mode: Must be the mode of the settings; a run of another mode is refused.
        force: Train even when the champion is not due.

    """
    svc = services()
    svc.trading.check_mode(mode)
    moment = as_of or svc.clocks.market.now()
    champion = load_champion()
    if not force and not is_due(champion, moment, svc.settings.training.retrain_every_days):
        return {"trained": False, "champion": describe(champion)}
    data = load_training_data(moment)
    table = build_training_table(data)
    candidate = train_model(table, moment)
    verdict = judge_candidate(candidate, data)
    version = register_candidate(candidate, table, verdict, data.snapshot)
    publish_page(f"retrain-{mode}", training_page(candidate, verdict, version), "Candidate and verdict")
    return {
        "trained": True,
        "version": version,
        "verdict": verdict.text,
        "promoted": verdict.promote,
        "left_out": dict(data.left_out),
    }
