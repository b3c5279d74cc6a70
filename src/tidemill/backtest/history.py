"""What a backtest may look at: the recording in a store of its own, and the feature rows of all its decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import compress, groupby

import numpy as np
import pandas as pd

from tidemill.backtest.input_counts import TICK, seen_span
from tidemill.backtest.quarantine import find_refused
from tidemill.backtest.quiet import decide_all, plan_points
from tidemill.backtest.tracks import Rows, Tracks
from tidemill.backtest.values import BacktestPlan
from tidemill.domain.market import DecisionGrid, to_micros
from tidemill.features import SENTIMENT_FEATURES, build_features
from tidemill.forecasting import PRICE_RULES
from tidemill.ingest import store_posts
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.quality import check_posts, honour_quarantine
from tidemill.recording import Recording
from tidemill.recording.tape import RecordedTape


class History:
    """Bars (BARS + stored_at, by instrument and open time), scores and feature rows of one backtest.

    ``refused`` is the quarantine of the bars that a run would have doubted, None when there are none. ``micros`` are
    all points in microseconds.
    """

    def __init__(
        self, recording: Recording, plan: BacktestPlan, points: Sequence[datetime], tape: RecordedTape
    ) -> None:
        self._rules = plan.rules
        # to score a year of posts for a rule that reads prices alone would take minutes and change nothing
        self._reads_posts = plan.rules.own is not None or plan.rules.strategy not in PRICE_RULES
        self._span = seen_span(plan)
        self.store = MemoryMarketStore()
        self.bars = self._load(recording, plan)
        self.whole = Tracks(self.bars, plan.rules)
        self.refused = find_refused(self.bars, plan, points, tape)
        self.micros = _micros_of(plan.rules.grid, points)
        self.plan = (
            plan_points(plan.rules, self.bars, self.whole, tape, self.micros)
            if self.refused is None
            else decide_all(len(points))
        )
        decided = list(compress(points, self.plan.decided.tolist()))
        scores = self.store.read_scores(plan.rules.scorer, recording.first_open, plan.end)
        self.features = Rows(pd.concat([self._features(scores, part) for part in self._parts(decided)]))
        # most decisions see the same state of the quarantine, and cutting the bars anew for each would take minutes
        self._tracks: dict[frozenset[tuple[str, int]], Tracks] = {}

    def tracks_at(self, as_of: datetime) -> Tracks:
        """The bars of :meth:`bars_at`, found by position; made once for each state of the quarantine."""
        stood = frozenset() if self.refused is None else self._stood(self.refused, as_of)
        if not stood:
            return self.whole
        if stood not in self._tracks:
            self._tracks[stood] = Tracks(self.bars_at(as_of), self._rules)
        return self._tracks[stood]

    def count_texts(self) -> dict[str, int]:
        """Good ``posts`` and their ``scores`` of the span of the decisions: one for each, made or not needed."""
        after, until = (moment + TICK for moment in self._span)
        posts = len(self.store.read_posts(after, until))
        return {"posts": posts, "scores": posts}

    @staticmethod
    def _stood(refused: MemoryGapLedger, as_of: datetime) -> frozenset[tuple[str, int]]:
        rows = refused.read_quarantine(stored_until=to_micros(as_of))
        return frozenset(zip(rows["instrument"], rows["open_time"].astype("int64"), strict=True))

    def bars_at(self, as_of: datetime) -> pd.DataFrame:
        """The bars but those that stood in quarantine at ``as_of``; later ones are still among them."""
        if self.refused is None:
            return self.bars
        stood = self.refused.read_quarantine(stored_until=to_micros(as_of))
        return honour_quarantine(self.bars, stood)

    def _parts(self, points: Sequence[datetime]) -> Iterator[Sequence[datetime]]:
        """Points with the same bars in quarantine, together: one part when there is no quarantine."""
        if self.refused is None:
            yield points
            return
        for _, part in groupby(points, key=lambda point: len(self.bars_at(self._rules.grid.as_of(point)))):
            yield list(part)

    def _features(self, scores: pd.DataFrame, points: Sequence[datetime]) -> pd.DataFrame:
        rules = self._rules
        bars = self.bars_at(rules.grid.as_of(points[0]))
        table = build_features(bars, scores, grid=rules.grid, points=points, universe=rules.universe)
        # what was not made is left out: no score is not the same as a neutral one
        return table if self._reads_posts else table.drop(columns=list(SENTIMENT_FEATURES))

    def _load(self, recording: Recording, plan: BacktestPlan) -> pd.DataFrame:
        """Put the recording into the store, as an import would."""
        rules = plan.rules
        timeframe = rules.grid.timeframe
        bars = recording.as_bars(None, recording.first_open, plan.end, timeframe=timeframe)
        bars = bars[bars["instrument"].isin(rules.universe)]
        if rules.strategy == "model":
            # training reads them there; nothing else does, and a year of minutes takes its time
            self.store.write_bars(timeframe, bars, now=recording.first_open)
        posts = recording.posts
        posts = posts[posts["event_time"] < plan.end]
        bases = list(dict.fromkeys(rules.instruments[name].base for name in rules.universe))
        if len(posts) and self._reads_posts:
            store_posts(posts, self.store, bases=bases, now=plan.end)
        elif len(posts):
            self.store.write_posts(check_posts(posts, as_of=plan.end).good, now=plan.end)
        return bars.sort_values(["instrument", "open_time"], kind="stable", ignore_index=True)


def _micros_of(grid: DecisionGrid, points: Sequence[datetime]) -> np.ndarray:
    """Points in micros, int64; those of a market that always trades are counted up, as there may be many."""
    if grid.calendar != "24x7" or len(points) < 2:
        return np.array([to_micros(point) for point in points], dtype=np.int64)
    first, second = map(to_micros, points[:2])
    return first + (second - first) * np.arange(len(points), dtype=np.int64)
