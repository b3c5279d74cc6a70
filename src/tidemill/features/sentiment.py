"""What posts said in the hours before the decided close, about a base asset and about the market."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tidemill.ports import SCORE_COLUMNS
from tidemill.ports.frames import micros

NO_SCORES = pd.DataFrame({name: np.empty(0) for name in SCORE_COLUMNS})
HOUR_MICROS = 3_600_000_000
SHORT_HOURS, LONG_HOURS = 24, 72

SENTIMENT_FEATURES = (
    f"sent_mean_{SHORT_HOURS}h",
    f"sent_mean_{LONG_HOURS}h",
    f"sent_count_{SHORT_HOURS}h",
    "sent_change",
    f"market_sent_mean_{SHORT_HOURS}h",
    f"market_sent_mean_{LONG_HOURS}h",
    f"market_sent_count_{SHORT_HOURS}h",
    f"market_sent_std_{LONG_HOURS}h",
)


class ScoreWindows:
    """Scores by subject, ready for any number of closes.

    A post counts at a close when it was created and known at or before it. Where no post counts the
    mean is 0 (neutral) and the count 0, so these features are never NaN.
    """

    def __init__(self, scores: pd.DataFrame) -> None:
        scores = scores if len(scores) else NO_SCORES
        # a score of a post cannot count before the post was created, whatever its source says
        known_from = np.maximum(micros(scores["event_time"]), micros(scores["knowledge_time"]))
        # the id breaks ties, so that sums are made in one order whatever order the store gives
        order = np.lexsort((scores["post_id"].astype(str).to_numpy(), known_from))
        self._times = known_from[order]
        self._values = scores["score"].to_numpy(dtype=np.float64)[order]
        self._subjects = [frozenset(str(names).split(",")) for names in scores["subjects"].to_numpy()[order]]
        self._by_base: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def features(self, base: str, closes: np.ndarray) -> np.ndarray:
        """Features of ``base`` at each close (micros): float64 (len(closes), len(SENTIMENT_FEATURES)).

        Windows end at the close and begin 24 or 72 hours before it, exclusive. Counts are log1p; the standard
        deviation divides by the count.
        """
        if not len(self._times):
            return np.zeros((len(closes), len(SENTIMENT_FEATURES)))
        rows = [self._row(base, int(close)) for close in closes]
        return np.array(rows, dtype=np.float64).reshape(len(closes), len(SENTIMENT_FEATURES))

    def _row(self, base: str, close: int) -> list[float]:
        times, values = self._of(base)
        short, long = _window(times, values, close, SHORT_HOURS), _window(times, values, close, LONG_HOURS)
        market_short = _window(self._times, self._values, close, SHORT_HOURS)
        market_long = _window(self._times, self._values, close, LONG_HOURS)
        return [
            _mean(short),
            _mean(long),
            float(np.log1p(len(short))),
            _mean(short) - _mean(long),
            _mean(market_short),
            _mean(market_long),
            float(np.log1p(len(market_short))),
            float(np.std(market_long)) if len(market_long) else 0.0,
        ]

    def _of(self, base: str) -> tuple[np.ndarray, np.ndarray]:
        if base not in self._by_base:
            named = np.array([base in subjects for subjects in self._subjects], dtype=bool)
            self._by_base[base] = (self._times[named], self._values[named])
        return self._by_base[base]


def _window(times: np.ndarray, values: np.ndarray, close: int, hours: int) -> np.ndarray:
    low, high = np.searchsorted(times, [close - hours * HOUR_MICROS, close], side="right")
    return np.ascontiguousarray(values[low:high])


def _mean(values: np.ndarray) -> float:
    return float(np.sum(values) / len(values)) if len(values) else 0.0
