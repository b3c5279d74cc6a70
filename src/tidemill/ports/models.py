"""Trained models and where they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """A trained estimator with what is needed to use and judge it.

    ``estimator.predict(X)`` takes float64 (rows, len(feature_names)) and gives the expected return over
    ``horizon_bars`` bars; ``strength_scale`` is the predicted return that makes a forecast of 1.
    ``dataset_hash`` is the SHA-256 of the exact training rows, ``data_snapshot`` that of the file with the
    bars that they were made of ("" when none was kept).
    """

    name: str
    estimator: Any
    feature_names: tuple[str, ...]
    timeframe: str
    horizon_bars: int
    strength_scale: float
    trained_as_of: datetime
    dataset_hash: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    verdict: str = "unproven"
    version: str = ""
    data_snapshot: str = ""


class ModelRegistry(Protocol):
    """Candidates, and which of them is champion.

    A version does not change once it is registered; only the alias champion moves.
    """

    def register(self, model: FittedModel, sample: pd.DataFrame) -> str:
        """Store a candidate (``sample``: some feature rows, for the signature); return its version.

        It is not champion by that: training and promotion are two steps, so that a candidate can be judged in between.
        """
        ...

    def promote(self, name: str, version: str) -> None:
        """Give ``version`` the alias champion.

        The former champion keeps its version and loses only the alias. Promoting the champion again changes nothing.
        """
        ...

    def load_champion(self, name: str) -> FittedModel | None:
        """The champion, or None while there is none.

        The registry does not fall back to the newest version: what was never promoted is not used.
        """
        ...

    def load_version(self, name: str, version: str) -> FittedModel:
        """A version; DataError when there is none.

        Used to repeat a stored decision with exactly the model that it had.
        """
        ...
