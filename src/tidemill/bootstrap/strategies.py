"""The strategy that the settings name: one that ships, or a file."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pandas as pd

from tidemill.bootstrap.policies import build_rules
from tidemill.domain.errors import StrategyError
from tidemill.domain.market import DecisionGrid
from tidemill.forecasting import SHIPPED, Strategy, find_shipped
from tidemill.recording import Recording
from tidemill.scoring import score_posts
from tidemill.settings import Settings
from tidemill.strategies import Evidence, Examination, choose_strategy, examine_strategy

# The longest window of sentiment is three days; posts before it cannot matter to the points examined.
POSTS_BEFORE = timedelta(days=4)
EXAMINED_POINTS = 60


def examine_setting(settings: Settings, recording: Recording, grid: DecisionGrid) -> Examination:
    """Examine the settings' strategy on the last points of a recording."""
    instruments = {series.instrument.id: series.instrument for series in recording.series}
    rules = build_rules(settings, grid, instruments)
    points = list(grid.points(recording.first_open, recording.last_close))[-EXAMINED_POINTS:]
    bars = recording.as_bars(None, recording.first_open, recording.last_close, timeframe=grid.timeframe)
    evidence = Evidence(rules=rules, bars=bars, scores=_scores(recording, points[0] - POSTS_BEFORE), points=points)
    return examine_strategy(partial(_load, settings.strategy), evidence)


def require_sound(settings: Settings, recording: Recording, grid: DecisionGrid) -> None:
    """Refuse to go on with a strategy of one's own that does not pass; StrategyError tells the first problem."""
    if settings.strategy in SHIPPED:
        return
    found = examine_setting(settings, recording, grid)
    if found.problems:
        raise StrategyError(found.problems[0])


def _load(setting: str) -> Strategy:
    name, own = choose_strategy(setting)
    # without a champion the rule in its place is what would trade
    return own or find_shipped("trend" if name == "model" else name)


def _scores(recording: Recording, start: datetime) -> pd.DataFrame:
    posts = recording.posts
    recent = posts[posts["event_time"] >= pd.Timestamp(start)] if len(posts) else posts
    bases = list(dict.fromkeys(series.instrument.base for series in recording.series))
    return score_posts(recent, bases=bases)
