"""How good a run was, how sure that is, and what speaks against it: pure functions over marks and fills.

``returns`` and ``ratios`` state each formula and how it is annualised, ``positions`` how profit follows from fills,
``costs`` and ``shortfall`` what trading took, ``resampling`` and ``significance`` how sure a Sharpe ratio is,
``cautions`` what is warned of. ``figures`` are the results as values: :func:`measure` makes them of a
:class:`RunRecord`, and each has one ``to_json``. Money is Decimal, series and ratios are float64; NaN stands for
what is not defined.
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
