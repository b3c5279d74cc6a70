"""Whether the account did what it decided, and what that cost."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.parameters import Mode
from tasks.artifacts import publish_page, publish_table
from tasks.review import measure_shortfalls, rerun_decisions
from tidemill.bootstrap import services
from tidemill.pages import rerun_rows, review_page, shortfall_rows


@flow(name="shortfall", flow_run_name="shortfall-{mode}", log_prints=False)
def shortfall(
    mode: Mode = "paper",
    days: Annotated[float, Field(gt=0)] = 1.0,
    most: Annotated[int, Field(gt=0)] = 100,
) -> dict[str, Any]:
    """Make the decisions of the last days again from stored inputs, and tell what each order cost beside them.

    It sends nothing and changes nothing. A decision that comes out otherwise is named with its differences.

    Args:
        mode: Must be the mode of the settings; a run of another mode is refused.
        days: How far back to look, on the market clock.
        most: How many decisions to make again at most, evenly spread.

    """
    services().trading.check_mode(mode, live=services().settings.live)
    reruns = [rerun.to_json() for rerun in rerun_decisions(days, most)]
    shortfalls = measure_shortfalls(days)
    publish_page(f"shortfall-{mode}", review_page(reruns, shortfalls), "Decisions made again and what they cost")
    publish_table(f"shortfall-decisions-{mode}", rerun_rows(reruns), "Decisions made again from stored inputs")
    rows = shortfall_rows(shortfalls)
    publish_table(f"shortfall-orders-{mode}", rows, "Implementation shortfall per order, in quote units")
    return {"decisions": len(reruns), "different": [rerun for rerun in reruns if not rerun["same"]], "orders": rows}
