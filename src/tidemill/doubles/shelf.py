"""The recorded posts of one site, in order, so that any page of them is found without reading the rest.

Sites page by position: the newest first, below or above a post. With positions in order of time a page is a slice, and
what lies after the market clock is cut off by one bisection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from tidemill.domain.market import from_micros, to_micros
from tidemill.doubles.queries import compile_query

SECOND = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPost:
    """One post as a site tells it; ``created_at`` in whole seconds, as all three sites have it.

    ``post_id`` is the site's own. ``title`` and ``text`` are empty, never None, where the recording has none.
    """

    post_id: str
    channel: str
    created_at: datetime
    title: str
    text: str


class Shelf:
    """Posts of one source by (event_time, post_id); of posts with one id the first stays.

    Positions are int64 arrays of row numbers, ascending in time. Those of a query or of channels are
    found once and kept.
    """

    def __init__(self, posts: pd.DataFrame, source: str) -> None:
        rows = posts[posts["source"] == source].drop_duplicates("post_id")
        rows = rows.sort_values(["event_time", "post_id"], kind="stable")
        self.times = rows["event_time"].to_numpy("datetime64[us]").astype(np.int64)
        self._ids = [str(value) for value in rows["post_id"]]
        self._channels = [str(value) for value in rows["channel"]]
        self._titles = [str(value) for value in rows["title"].fillna("")]
        self._texts = [str(value) for value in rows["text"].fillna("")]
        self._positions = {ident: number for number, ident in enumerate(self._ids)}
        self._found: dict[tuple[str, ...], np.ndarray] = {}

    def matching(self, query: str) -> np.ndarray:
        """Positions of the posts that QUERY finds in title and text; DataError when it cannot be read.

        int64 (matches,), ascending, empty when nothing matches. Posts after the market clock are among them: cut with
        :meth:`between`. The array is kept and shared, so it must not be changed.
        """
        key = ("query", query)
        if key not in self._found:
            # On a line of their own each, so that a phrase never spans title and text.
            words = [f"{title}\n{text}" for title, text in zip(self._titles, self._texts, strict=True)]
            self._found[key] = np.flatnonzero(compile_query(query)(words))
        return self._found[key]

    def of_channels(self, names: Iterable[str]) -> np.ndarray:
        """Positions of the posts of these channels, whatever the case of their names.

        int64 (posts,), ascending; a channel that has no posts adds nothing. The array is kept and shared.
        """
        channels = tuple(sorted({name.lower() for name in names}))
        key = ("channels", *channels)
        if key not in self._found:
            inside = (number for number, name in enumerate(self._channels) if name.lower() in channels)
            self._found[key] = np.fromiter(inside, dtype=np.int64)
        return self._found[key]

    def between(self, positions: np.ndarray, start: datetime, end: datetime) -> np.ndarray:
        """Those of ``positions`` with ``start`` <= event_time < ``end``.

        A view of ``positions``, which must be ascending; empty when nothing lies between.
        """
        low, high = np.searchsorted(self.times[positions], [to_micros(start), to_micros(end)])
        return positions[low:high]

    def position(self, post_id: str) -> int | None:
        """Where the post stands, or None.

        Any post of the source, also one that lies after the market clock.
        """
        return self._positions.get(post_id)

    def read(self, position: int) -> RecordedPost:
        """The post at ``position``."""
        seconds = int(self.times[position]) // SECOND
        return RecordedPost(
            post_id=self._ids[position],
            channel=self._channels[position],
            created_at=from_micros(seconds * SECOND).astimezone(UTC),
            title=self._titles[position],
            text=self._texts[position],
        )
