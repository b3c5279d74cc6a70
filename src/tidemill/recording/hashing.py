"""What makes two recordings the same data."""

from __future__ import annotations

import hashlib

import pandas as pd

from tidemill.recording.values import SERIES_COLUMNS, Recording


def hash_recording(recording: Recording) -> str:
    """SHA-256 hex digest over bars, posts and funding rates; title, file names and the order of series do not count.

    It takes time in proportion to the bars. Prices count bit by bit, as float64.
    """
    digest = hashlib.sha256()
    # sorted, since the order of tables in a recording's file says nothing of its data
    for series in sorted(recording.series, key=lambda series: (series.instrument.id, series.timeframe)):
        digest.update(f"{series.instrument.id} {series.timeframe} {len(series.bars)}\n".encode())
        digest.update(series.open_micros.tobytes())
        for name in SERIES_COLUMNS[1:]:
            digest.update(series.bars[name].to_numpy(dtype="float64").tobytes())
    for funding in sorted(recording.funding, key=lambda funding: funding.instrument):
        digest.update(f"funding {funding.instrument} {len(funding.rates)}\n".encode())
        digest.update(funding.event_micros.tobytes())
        digest.update(funding.rates["rate"].to_numpy(dtype="float64").tobytes())
    posts = pd.util.hash_pandas_object(recording.posts, index=False)
    digest.update(f"posts {len(posts)}\n".encode())
    digest.update(posts.to_numpy().tobytes())
    return digest.hexdigest()
