"""What the post sources share: from what a site sent to POSTS, with the time at which each was known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from tidemill.domain.market import require_utc, to_micros
from tidemill.ports import POST_COLUMNS
from tidemill.ports.frames import MICROS_PER_SECOND


class PostRow(NamedTuple):
    """A post as a site sent it; times in micros."""

    post_id: str
    channel: str
    created: int
    received: int
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PostFrames:
    """Builds the POSTS of one source.

    ``assumed_delay_seconds`` None: a post is known when it was received (live). A number: it counts as
    known that long after it was created, whenever it was fetched (replay, backfill), and says so.
    """

    source: str
    assumed_delay_seconds: float | None

    def build(self, rows: Sequence[PostRow], start: datetime, end: datetime) -> pd.DataFrame:
        """POSTS of ``rows``, in any order.

        Kept are those with ``start`` <= event_time < ``end``, of one id the row that came first, by
        (event_time, post_id). A post that came before it was created (clocks differ) is known when created.
        """
        frame = pd.DataFrame(list(rows), columns=list(PostRow._fields))
        created = frame["created"].to_numpy(np.int64)
        inside = (created >= to_micros(start)) & (created < to_micros(end))
        frame = frame[inside].drop_duplicates("post_id").sort_values(["created", "post_id"], ignore_index=True)
        created, received = (frame[name].to_numpy(np.int64) for name in ("created", "received"))
        delay = self.assumed_delay_seconds
        knowledge = np.maximum(received, created) if delay is None else created + round(delay * MICROS_PER_SECOND)
        texts = {name: frame[name].astype("str") for name in ("post_id", "channel", "title", "text")}
        posts = pd.DataFrame(
            {
                "source": pd.Series(self.source, index=frame.index, dtype="str"),
                "event_time": _times(created),
                "knowledge_time": _times(knowledge),
                "assumed": np.full(len(frame), delay is not None),
                **texts,
            }
        )
        return posts[list(POST_COLUMNS)]


def floor_second(moment: datetime) -> datetime:
    """The whole second at or before ``moment``; the sites ask in whole seconds."""
    return require_utc(moment, "time").replace(microsecond=0)


def ceil_second(moment: datetime) -> datetime:
    """The whole second at or after ``moment``."""
    return floor_second(moment + timedelta(microseconds=999_999))


def _times(micros: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(micros.astype("datetime64[us]")).tz_localize("UTC")
