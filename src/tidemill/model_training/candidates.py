"""From stored history to a judged candidate: what `retrain` does, free of schedules and screens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import pandas as pd

from tidemill.domain.market import DecisionGrid, format_time, to_micros
from tidemill.features import FEATURE_NAMES, build_features, find_leaks
from tidemill.ports import (
    BarStore,
    FittedModel,
    MarketEventStore,
    ModelRegistry,
    PostStore,
    QuarantineStore,
    SnapshotStore,
)
from tidemill.quality import AdjustedBars, adjust_as_of, honour_quarantine, window_fraction
from tidemill.training import Candidate, TrainingParams, Verdict, build_labels, judge_candidate, train_model


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTable:
    """Feature rows by (point, instrument) and their labels."""

    features: pd.DataFrame
    labels: pd.DataFrame


def is_due(champion: FittedModel | None, as_of: datetime, every_days: float) -> bool:
    """Whether a new candidate should be trained at ``as_of``."""
    return champion is None or as_of - champion.trained_as_of >= timedelta(days=every_days)


def load_training_data(
    bars: BarStore,
    posts: PostStore,
    *,
    universe: Sequence[str],
    grid: DecisionGrid,
    scorer: str,
    as_of: datetime,
    window_days: int,
    live: bool = True,
    quarantine: QuarantineStore | None = None,
    records: MarketEventStore | None = None,
    min_completeness: float = 0.0,
) -> TrainingData:
    """Everything known at ``as_of``; unless in a backtest, also only what was stored by then.

    Bars in ``quarantine`` are left out, and so is every instrument of which less than
    ``min_completeness`` of the bars since its first one is there, or whose adjustments cannot be. The splits and
    dividends in ``records`` that were known at ``as_of`` are taken into account over the whole history: features
    and labels are ratios, so what takes effect after a row only scales all that the row is made of.
    """
    start = as_of - timedelta(days=window_days)
    stored = to_micros(as_of) if live else None
    known = bars.read_bars(universe, grid.timeframe, start, as_of, known_at=as_of, stored_until=stored, revisions=True)
    if quarantine is not None:
        refused = quarantine.read_quarantine(universe, grid.timeframe, stored_until=to_micros(as_of))
        known = honour_quarantine(known, refused)
    adjusted = AdjustedBars(bars=known)
    if records is not None:
        adjusted = adjust_as_of(known, records, known_at=as_of, stored_until=stored)
    left_out = {**_find_incomplete(known, grid, as_of, min_completeness), **adjusted.refused}
    return TrainingData(
        as_of=as_of,
        bars=_without(adjusted.bars, left_out),
        left_out=left_out,
        scores=posts.read_scores(scorer, start, as_of, known_at=as_of, stored_until=stored),
    )


def _without(bars: pd.DataFrame, left_out: Mapping[str, str]) -> pd.DataFrame:
    return bars[~bars["instrument"].isin(list(left_out))].reset_index(drop=True) if left_out else bars


def _find_incomplete(bars: pd.DataFrame, grid: DecisionGrid, as_of: datetime, least: float) -> dict[str, str]:
    newest = grid.newest_as_of(as_of)
    found: dict[str, str] = {}
    if newest is None:
        return found
    for name, some in bars.groupby("instrument"):
        opens = np.unique(some["open_time"].to_numpy("datetime64[us]").astype(np.int64))
        fraction = window_fraction(opens, grid, grid.point_of(newest), bars=len(opens))
        if fraction < least:
            found[str(name)] = f"incomplete: {fraction:.1%} of its bars are known, {least:.1%} needed"
    return found


def keep_bars(data: TrainingData, snapshots: SnapshotStore) -> TrainingData:
    """The same data, their bars kept as an immutable snapshot: what exactly the model was trained on."""
    return replace(data, snapshot=snapshots.write_snapshot(data.bars)) if len(data.bars) else data


def build_training_table(
    data: TrainingData, *, universe: Sequence[str], grid: DecisionGrid, horizon: int
) -> TrainingTable:
    """Point-in-time features of every bar and forward returns over ``horizon`` bars."""
    features = build_features(data.bars, data.scores, grid=grid, points=None, universe=universe)
    return TrainingTable(features=features, labels=build_labels(data.bars, grid, horizon))


def train_candidate(table: TrainingTable, *, params: TrainingParams, as_of: datetime, name: str) -> Candidate:
    """Train on what is known at ``as_of`` with a purged chronological split."""
    return train_model(table.features, table.labels, settings=params, as_of=as_of, name=name)


def judge(
    candidate: Candidate,
    data: TrainingData,
    *,
    universe: Sequence[str],
    grid: DecisionGrid,
    promotion: Literal["proven", "paper"],
) -> Verdict:
    """Look for leaks by recomputing sampled rows on truncated inputs, then judge."""
    leaks = find_leaks(build_features, data.bars, data.scores, grid=grid, universe=universe)
    return judge_candidate(candidate, leaks, promotion)


def register_candidate(
    models: ModelRegistry, candidate: Candidate, table: TrainingTable, verdict: Verdict, *, snapshot: str = ""
) -> str:
    """Store the candidate with its verdict; promote it when the verdict says so. Return the version.

    A candidate that could not be trained has nothing to store: its version is empty.
    """
    if candidate.problem:
        return ""
    sample = table.features[list(FEATURE_NAMES)].dropna().tail(5)
    version = models.register(replace(candidate.model, data_snapshot=snapshot), sample)
    if verdict.promote:
        models.promote(candidate.model.name, version)
    return version


def describe(model: FittedModel | None) -> str:
    """One line that names a model, for screens and artifacts."""
    if model is None:
        return "no champion"
    return f"{model.name} version {model.version} ({model.verdict}), trained as of {format_time(model.trained_as_of)}"
