"""From point-in-time features to a candidate, measured honestly, and its verdict.

The label is the log return from the decided bar's close to the close ``horizon_bars`` later. Validation
is the last fifth of the points; training rows whose label ends inside it, or within an embargo of one
horizon before it, are dropped (purging and embargo: M. Lopez de Prado, Advances in Financial Machine
Learning, ch. 7). Figures come from the validation rows only; then the pipeline is fitted again on all rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import DecisionGrid, timeframe_seconds
from tidemill.ports import FittedModel

NOT_FEATURES = ("decided_open", "close", "volume", "bars_known")
VALIDATION_SHARE = 0.2
FEWEST_ROWS = 200
# A forecast of 1 is a predicted return of this many standard deviations of the training predictions.
STRENGTH_DEVIATIONS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingParams:
    """How candidates are trained."""

    horizon_bars: int
    ridge_alpha: float = 100.0
    timeframe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trained model; ``problem`` says why there is none."""

    model: FittedModel
    rows: int
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement on a candidate."""

    text: Literal["unproven", "refused"]
    promote: bool
    reasons: tuple[str, ...] = field(default=())


def build_labels(bars: pd.DataFrame, grid: DecisionGrid, horizon_bars: int) -> pd.DataFrame:
    """Labels by (instrument, decided_open): forward log return, and when it was known.

    Of each bar the revision stored last counts. The last ``horizon_bars`` bars have no label; on a 24x7
    grid neither has a bar whose horizon crosses missing bars.
    """
    keys = ["instrument", "open_time", "stored_at"] if "stored_at" in bars else ["instrument", "open_time"]
    newest = bars.sort_values(keys, kind="stable").drop_duplicates(["instrument", "open_time"], keep="last")
    grouped = newest.groupby("instrument", sort=False)
    ahead_close = grouped["close"].shift(-horizon_bars)
    labels = pd.DataFrame(
        {
            "instrument": newest["instrument"],
            "decided_open": newest["open_time"],
            "label": np.log(ahead_close / newest["close"]),
            "label_known": grouped["knowledge_time"].shift(-horizon_bars),
            "label_open": grouped["open_time"].shift(-horizon_bars),
        }
    ).dropna(subset=["label"])
    if grid.calendar == "24x7":
        expected = pd.Timedelta(seconds=timeframe_seconds(grid.timeframe) * horizon_bars)
        labels = labels[labels["label_open"] - labels["decided_open"] == expected]
    return labels.set_index(["instrument", "decided_open"]).sort_index()


def train_model(
    features: pd.DataFrame, labels: pd.DataFrame, *, settings: TrainingParams, as_of: datetime, name: str
) -> Candidate:
    """Train on every row whose label was known at ``as_of``; too few rows give a candidate with a problem."""
    names = tuple(str(column) for column in features.columns if column not in NOT_FEATURES)
    # of a store without bars the columns have no types by which rows could be joined
    rows = _join(features, labels, as_of) if len(features) and len(labels) else features.iloc[:0]
    if len(rows) < FEWEST_ROWS:
        problem = f"only {len(rows)} rows with a known label; at least {FEWEST_ROWS} are needed"
        return Candidate(model=_empty_model(name, names, settings, as_of), rows=len(rows), problem=problem)
    train, validation = _purged_split(rows)
    pipeline = make_pipeline(settings)
    pipeline.fit(train[list(names)].to_numpy(), train["label"].to_numpy())
    metrics = _measure(pipeline.predict(validation[list(names)].to_numpy()), validation["label"].to_numpy())
    purged = len(rows) - len(train) - len(validation)
    metrics |= {"rows_train": len(train), "rows_validation": len(validation), "rows_purged": purged}
    final = make_pipeline(settings)
    x, y = rows[list(names)].to_numpy(), rows["label"].to_numpy()
    final.fit(x, y)
    model = FittedModel(
        name=name,
        estimator=final,
        feature_names=names,
        timeframe=settings.timeframe,
        horizon_bars=settings.horizon_bars,
        strength_scale=max(float(np.std(final.predict(x))) * STRENGTH_DEVIATIONS, 1e-12),
        trained_as_of=as_of,
        dataset_hash=dataset_hash(x, y, names),
        params={"ridge_alpha": settings.ridge_alpha},
        metrics={key: float(value) for key, value in metrics.items()},
    )
    return Candidate(model=model, rows=len(rows))


def judge_candidate(candidate: Candidate, leaks: Sequence[str], promotion: Literal["proven", "paper"]) -> Verdict:
    """Refuse what leaks or has too little data; otherwise unproven, promoted under policy ``paper`` only."""
    reasons: list[str] = []
    if candidate.problem:
        reasons.append(candidate.problem)
    if leaks:
        reasons.append(f"these features change when the future is taken away: {', '.join(leaks)}")
    if reasons:
        return Verdict(text="refused", promote=False, reasons=tuple(reasons))
    if promotion == "paper":
        reason = "no leak found and data sufficient; promoted for paper, not proven against a champion"
        return Verdict(text="unproven", promote=True, reasons=(reason,))
    reason = "policy 'proven' asks that it beats the champion out of sample, net of costs, corrected for trials"
    return Verdict(text="unproven", promote=False, reasons=(reason,))


def make_pipeline(settings: TrainingParams) -> Any:
    """Impute medians, standardise, ridge regression: linear, deterministic, small."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("ridge", Ridge(alpha=settings.ridge_alpha, solver="cholesky")),
        ]
    )


def dataset_hash(x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> str:
    """SHA-256 over feature names and the exact training arrays."""
    digest = hashlib.sha256("\n".join(names).encode())
    digest.update(np.ascontiguousarray(x, dtype=np.float64).tobytes())
    digest.update(np.ascontiguousarray(y, dtype=np.float64).tobytes())
    return digest.hexdigest()


def _join(features: pd.DataFrame, labels: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    in_time = labels[labels["label_known"] <= as_of]
    table = features.reset_index()
    joined = table.merge(in_time.reset_index(), on=["instrument", "decided_open"], how="inner")
    return joined.sort_values(["point", "instrument"], kind="stable").reset_index(drop=True)


def _purged_split(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    points = np.sort(rows["point"].unique())
    begin = pd.Timestamp(points[int(len(points) * (1 - VALIDATION_SHARE))])
    begin = begin if begin.tzinfo else begin.tz_localize("UTC")
    validation = rows[rows["point"] >= begin]
    embargo = (rows["label_open"] - rows["decided_open"]).max()
    train = rows[(rows["point"] < begin) & (rows["label_known"] < begin - embargo)]
    return train, validation


def _measure(predicted: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    """Rank correlation (IC), share of right signs, R2 and mean squared error against always saying zero."""
    from scipy.stats import spearmanr

    flat = float(np.std(predicted)) == 0 or float(np.std(actual)) == 0
    return {
        "rank_ic": 0.0 if flat else float(spearmanr(predicted, actual).statistic),
        "hit_rate": float(np.mean(np.sign(predicted) == np.sign(actual))),
        "r2": 1 - float(np.sum((actual - predicted) ** 2) / np.sum((actual - actual.mean()) ** 2)) if not flat else 0.0,
        "mse": float(np.mean((actual - predicted) ** 2)),
        "mse_of_zero": float(np.mean(actual**2)),
    }


def _empty_model(name: str, names: tuple[str, ...], settings: TrainingParams, as_of: datetime) -> FittedModel:
    if not names:
        raise DataError("the feature table has no features")
    return FittedModel(
        name=name,
        estimator=None,
        feature_names=names,
        timeframe=settings.timeframe,
        horizon_bars=settings.horizon_bars,
        strength_scale=1.0,
        trained_as_of=as_of,
        dataset_hash="",
    )
