"""Posts judged: what is new and readable, and what is refused with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from tidemill.domain.errors import DataError

MOST_REPEATS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedPosts:
    """What came of a check: ``good`` POSTS, and ``rejected`` POSTS with a column ``reason``."""

    good: pd.DataFrame
    rejected: pd.DataFrame

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> number of posts rejected for it."""
        return {str(reason): int(count) for reason, count in self.rejected["reason"].value_counts().items()}


def check_posts(posts: pd.DataFrame, *, as_of: datetime) -> CheckedPosts:
    """Judge POSTS; each refused one has the first reason that applies.

    Refused: created after ``as_of``, without any text, an id seen before in the batch, and from the
    fourth on a text that the same channel repeats. DataError when times have no zone.
    """
    if len(posts) and not isinstance(posts["event_time"].dtype, pd.DatetimeTZDtype):
        raise DataError("event_time of posts has no time zone; make it UTC")
    words = (posts["title"].fillna("") + " " + posts["text"].fillna("")).str.strip().str.lower()
    repeats = words.groupby([posts["channel"], words]).cumcount() if len(posts) else pd.Series(dtype="int64")
    reason = pd.Series("", index=posts.index, dtype="object")
    judgements = {
        "created in the future": posts["event_time"] > as_of,
        "no text": words == "",
        "id seen before": posts.duplicated(["source", "post_id"]),
        "repeated text": repeats >= MOST_REPEATS,
    }
    for name, wrong in judgements.items():
        reason[(reason == "") & wrong] = name
    good = posts[reason == ""].reset_index(drop=True)
    rejected = posts[reason != ""].assign(reason=reason[reason != ""]).reset_index(drop=True)
    return CheckedPosts(good=good, rejected=rejected)
