"""Posts and the scores made of them.

In bulk both travel as DataFrames (see ``ports``); these values are for single items.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tidemill.domain.errors import DataError
from tidemill.domain.market import require_utc

Source = Literal["x", "reddit", "news"]
SOURCES: tuple[Source, ...] = ("x", "reddit", "news")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentimentScore:
    """A number in [-1, +1] for one post, by one scorer.

    -1 is as negative, +1 as positive as the scorer can tell. DataError outside of that (NaN included) and for a time
    without zone.
    """

    source: str
    post_id: str
    scorer: str
    score: float
    event_time: datetime
    knowledge_time: datetime

    def __post_init__(self) -> None:
        if not -1.0 <= self.score <= 1.0:
            raise DataError(f"sentiment score {self.score!r} of post {self.post_id} lies outside [-1, +1]")
        require_utc(self.event_time, "event_time")
        require_utc(self.knowledge_time, "knowledge_time")
