"""From a text source to the store: fetch what is new, check it, score it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from tidemill.ingest.values import IngestSummary
from tidemill.ports import PostSource, PostStore
from tidemill.quality import check_posts
from tidemill.scoring import score_posts

POST_LOOKBACK = timedelta(days=7)
# as far back as a repeated post is looked for
REPEAT_WINDOW = timedelta(hours=1)


def ingest_posts(source: PostSource, store: PostStore, *, bases: Sequence[str], now: datetime) -> IngestSummary:
    """Fetch posts since the newest known of this source (at most a week back), check, store and score them."""
    recent = store.read_posts(now - POST_LOOKBACK, now)
    times: Any = recent.loc[recent["source"] == source.source, "event_time"] if len(recent) else []
    start = max(times).to_pydatetime() if len(times) else now - POST_LOOKBACK
    fetched = source.fetch_posts(start, now)
    stored, rejected, scores = store_posts(fetched, store, bases=bases, now=now)
    return IngestSummary(name=source.source, fetched=len(fetched), stored=stored, rejected=rejected, scores=scores)


def _posts_before(posts: pd.DataFrame, store: PostStore, now: datetime) -> pd.DataFrame | None:
    """Stored posts that may have said the same before; None where there can be none."""
    if not len(posts) or not isinstance(posts["event_time"].dtype, pd.DatetimeTZDtype):
        return None
    first = posts["event_time"].min()
    return None if pd.isna(first) else store.read_posts(first.to_pydatetime() - REPEAT_WINDOW, now)


def store_posts(posts: pd.DataFrame, store: PostStore, *, bases: Sequence[str], now: datetime) -> tuple[int, int, int]:
    """Check, store and score POSTS; return (stored, rejected, scores).

    They are judged beside what is stored of the hour before them, so that the size of a batch does not matter.
    """
    checked = check_posts(posts, as_of=now, before=_posts_before(posts, store, now))
    stored = store.write_posts(checked.good, now=now)
    scored = store.write_scores(score_posts(checked.good, bases=bases), now=now) if len(checked.good) else 0
    return stored, len(checked.rejected), scored
