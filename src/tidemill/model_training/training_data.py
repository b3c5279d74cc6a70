"""What candidates are trained on: the history that was known, and stored, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.market import DecisionGrid, to_micros
from tidemill.ports import BarStore, MarketEventStore, PostStore, QuarantineStore, SnapshotStore
from tidemill.quality import AdjustedBars, adjust_as_of, honour_quarantine, window_fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingScope:
    """Which history training reads: instruments of one grid, ``window_days`` back, scores of one scorer.

    An instrument of which less than ``min_completeness`` (0 to 1) of the bars since its first one is there is left
    out.
    """

    universe: tuple[str, ...]
    grid: DecisionGrid
    scorer: str
    window_days: int
    min_completeness: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStores:
    """Where the history is. Without ``quarantine`` no bar is refused, without ``market_events`` none is adjusted."""

    bars: BarStore
    posts: PostStore
    quarantine: QuarantineStore | None = None
    market_events: MarketEventStore | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """All bars and scores that training may read at ``as_of``; ``left_out``: instruments with the reason.

    ``bars`` are adjusted as of then. ``snapshot``: SHA-256 of the file that keeps these bars, "" when none does.
    """

    as_of: datetime
    bars: pd.DataFrame
    scores: pd.DataFrame
    left_out: Mapping[str, str] = field(default_factory=dict)
    snapshot: str = ""


def load_training_data(
    stores: TrainingStores, scope: TrainingScope, as_of: datetime, *, live: bool = True
) -> TrainingData:
    """Everything known at ``as_of``; when ``live``, also only what was stored by then.

    Bars in quarantine are left out, and so is every instrument that is incomplete, or whose adjustments cannot be
    made. The splits and dividends that were known at ``as_of`` are taken into account over the whole history: features
    and labels are ratios, so what takes effect after a row only scales all that the row is made of.
    """
    universe, timeframe = scope.universe, scope.grid.timeframe
    start = as_of - timedelta(days=scope.window_days)
    # a backtest imports its recording long after the times that it decides at
    stored = to_micros(as_of) if live else None
    bars = stores.bars.read_bars(universe, timeframe, start, as_of, known_at=as_of, stored_until=stored, revisions=True)
    if stores.quarantine is not None:
        refused = stores.quarantine.read_quarantine(universe, timeframe, stored_until=to_micros(as_of))
        bars = honour_quarantine(bars, refused)
    adjusted = AdjustedBars(bars=bars)
    if stores.market_events is not None:
        adjusted = adjust_as_of(bars, stores.market_events, known_at=as_of, stored_until=stored)
    left_out = {**_find_incomplete(bars, scope, as_of), **adjusted.refused}
    return TrainingData(
        as_of=as_of,
        bars=_without(adjusted.bars, left_out),
        left_out=left_out,
        scores=stores.posts.read_scores(scope.scorer, start, as_of, known_at=as_of, stored_until=stored),
    )


def store_snapshot(data: TrainingData, snapshots: SnapshotStore) -> TrainingData:
    """The same data, their bars kept as an immutable snapshot: what exactly the model was trained on."""
    return replace(data, snapshot=snapshots.write_snapshot(data.bars)) if len(data.bars) else data


def _without(bars: pd.DataFrame, left_out: Mapping[str, str]) -> pd.DataFrame:
    return bars[~bars["instrument"].isin(list(left_out))].reset_index(drop=True) if left_out else bars


def _find_incomplete(bars: pd.DataFrame, scope: TrainingScope, as_of: datetime) -> dict[str, str]:
    grid, needed = scope.grid, scope.min_completeness
    newest = grid.newest_as_of(as_of)
    incomplete: dict[str, str] = {}
    if newest is None:
        return incomplete
    for name, rows in bars.groupby("instrument"):
        opens = np.unique(rows["open_time"].to_numpy("datetime64[us]").astype(np.int64))
        fraction = window_fraction(opens, grid, grid.point_of(newest), bars=len(opens))
        if fraction < needed:
            incomplete[str(name)] = f"incomplete: {fraction:.1%} of its bars are known, {needed:.1%} needed"
    return incomplete
