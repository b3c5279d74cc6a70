"""Point-in-time features: the only as-of join."""

from tidemill.features.leaks import find_leaks
from tidemill.features.sentiment import SENTIMENT_FEATURES
from tidemill.features.table import CROSS_FEATURES, FEATURE_NAMES, build_features
from tidemill.features.window_rows import LARGEST_SPAN
from tidemill.features.windows import LOOKBACK

__all__ = [
    "CROSS_FEATURES",
    "FEATURE_NAMES",
    "LARGEST_SPAN",
    "LOOKBACK",
    "SENTIMENT_FEATURES",
    "build_features",
    "find_leaks",
]
