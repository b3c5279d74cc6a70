"""History through compiled loops in float64: the fast speed, for a declared subset of the rules.

Verdicts and reports use exact; this one is for looking and sweeping. From the same state its orders differ
from exact's by at most one lot, except where a deciding quantity lies within 1e-9 of a threshold; such
cases are counted.
"""

from tidemill.research.fast_backtest.coverage import check_subset
from tidemill.research.fast_backtest.dense import DenseMarket, build_dense
from tidemill.research.fast_backtest.run import (
    FastResult,
    make_bounds,
    make_costs,
    make_sizing,
    run_dense,
    run_fast_backtest,
)
from tidemill.research.fast_backtest.trades import make_trades

__all__ = [
    "DenseMarket",
    "FastResult",
    "build_dense",
    "check_subset",
    "make_bounds",
    "make_costs",
    "make_sizing",
    "make_trades",
    "run_dense",
    "run_fast_backtest",
]
