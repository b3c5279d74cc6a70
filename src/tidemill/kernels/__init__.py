"""The rules of trading as compiled loops over dense time x instrument arrays, in float64.

Numpy and numba only. Machine code is kept beside these files, or in NUMBA_CACHE_DIR where that is set
before the first import; what starts a fast backtest points it into the settings' HOME.
"""

from tidemill.kernels.rules import run_cross, run_rebalance
from tidemill.kernels.signals import (
    bar_return,
    bar_volatility,
    inverse_volatility,
    reversion_rows,
    sma_cross,
    trend_strength,
)
from tidemill.kernels.simulators import STAKE, WEIGHT, run_forecasts, run_targets
from tidemill.kernels.values import (
    CASH,
    DROPPED,
    FEES,
    FORECASTS,
    MARK,
    NEAR_CASES,
    PRICE,
    STATE_NAMES,
    VETOED,
    VOLUME,
    Bounds,
    Costs,
    Signals,
    Sizing,
    State,
    Trail,
    make_market,
    make_steps,
    make_trail,
    open_state,
)

__all__ = [
    "CASH",
    "DROPPED",
    "FEES",
    "FORECASTS",
    "MARK",
    "NEAR_CASES",
    "PRICE",
    "STAKE",
    "STATE_NAMES",
    "VETOED",
    "VOLUME",
    "WEIGHT",
    "Bounds",
    "Costs",
    "Signals",
    "Sizing",
    "State",
    "Trail",
    "bar_return",
    "bar_volatility",
    "inverse_volatility",
    "make_market",
    "make_steps",
    "make_trail",
    "open_state",
    "reversion_rows",
    "run_cross",
    "run_forecasts",
    "run_rebalance",
    "run_targets",
    "sma_cross",
    "trend_strength",
]
