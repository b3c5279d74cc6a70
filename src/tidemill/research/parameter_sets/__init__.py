"""Many parameter sets over one period: what may vary, how one is tried, and what is kept of each.

Every set is a trial: it goes into a journal of its own file, so that a sweep that was stopped goes on where it
was, and into the trial ledger, so that a verdict on the best one knows how many were tried. ``engines`` is imported
where a set is run: it brings the compiled kernels, which must be told first where their code is kept.
"""

from tidemill.research.parameter_sets.journal import Journal
from tidemill.research.parameter_sets.outcomes import (
    FailedSet,
    Outcome,
    SetResult,
    best_of,
    failure_text,
    rank_outcomes,
)
from tidemill.research.parameter_sets.search import Search, propose
from tidemill.research.parameter_sets.spaces import (
    PARAMETERS,
    STRATEGY,
    Params,
    check_params,
    parameter_grid,
    plan_with,
    read_range,
    read_values,
)
from tidemill.research.parameter_sets.windows import Window, join_returns, make_windows

__all__ = [
    "PARAMETERS",
    "STRATEGY",
    "FailedSet",
    "Journal",
    "Outcome",
    "Params",
    "Search",
    "SetResult",
    "Window",
    "best_of",
    "check_params",
    "failure_text",
    "join_returns",
    "make_windows",
    "parameter_grid",
    "plan_with",
    "propose",
    "rank_outcomes",
    "read_range",
    "read_values",
]
