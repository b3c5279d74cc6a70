"""Bars as they close, by stream; what the stream loses is fetched."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.parameters import Mode
from tasks.artifacts import publish_page
from tasks.data import follow_market, judge_gaps
from tidemill.bootstrap import services
from tidemill.reports import stream_page


@flow(name="stream_market", flow_run_name="stream_market-{mode}", log_prints=False)
def stream_market(
    mode: Mode = "paper", seconds: Annotated[float, Field(gt=0)] = 86_400.0, venue: str = ""
) -> dict[str, Any]:
    """Store each bar when the venue's stream has closed it, and fetch by request what a cut took.

    It announces nothing: decisions start from the schedule of ingest_market, which then finds little left to fetch.

    Args:
        mode: Must be the mode of the settings; a run of another mode is refused.
        seconds: How long to follow the stream; the run then brings every series up to now and ends.
        venue: A market of the settings. Empty: the venue that takes the orders.

    """
    svc = services()
    svc.trading.check_mode(mode)
    venue_name = venue or svc.settings.venue.name
    summary = follow_market(venue_name, seconds).to_json()
    judge_gaps()
    publish_page(f"stream-market-{mode}", stream_page(venue_name, summary), "What the stream brought")
    return summary
