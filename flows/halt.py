"""Stop everything; optionally sell all positions first."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import Because, Mode
from flows.trade import carry_out
from tasks import decision as decide
from tasks import halt as halting
from tasks import orders
from tasks.artifacts import publish_page
from tidemill.bootstrap import services
from tidemill.domain.errors import DataError


@flow(name="halt", flow_run_name="halt-{mode}", log_prints=False)
def halt(
    because: Because,
    mode: Mode = "paper",
    flatten: bool = False,
) -> dict[str, Any]:
    """Write the stop that every send checks, and cancel what rests. A person resumes with `tidemill resume`.

    With ``flatten`` the account's lease keeps all other runs out while the positions are sold; the
    stop is written whatever becomes of that.

    Args:
        because: Why; required for another attempt and for a halt.
        mode: Must be the mode of the settings; a run of another mode is refused.
        flatten: First sell all positions, each intent placed exactly once.

    """
    if not because.strip():
        raise DataError("a halt needs a reason; give it as 'because'")
    services().trading.check_mode(mode, live=services().settings.live)
    sold: list[str] = []
    try:
        if flatten:
            sold = sell_everything()
    finally:
        stopped = halting.stop_trading(because)
    cancelled = halting.cancel_open_orders()
    page = f"# Halted\n\n{because}\n\n{cancelled} open orders cancelled, {len(sold)} sells sent.\n"
    publish_page(f"halt-{mode}", page, "Halt")
    return {"stopped": stopped, "cancelled": cancelled, "sold": sold}


def sell_everything() -> list[str]:
    """A decision of the strategy `halt`: every position to zero."""
    with orders.hold_account() as epoch:
        orders.resolve_open_orders(epoch)
        account = orders.load_portfolio()
        key = halting.next_halt_key()
        market = decide.load_market(key.as_of)
        decision = halting.record_flat_decision(key, market, account.portfolio, epoch)
        return [order.intent.intent_id for order in carry_out(decision, epoch)]
