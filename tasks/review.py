"""Recorded decisions and their orders looked at again: one call each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from tasks.options import step
from tidemill.bootstrap import services
from tidemill.lineage import DatedRerun
from tidemill.performance import Shortfall


@step(name="rerun_decisions", tags=["monitor"], retries=1)
def rerun_decisions(days: float, limit: int) -> Sequence[DatedRerun]:
    """Make the decisions of the last days again from stored inputs and compare."""
    svc = services()
    since = svc.clocks.market.now() - timedelta(days=days)
    return svc.trading.reviewer.rerun_recent(since, limit)


@step(name="measure_shortfalls", tags=["monitor"], retries=2)
def measure_shortfalls(days: float) -> Sequence[Shortfall]:
    """Decision, arrival, fill and final price of every order, and what lay between them."""
    svc = services()
    now = svc.clocks.market.now()
    return svc.trading.reviewer.measure_shortfalls(now - timedelta(days=days), now)
