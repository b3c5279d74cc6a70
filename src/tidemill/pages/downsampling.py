"""Fewer points for the eye, with every peak and trough kept."""

from __future__ import annotations

import numpy as np

MOST_POINTS = 2000


def keep_shape(values: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """Ascending row numbers: all of at most ``most`` values, else the ends and each bucket's lowest and highest.

    NaN is never kept in a thinned series but at its ends.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    kept = {0, count - 1}
    for bucket in np.array_split(np.arange(count), most // 2):
        part = values[bucket]
        if not np.all(np.isnan(part)):
            kept |= {int(bucket[np.nanargmin(part)]), int(bucket[np.nanargmax(part)])}
    return np.array(sorted(kept))


def keep_every(count: int, most: int = MOST_POINTS) -> np.ndarray:
    """Ascending row numbers, evenly spread, at most ``most``, the first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)) if count else np.arange(0)
