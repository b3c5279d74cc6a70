"""The champion of each decision, trained on the way as `retrain` would."""

from __future__ import annotations

from datetime import datetime

from tidemill.backtest.history import History
from tidemill.backtest.values import BacktestPlan
from tidemill.memory.registry import MemoryRegistry
from tidemill.model_training.candidates import (
    MODEL_NAME,
    build_training_table,
    is_due,
    judge,
    register_candidate,
    train_candidate,
)
from tidemill.model_training.training_data import TrainingScope, TrainingStores, load_training_data
from tidemill.ports import FittedModel


class Champions:
    """A registry in memory, and the training that fills it."""

    def __init__(self, history: History, plan: BacktestPlan) -> None:
        self._history = history
        self._plan = plan
        self._models = MemoryRegistry()

    def at(self, as_of: datetime) -> FittedModel | None:
        """The champion at ``as_of``, trained anew when one is due; None for a strategy without a model."""
        if self._plan.rules.strategy != "model":
            return None
        champion = self._models.load_champion(MODEL_NAME)
        if is_due(champion, as_of, self._plan.retrain_every_days):
            self._train(as_of)
            champion = self._models.load_champion(MODEL_NAME)
        return champion

    def _train(self, as_of: datetime) -> None:
        plan, rules, store = self._plan, self._plan.rules, self._history.store
        scope = TrainingScope(
            universe=rules.universe,
            grid=rules.grid,
            scorer=rules.scorer,
            window_days=plan.window_days,
            min_completeness=rules.min_completeness,
        )
        stores = TrainingStores(bars=store, posts=store, quarantine=self._history.refused)
        data = load_training_data(stores, scope, as_of, live=False)
        table = build_training_table(data, scope, horizon=plan.training.horizon_bars)
        candidate = train_candidate(table, params=plan.training, as_of=as_of, name=MODEL_NAME)
        verdict = judge(candidate, data, scope, promotion=plan.promotion)
        register_candidate(self._models, candidate, table, verdict)
