"""Feature rows become forecasts or targets: by a rule that ships, by the champion, or by a strategy of one's own.

A strategy of one's own is one file; it may import everything that stands here::

    FEATURES = ("ret_168", "vol_72")    # an instrument without all of these gets no forecast
    HORIZON_BARS = 168

    def decide(view):
        return {name: 0.5 if row["ret_168"] > 0 else 0.0 for name, row in view.features.iterrows()}
"""

from tidemill.domain.errors import StrategyError
from tidemill.forecasting.forecasts import Forecasts, make_forecasts
from tidemill.forecasting.rows import FeatureRows, as_rows
from tidemill.forecasting.shipped import (
    FULL_DEVIATIONS,
    HOURLY_HORIZONS,
    PRICE_RULES,
    REVERSION_BARS,
    SESSION_HORIZONS,
    SHIPPED,
    STRATEGIES,
    VOLATILITY,
    VOLATILITY_BARS,
    Model,
    Reversion,
    Trend,
    bars_per_year,
    find_shipped,
    horizons,
    model_strengths,
    reversion_strengths,
    trend_strengths,
)
from tidemill.forecasting.strategy import Holdings, Strategy, Targets, View, Wish

__all__ = [
    "FULL_DEVIATIONS",
    "HOURLY_HORIZONS",
    "PRICE_RULES",
    "REVERSION_BARS",
    "SESSION_HORIZONS",
    "SHIPPED",
    "STRATEGIES",
    "VOLATILITY",
    "VOLATILITY_BARS",
    "FeatureRows",
    "Forecasts",
    "Holdings",
    "Model",
    "Reversion",
    "Strategy",
    "StrategyError",
    "Targets",
    "Trend",
    "View",
    "Wish",
    "as_rows",
    "bars_per_year",
    "find_shipped",
    "horizons",
    "make_forecasts",
    "model_strengths",
    "reversion_strengths",
    "trend_strengths",
]
