"""The plan of a backtest with the settings' own rules."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pandas as pd

from tidemill.adapters.machine.environment import this_environment
from tidemill.backtest import BacktestPlan
from tidemill.domain.errors import StrategyError
from tidemill.domain.market import DecisionGrid
from tidemill.forecasting import SHIPPED, Strategy, find_shipped
from tidemill.recording import Recording
from tidemill.recording.traded import load_traded_recording, make_grid, traded_part
from tidemill.research.requests import BacktestRequest
from tidemill.scoring import score_posts
from tidemill.settings import Settings
from tidemill.settings.policies import (
    build_fill_rules,
    build_outlier_rules,
    build_rules,
    build_training,
    quote_fee_rate,
)
from tidemill.strategies import Evidence, Examination, choose_strategy, examine_strategy

# The longest window of sentiment is three days; posts before it cannot matter to the points examined.
POSTS_BEFORE = timedelta(days=4)
EXAMINED_POINTS = 60


@dataclass(frozen=True, slots=True)
class SettingsPlanLoader:
    """Plans under the settings' fees, limits and training. ``settings`` are JSON, so that any worker can read them."""

    settings: str

    @classmethod
    def of(cls, settings: Settings) -> SettingsPlanLoader:
        """A loader with these settings."""
        return cls(settings.model_dump_json())

    def __call__(self, request: BacktestRequest) -> tuple[Recording, BacktestPlan]:
        """Recording and plan of ``request``; compiled code is kept in HOME from then on."""
        settings = Settings.model_validate_json(self.settings)
        keep_compiled_code(settings)
        return prepare_backtest(settings, request)


def keep_compiled_code(settings: Settings) -> None:
    """Let numba keep its machine code in HOME, unless NUMBA_CACHE_DIR says where.

    It asks when the kernels are imported, so this comes before; an installed package may lie where
    nothing can be written.
    """
    os.environ.setdefault("NUMBA_CACHE_DIR", str((settings.home / "numba").absolute()))
    if "numba" in sys.modules:
        from numba.core import config

        config.reload_config()


def prepare_backtest(settings: Settings, request: BacktestRequest) -> tuple[Recording, BacktestPlan]:
    """The recording of a request and the plan of its backtest, which both speeds take."""
    recording = load_traded_recording(request.data)
    grid = make_grid(recording, request.every, settings.decision_delay_seconds)
    points, until = traded_part(recording, grid, request.start, request.end)
    recorded = recorded_settings(settings, recording, request.strategy)
    require_sound(recorded, recording, grid)
    return recording, make_backtest_plan(recorded, recording, grid, start=points[0], end=until)


def recorded_settings(settings: Settings, recording: Recording, strategy: str) -> Settings:
    """The settings with the recording's universe, timeframe and calendar."""
    universe = tuple(dict.fromkeys(series.instrument.id for series in recording.series))
    changes = {
        "universe": universe,
        "timeframe": recording.timeframe,
        "calendar": recording.calendar,
        "strategy": strategy,
    }
    return settings.model_copy(update=changes)


def make_backtest_plan(
    settings: Settings, recording: Recording, grid: DecisionGrid, *, start: datetime, end: datetime
) -> BacktestPlan:
    """The same rules, fills and training as a replay of the recording has."""
    instruments = {series.instrument.id: series.instrument for series in recording.series}
    return BacktestPlan(
        rules=build_rules(settings, grid, instruments),
        fills=build_fill_rules(settings, grid.delay_seconds),
        start=start,
        end=end,
        start_cash=settings.start_cash,
        training=build_training(settings),
        retrain_every_days=settings.training.retrain_every_days,
        window_days=settings.training.window_days,
        promotion=settings.promotion,
        quote_fee_rate=quote_fee_rate(settings),
        environment=this_environment(),
        outliers=build_outlier_rules(settings),
    )


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
    examination = examine_setting(settings, recording, grid)
    if examination.problems:
        raise StrategyError(examination.problems[0])


def _load(setting: str) -> Strategy:
    name, own = choose_strategy(setting)
    # without a champion the rule in its place is what would trade
    return own or find_shipped("trend" if name == "model" else name)


def _scores(recording: Recording, start: datetime) -> pd.DataFrame:
    posts = recording.posts
    recent = posts[posts["event_time"] >= pd.Timestamp(start)] if len(posts) else posts
    bases = list(dict.fromkeys(series.instrument.base for series in recording.series))
    return score_posts(recent, bases=bases)
