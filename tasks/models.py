"""Training and the registry: one call each."""

from __future__ import annotations

from datetime import datetime

from tasks.options import step
from tidemill.bootstrap import services
from tidemill.model_training import candidates
from tidemill.model_training.candidates import MODEL_NAME, TrainingTable
from tidemill.model_training.training_data import TrainingData, TrainingScope, TrainingStores, store_snapshot
from tidemill.model_training.training_data import load_training_data as load_data
from tidemill.ports import FittedModel
from tidemill.training import Candidate, Verdict


def training_scope() -> TrainingScope:
    """The history that the settings train on."""
    svc = services()
    return TrainingScope(
        universe=svc.settings.universe,
        grid=svc.markets.grid,
        scorer=svc.trading.rules.scorer,
        window_days=svc.settings.training.window_days,
        min_completeness=svc.settings.quality.min_completeness,
    )


@step(name="load_champion", tags=["model"], retries=1)
def load_champion() -> FittedModel | None:
    """The champion, or None while there is none."""
    return services().stores.models.load_champion(MODEL_NAME)


@step(name="load_training_data", tags=["model"], retries=1)
def load_training_data(as_of: datetime) -> TrainingData:
    """Everything that was known and stored at ``as_of``."""
    svc = services()
    stores = TrainingStores(
        bars=svc.stores.market,
        posts=svc.stores.market,
        quarantine=svc.stores.gaps,
        market_events=svc.stores.market_events,
    )
    return store_snapshot(load_data(stores, training_scope(), as_of), svc.stores.snapshots)


@step(name="build_training_table", tags=["model"])
def build_training_table(data: TrainingData) -> TrainingTable:
    """Point-in-time features and forward returns."""
    horizon = services().trading.training.horizon_bars
    return candidates.build_training_table(data, training_scope(), horizon=horizon)


@step(name="train_model", tags=["model"])
def train_model(table: TrainingTable, as_of: datetime) -> Candidate:
    """A candidate, trained and measured on a purged chronological split."""
    return candidates.train_candidate(table, params=services().trading.training, as_of=as_of, name=MODEL_NAME)


@step(name="judge_candidate", tags=["model"])
def judge_candidate(candidate: Candidate, data: TrainingData) -> Verdict:
    """Look for leaks and give the verdict of the promotion policy in force."""
    return candidates.judge(candidate, data, training_scope(), promotion=services().settings.promotion)


@step(name="register_candidate", tags=["model"], retries=1)
def register_candidate(candidate: Candidate, table: TrainingTable, verdict: Verdict, snapshot: str = "") -> str:
    """Log the candidate with its verdict, promote it when the verdict says so; the version."""
    return candidates.register_candidate(services().stores.models, candidate, table, verdict, snapshot=snapshot)
