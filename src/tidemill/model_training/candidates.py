"""From training data to a judged, registered candidate: what `retrain` does, free of schedules and screens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import pandas as pd

from tidemill.domain.market import format_time
from tidemill.features import FEATURE_NAMES, build_features, find_leaks
from tidemill.model_training.training_data import TrainingData, TrainingScope
from tidemill.ports import FittedModel, ModelRegistry
from tidemill.training import Candidate, TrainingParams, Verdict, build_labels, judge_candidate, train_model

MODEL_NAME = "tidemill"
"""The one name that candidates are registered under, and the champion is looked up by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTable:
    """Feature rows by (point, instrument) and their labels."""

    features: pd.DataFrame
    labels: pd.DataFrame


def is_due(champion: FittedModel | None, as_of: datetime, every_days: float) -> bool:
    """Whether a new candidate should be trained at ``as_of``."""
    return champion is None or as_of - champion.trained_as_of >= timedelta(days=every_days)


def build_training_table(data: TrainingData, scope: TrainingScope, *, horizon: int) -> TrainingTable:
    """Point-in-time features of every bar and forward returns over ``horizon`` bars."""
    features = build_features(data.bars, data.scores, grid=scope.grid, points=None, universe=scope.universe)
    return TrainingTable(features=features, labels=build_labels(data.bars, scope.grid, horizon))


def train_candidate(table: TrainingTable, *, params: TrainingParams, as_of: datetime, name: str) -> Candidate:
    """Train on what is known at ``as_of`` with a purged chronological split."""
    return train_model(table.features, table.labels, settings=params, as_of=as_of, name=name)


def judge(
    candidate: Candidate, data: TrainingData, scope: TrainingScope, *, promotion: Literal["proven", "paper"]
) -> Verdict:
    """Look for leaks by recomputing sampled rows on truncated inputs, then judge."""
    leaks = find_leaks(build_features, data.bars, data.scores, grid=scope.grid, universe=scope.universe)
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
