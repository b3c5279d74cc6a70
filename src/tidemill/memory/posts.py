"""Posts from a frame in memory, up to the market clock, by the rules of the sources on the wire."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from tidemill.domain.market import to_micros
from tidemill.ports import POST_COLUMNS, Clock


class MemoryPostSource:
    """Serves the rows of POSTS whose source is ``source``, as they are; nothing created after the market clock.

    Of several rows with one post_id the first counts.
    """

    def __init__(self, posts: pd.DataFrame, market_clock: Clock, *, source: str = "reddit") -> None:
        own = posts.loc[posts["source"] == source, list(POST_COLUMNS)].drop_duplicates("post_id")
        self._posts = own.sort_values(["event_time", "post_id"], ignore_index=True)
        self._times = self._posts["event_time"].to_numpy("datetime64[us]").astype("int64")
        self._market_clock = market_clock
        self._source = source

    @property
    def source(self) -> str:
        """``x``, ``reddit`` or ``news``."""
        return self._source

    def fetch_posts(self, start: datetime, end: datetime) -> pd.DataFrame:
        """POSTS with ``start`` <= event_time < ``end``, ascending; may be empty.

        What was created after the market clock's time is left out, however late ``end`` is.
        """
        beyond = min(to_micros(end), to_micros(self._market_clock.now()) + 1)
        inside = (self._times >= to_micros(start)) & (self._times < beyond)
        return self._posts[inside].reset_index(drop=True)
