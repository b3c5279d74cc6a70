"""The ledger against the venue; what differs is stopped until a person resumes it."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import Mode
from tasks import orders
from tasks.artifacts import publish_page
from tasks.options import patiently
from tidemill.bootstrap import services
from tidemill.domain.errors import TransientError
from tidemill.reports import reconcile_page


@flow(name="reconcile", flow_run_name="reconcile-{mode}", log_prints=False)
def reconcile(mode: Mode = "paper") -> dict[str, Any]:
    """Resolve orders in doubt, record fills, then compare orders, fills and balances to the last unit.

    Args:
        mode: Must be the mode of the settings; a run of another mode is refused.

    """
    svc = services()
    svc.trading.check_mode(mode)
    with orders.hold_account() as epoch:
        try:
            doubtful = patiently(orders.resolve_open_orders)(epoch)
            differences = patiently(orders.compare_account)()
        except TransientError as error:
            if svc.settings.mode != "replay":
                raise
            return {"skipped": f"venue down: {error}", "differences": []}
        frozen = orders.freeze_differences(differences, epoch) if differences else 0
    sentences = [difference.sentence for difference in differences]
    publish_page(f"reconcile-{mode}", reconcile_page(sentences, doubtful, frozen), "Ledger against venue")
    return {"differences": sentences, "doubtful": len(doubtful), "frozen": frozen}
