"""Models in MLflow: runs with figures and data hash, versions with signature, the alias ``champion``."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.domain.market import format_time, parse_time
from tidemill.ports import FittedModel

EXPERIMENT = "tidemill"
CHAMPION = "champion"
DESCRIPTION_TAG = "tidemill.model"
# what a model file may hold beyond scikit-learn's own classes
TRUSTED_TYPES = ("numpy.dtype",)


class MlflowRegistry:
    """The registry port on an MLflow tracking store; model files lie below ``artifacts``, kept by skops."""

    def __init__(self, tracking_url: str, artifacts: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        for noisy in ("mlflow", "alembic"):  # after the import, which sets a level of its own
            logging.getLogger(noisy).setLevel(logging.ERROR)
        artifacts.mkdir(parents=True, exist_ok=True)
        self._mlflow = mlflow
        self._error = MlflowException
        self._url = tracking_url
        try:
            self._client = MlflowClient(tracking_uri=tracking_url, registry_uri=tracking_url)
            experiment = self._client.get_experiment_by_name(EXPERIMENT)
            self._experiment = (
                experiment.experiment_id
                if experiment
                else self._client.create_experiment(EXPERIMENT, artifact_location=artifacts.absolute().as_uri())
            )
        except MlflowException as error:
            raise ConfigurationError(f"the model store cannot be opened: {error}") from error

    def register(self, model: FittedModel, sample: pd.DataFrame) -> str:
        """Log the candidate and make it a version; its version number as text."""
        mlflow = self._mlflow
        mlflow.set_tracking_uri(self._url)
        mlflow.set_registry_uri(self._url)
        with mlflow.start_run(
            experiment_id=self._experiment, run_name=f"{model.name} {format_time(model.trained_as_of)}"
        ):
            mlflow.log_params(
                {**model.params, "horizon_bars": model.horizon_bars, "features": len(model.feature_names)}
            )
            mlflow.log_metrics(dict(model.metrics))
            mlflow.set_tags(
                {"dataset_hash": model.dataset_hash, "data_snapshot": model.data_snapshot, "verdict": model.verdict}
            )
            self._log_dataset(model, sample)
            logged = self._log_model(model, sample)
        version = str(logged.registered_model_version)
        self._client.set_model_version_tag(model.name, version, DESCRIPTION_TAG, json.dumps(_description(model)))
        self._client.set_model_version_tag(model.name, version, "verdict", model.verdict or "unproven")
        return version

    def promote(self, name: str, version: str) -> None:
        """Give ``version`` the alias champion."""
        self._client.set_registered_model_alias(name, CHAMPION, version)

    def load_champion(self, name: str) -> FittedModel | None:
        """The champion, or None."""
        try:
            entry = self._client.get_model_version_by_alias(name, CHAMPION)
        except self._error:
            return None
        return self.load_version(name, str(entry.version))

    def load_version(self, name: str, version: str) -> FittedModel:
        """A version; DataError when there is none."""
        try:
            entry = self._client.get_model_version(name, version)
        except self._error as error:
            raise DataError(f"there is no version {version} of model '{name}'") from error
        self._mlflow.set_tracking_uri(self._url)
        self._mlflow.set_registry_uri(self._url)
        estimator = self._mlflow.sklearn.load_model(f"models:/{name}/{version}")
        description = json.loads(entry.tags[DESCRIPTION_TAG])
        return FittedModel(
            name=name,
            estimator=estimator,
            feature_names=tuple(description["feature_names"]),
            timeframe=description["timeframe"],
            horizon_bars=description["horizon_bars"],
            strength_scale=float.fromhex(description["strength_scale"]),
            trained_as_of=_moment(description["trained_as_of"]),
            dataset_hash=description["dataset_hash"],
            data_snapshot=description.get("data_snapshot", ""),
            params=description["params"],
            metrics=description["metrics"],
            verdict=description["verdict"],
            version=str(entry.version),
        )

    def _log_dataset(self, model: FittedModel, sample: pd.DataFrame) -> None:
        data = self._mlflow.data.from_pandas(
            sample.reset_index(drop=True), name="training rows", digest=(model.data_snapshot or model.dataset_hash)[:32]
        )
        self._mlflow.log_input(data, context="training")

    def _log_model(self, model: FittedModel, sample: pd.DataFrame) -> Any:
        from mlflow.models import infer_signature

        rows = sample.to_numpy(dtype=float)
        signature = infer_signature(rows, model.estimator.predict(rows))
        # MLflow tells of each new version on stderr, past any logger; it is no news for a person
        with contextlib.redirect_stderr(io.StringIO()):
            return self._save(model, signature)

    def _save(self, model: FittedModel, signature: Any) -> Any:
        return self._mlflow.sklearn.log_model(
            model.estimator,
            name="model",
            signature=signature,
            registered_model_name=model.name,
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            pip_requirements=["scikit-learn", "skops"],
        )


def _description(model: FittedModel) -> dict[str, Any]:
    return {
        "feature_names": list(model.feature_names),
        "timeframe": model.timeframe,
        "horizon_bars": model.horizon_bars,
        "strength_scale": float(model.strength_scale).hex(),  # the exact bits
        "trained_as_of": format_time(model.trained_as_of),
        "dataset_hash": model.dataset_hash,
        "data_snapshot": model.data_snapshot,
        "params": dict(model.params),
        "metrics": dict(model.metrics),
        "verdict": model.verdict,
    }


def _moment(text: str) -> datetime:
    return parse_time(text, "trained_as_of")
