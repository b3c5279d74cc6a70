"""Many parameter sets over one period: what may vary, how one is tried, and what is kept of each.

Every set is a trial: it goes into a journal of its own file, so that a sweep that was stopped goes on where it
was, and into the trial ledger, so that a verdict on the best one knows how many were tried.
"""

from tidemill.research.sweeps.engines import Engine, ExactEngine, FastEngine, open_engine
from tidemill.research.sweeps.journal import Journal
from tidemill.research.sweeps.outcomes import Failed, Found, Outcome, best_of, rank_outcomes
from tidemill.research.sweeps.search import Search, propose
from tidemill.research.sweeps.spaces import (
    PARAMETERS,
    STRATEGY,
    Params,
    check_params,
    parameter_grid,
    plan_with,
    read_range,
    read_values,
)
from tidemill.research.sweeps.windows import Window, join_returns, make_windows

__all__ = [
    "PARAMETERS",
    "STRATEGY",
    "Engine",
    "ExactEngine",
    "Failed",
    "FastEngine",
    "Found",
    "Journal",
    "Outcome",
    "Params",
    "Search",
    "Window",
    "best_of",
    "check_params",
    "join_returns",
    "make_windows",
    "open_engine",
    "parameter_grid",
    "plan_with",
    "propose",
    "rank_outcomes",
    "read_range",
    "read_values",
]
