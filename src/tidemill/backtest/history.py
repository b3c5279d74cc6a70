"""What a backtest may look at: the recording in a store of its own, and the feature rows of all its decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from tidemill.adapters.memory_market import MemoryMarketStore
from tidemill.backtest.values import BacktestPlan
from tidemill.features import build_features
from tidemill.ingesting import store_posts
from tidemill.recording import Recording


class History:
    """Bars (BARS + stored_at, by instrument and open time), scores and feature rows of one backtest."""

    def __init__(self, recording: Recording, plan: BacktestPlan, points: Sequence[datetime]) -> None:
        rules = plan.rules
        self.store = MemoryMarketStore()
        self.bars = self._load(recording, plan)
        self.features = build_features(
            self.bars,
            self.store.read_scores(rules.scorer, recording.first_open, plan.end),
            grid=rules.grid,
            points=points,
            universe=rules.universe,
        )

    def _load(self, recording: Recording, plan: BacktestPlan) -> pd.DataFrame:
        """Put the recording into the store, as an import would."""
        rules = plan.rules
        timeframe = rules.grid.timeframe
        bars = recording.as_bars(None, recording.first_open, plan.end, timeframe=timeframe)
        bars = bars[bars["instrument"].isin(rules.universe)]
        self.store.write_bars(timeframe, bars, now=recording.first_open)
        posts = recording.posts
        posts = posts[posts["event_time"] < plan.end]
        bases = list(dict.fromkeys(rules.instruments[name].base for name in rules.universe))
        if len(posts):
            store_posts(posts, self.store, bases=bases, now=plan.end)
        return self.store.read_bars(rules.universe, timeframe, recording.first_open, plan.end)
