"""Training and the registry: one call each."""

from __future__ import annotations

from datetime import datetime

from tasks.options import step
from tidemill.bootstrap import services
from tidemill.model_training import candidates as learning
from tidemill.ports import FittedModel
from tidemill.training import Candidate, Verdict

MODEL_NAME = "tidemill"


@step(name="load_champion", tags=["model"], retries=1)
def load_champion() -> FittedModel | None:
    """The champion, or None while there is none."""
    return services().stores.models.load_champion(MODEL_NAME)


@step(name="load_training_data", tags=["model"], retries=1)
def load_training_data(as_of: datetime) -> learning.TrainingData:
    """Everything that was known and stored at ``as_of``."""
    svc = services()
    data = learning.load_training_data(
        svc.stores.market,
        svc.stores.market,
        universe=svc.settings.universe,
        grid=svc.markets.grid,
        scorer=svc.trading.rules.scorer,
        as_of=as_of,
        window_days=svc.settings.training.window_days,
        quarantine=svc.stores.gaps,
        records=svc.stores.market_events,
        min_completeness=svc.settings.quality.min_completeness,
    )
    return learning.keep_bars(data, svc.stores.snapshots)


@step(name="build_training_table", tags=["model"])
def build_training_table(data: learning.TrainingData) -> learning.TrainingTable:
    """Point-in-time features and forward returns."""
    svc = services()
    return learning.build_training_table(
        data, universe=svc.settings.universe, grid=svc.markets.grid, horizon=svc.trading.training.horizon_bars
    )


@step(name="train_model", tags=["model"])
def train_model(table: learning.TrainingTable, as_of: datetime) -> Candidate:
    """A candidate, trained and measured on a purged chronological split."""
    return learning.train_candidate(table, params=services().trading.training, as_of=as_of, name=MODEL_NAME)


@step(name="judge_candidate", tags=["model"])
def judge_candidate(candidate: Candidate, data: learning.TrainingData) -> Verdict:
    """Look for leaks and give the verdict of the promotion policy in force."""
    svc = services()
    return learning.judge(
        candidate, data, universe=svc.settings.universe, grid=svc.markets.grid, promotion=svc.settings.promotion
    )


@step(name="register_candidate", tags=["model"], retries=1)
def register_candidate(
    candidate: Candidate, table: learning.TrainingTable, verdict: Verdict, snapshot: str = ""
) -> str:
    """Log the candidate with its verdict, promote it when the verdict says so; the version."""
    return learning.register_candidate(services().stores.models, candidate, table, verdict, snapshot=snapshot)
