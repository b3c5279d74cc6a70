"""Bars and posts judged: good, rejected with the reason; gaps with their cause, and completeness."""

from tidemill.quality.adjustments import AdjustedBars, adjust_as_of, adjust_bars, raw_factors
from tidemill.quality.bars import CheckedBars, check_bars
from tidemill.quality.completeness import (
    DayCompleteness,
    SeriesCompleteness,
    measure_days,
    measure_series,
    window_fraction,
)
from tidemill.quality.gaps import (
    Evidence,
    Neighbour,
    expected_opens,
    find_gaps,
    find_missing,
    judge_cause,
    revise_gaps,
)
from tidemill.quality.outliers import (
    OutlierRules,
    find_outliers,
    hash_bars,
    honour_quarantine,
    may_be_outlier,
    to_quarantine,
    trust,
)
from tidemill.quality.posts import CheckedPosts, check_posts

__all__ = [
    "AdjustedBars",
    "CheckedBars",
    "CheckedPosts",
    "DayCompleteness",
    "Evidence",
    "Neighbour",
    "OutlierRules",
    "SeriesCompleteness",
    "adjust_as_of",
    "adjust_bars",
    "check_bars",
    "check_posts",
    "expected_opens",
    "find_gaps",
    "find_missing",
    "find_outliers",
    "hash_bars",
    "honour_quarantine",
    "judge_cause",
    "may_be_outlier",
    "measure_days",
    "measure_series",
    "raw_factors",
    "revise_gaps",
    "to_quarantine",
    "trust",
    "window_fraction",
]
