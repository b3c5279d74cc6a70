"""One suite for the model registry in memory and in MLflow."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from tidemill.adapters.models.mlflow_registry import MlflowRegistry
from tidemill.domain.errors import DataError
from tidemill.memory.registry import MemoryRegistry
from tidemill.ports import FittedModel, ModelRegistry
from tidemill.training import TrainingParams, make_pipeline

NAMES = ("a", "b", "c")
X = np.random.default_rng(0).normal(size=(80, 3))


@pytest.fixture(scope="module")
def mlflow_registry(tmp_path_factory) -> MlflowRegistry:
    folder = tmp_path_factory.mktemp("mlflow")
    return MlflowRegistry(f"sqlite:///{folder / 'mlflow.db'}", folder / "models")


@pytest.fixture(params=["memory", "mlflow"])
def registry(request: pytest.FixtureRequest) -> ModelRegistry:
    return MemoryRegistry() if request.param == "memory" else request.getfixturevalue("mlflow_registry")


def make_model(name: str) -> FittedModel:
    estimator = make_pipeline(TrainingParams(horizon_bars=5))
    estimator.fit(X, X[:, 0])
    return FittedModel(
        name=name,
        estimator=estimator,
        feature_names=NAMES,
        timeframe="1d",
        horizon_bars=5,
        strength_scale=0.1 + 0.2,
        trained_as_of=datetime(2021, 1, 1, tzinfo=UTC),
        dataset_hash="ab" * 32,
        params={"ridge_alpha": 100.0},
        metrics={"rank_ic": 0.0125},
    )


def test_a_champion_is_what_was_promoted_bit_for_bit(registry: ModelRegistry) -> None:
    model = make_model("champion-test")
    sample = pd.DataFrame(X[:3], columns=list(NAMES))
    assert registry.load_champion(model.name) is None
    first, second = registry.register(model, sample), registry.register(model, sample)
    assert first != second
    assert registry.load_champion(model.name) is None
    registry.promote(model.name, first)
    champion = registry.load_champion(model.name)
    assert champion.version == first
    assert champion.strength_scale == model.strength_scale
    assert (champion.dataset_hash, champion.feature_names) == (model.dataset_hash, NAMES)
    assert champion.trained_as_of == model.trained_as_of
    assert np.array_equal(champion.estimator.predict(X), model.estimator.predict(X))
    registry.promote(model.name, second)
    assert registry.load_champion(model.name).version == second


def test_an_unknown_version_is_named(registry: ModelRegistry) -> None:
    with pytest.raises(DataError, match="no version 9"):
        registry.load_version("nobody", "9")
