"""Recorded decisions and their orders looked at again: one call each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.options import step
from tidemill.bootstrap import rerun_recent, services, shortfalls
from tidemill.performance import Shortfall


@step(name="rerun_decisions", tags=["monitor"], retries=1)
def rerun_decisions(days: float, most: int) -> list[dict[str, Any]]:
    """Make the decisions of the last days again from stored inputs and compare."""
    return rerun_recent(services(), days, most)


@step(name="measure_shortfalls", tags=["monitor"], retries=2)
def measure_shortfalls(days: float) -> Sequence[Shortfall]:
    """Decision, arrival, fill and final price of every order, and what lay between them."""
    return shortfalls(services(), days)
