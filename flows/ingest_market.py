"""New bars of every instrument: fetched, checked, stored, announced."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import Emit, Mode
from tasks.data import fetch_and_store_bars, judge_holes, outcomes
from tasks.options import patiently
from tasks.publishing import announce_bars, publish_page
from tidemill.bootstrap import services
from tidemill.reports import ingest_page


@flow(name="ingest_market", flow_run_name="ingest_market-{mode}", log_prints=False)
def ingest_market(mode: Mode = "paper", emit: Emit = False) -> dict[str, Any]:
    """Fetch what is new of each instrument of the universe; one that fails, fails alone.

    Rejected bars go into quarantine; holes are recorded with their cause, never filled. With ``emit`` the event
    ``bars.ingested`` follows, which starts ``trade`` of the same mode.

    Args:
        mode: Must be the mode of the settings; a run of another mode is refused.
        emit: Announce the new bars, which starts trade. Only the schedule sets this.

    """
    known = services()
    known.check_mode(mode)
    names = list(known.instruments)
    states = patiently(fetch_and_store_bars).map(names)
    for state in states:
        state.wait()
    results = [one.as_dict() for one in outcomes(names, [future.state for future in states])]
    judge_holes()
    publish_page(f"ingest-market-{mode}", ingest_page("Bars ingested", results), "Bars by instrument")
    as_of = known.grid.upcoming_as_of(known.market_clock.now())
    if emit and as_of is not None:
        announce_bars(as_of, results)
    return {"results": results}
