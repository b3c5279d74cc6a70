"""How good a run was, how sure that is, and what speaks against it: pure functions over marks and fills.

``returns`` and ``ratios`` tell each formula and how it is annualised, ``booking`` how profit is told from fills,
``resampling`` and ``significance`` how sure a Sharpe ratio is, ``cautions`` what is warned of.
"""

from tidemill.performance.figures import Headline, Performance
from tidemill.performance.measurement import curve_sharpe, measure, run_sharpe
from tidemill.performance.positions import Closing, InstrumentBook
from tidemill.performance.record import DecidedOrder, RunRecord, decided_orders
from tidemill.performance.shortfall import Shortfall, ShortfallSum, measure_shortfall, sum_shortfalls

__all__ = [
    "Closing",
    "DecidedOrder",
    "Headline",
    "InstrumentBook",
    "Performance",
    "RunRecord",
    "Shortfall",
    "ShortfallSum",
    "curve_sharpe",
    "decided_orders",
    "measure",
    "measure_shortfall",
    "run_sharpe",
    "sum_shortfalls",
]
