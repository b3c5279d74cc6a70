"""Fewer points for the eye, with every peak and trough kept.

A screen has some 2,000 columns: more points make the page larger and the chart no finer.
"""

from __future__ import annotations

import numpy as np

MOST_POINTS = 2000


def keep_shape(values: np.ndarray, max_points: int = MOST_POINTS) -> np.ndarray:
    """Ascending row numbers: all of at most ``max_points`` values, else the ends and each bucket's lowest and highest.

    NaN is never kept in a thinned series but at its ends.
    """
    count = len(values)
    if count <= max_points:
        return np.arange(count)
    rows = {0, count - 1}
    for bucket in np.array_split(np.arange(count), max_points // 2):
        part = values[bucket]
        if not np.all(np.isnan(part)):
            rows |= {int(bucket[np.nanargmin(part)]), int(bucket[np.nanargmax(part)])}
    return np.array(sorted(rows))


def keep_every(count: int, max_points: int = MOST_POINTS) -> np.ndarray:
    """Ascending row numbers, evenly spread, at most ``max_points``, the first and last among them.

    For series that must share their moments; peaks between the rows are lost.
    """
    return np.unique(np.linspace(0, count - 1, min(count, max_points)).round().astype(int)) if count else np.arange(0)
