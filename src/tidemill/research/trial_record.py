"""Backtests as rows of the trial ledger: what names one, and how a sweep writes its own."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from tidemill.backtest import BacktestPlan
from tidemill.domain.trials import Trial
from tidemill.ports.trials import TrialLedger
from tidemill.recording import Recording, hash_recording
from tidemill.research.jobs import load_plan
from tidemill.research.parameter_sets import STRATEGY, Outcome, SetResult, plan_with
from tidemill.research.requests import BacktestRequest, PlanLoader

COSTS = ("slippage", "spread", "impact", "latency")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialReference:
    """The row that a backtest got: its number, and the SHA-256 of what was run and of the data it ran on."""

    number: int
    parameters_hash: str
    data_hash: str


def make_trial(
    recording: Recording,
    plan: BacktestPlan,
    *,
    sharpe: float,
    orders: int,
    now: datetime,
    data_hash: str = "",
) -> Trial:
    """The row of the trial ledger for a backtest made at wall time ``now``; ``data_hash`` when it is known already."""
    parameters = json.dumps(PlanParameters(plan=plan).to_json(), sort_keys=True)
    return Trial(
        recorded_at=now,
        strategy=plan.rules.strategy,
        parameters_hash=hashlib.sha256(parameters.encode()).hexdigest(),
        start=plan.start,
        end=plan.end,
        data_hash=data_hash or hash_recording(recording),
        sharpe=sharpe if math.isfinite(sharpe) else None,
        orders=orders,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanParameters:
    """Everything of a plan but period and data that decides the outcome."""

    plan: BacktestPlan

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; its text with sorted keys is what is hashed, so a new key makes every trial a new one."""
        plan = self.plan
        rules, grid, fills = plan.rules, plan.rules.grid, plan.fills
        return {
            "strategy": rules.strategy,
            "strategy_code": rules.own.code_hash if rules.own else "",
            "universe": list(rules.universe),
            "timeframe": grid.timeframe,
            "calendar": grid.calendar,
            "every_seconds": grid.every_seconds,
            "delay_seconds": grid.delay_seconds,
            "sizing": asdict(rules.sizing),
            "limits": {name: str(value) for name, value in asdict(rules.limits).items()},
            "price_cap_fraction": str(rules.price_cap_fraction),
            "scorer": rules.scorer,
            "min_completeness": rules.min_completeness,
            "fills": {
                name: str(getattr(fills, name))
                for name in (*COSTS, "participation", "fee_maker", "fee_taker", "fee_asset")
            },
            "start_cash": str(plan.start_cash),
            "training": asdict(plan.training),
            "retrain_every_days": plan.retrain_every_days,
            "window_days": plan.window_days,
            "promotion": plan.promotion,
            "code": plan.environment.code,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTrials:
    """The trial ledger as one sweep over the recording of ``data_hash`` writes it."""

    plan_loader: PlanLoader
    ledger: TrialLedger
    now: Callable[[], datetime]
    request: BacktestRequest
    data_hash: str

    def catch_up(self, results: Iterable[SetResult]) -> None:
        """Record what the journal has and the ledger lacks: a kill came between the two."""
        trials = [trial for trial in map(self._trial, results) if trial is not None]
        if trials:
            # by key and not by count: other runs may have written to the ledger meanwhile
            recorded = {trial.key for trial in self.ledger.load_trials(data_hash=self.data_hash)}
            for trial in trials:
                if trial.key not in recorded:
                    self.ledger.record_trial(trial)

    def record(self, result: SetResult) -> None:
        """Count one set; one whose values are out of bounds was none."""
        trial = self._trial(result)
        if trial is not None:
            self.ledger.record_trial(trial)

    def _trial(self, result: SetResult) -> Trial | None:
        request = replace(self.request, strategy=str(result.params.get(STRATEGY, self.request.strategy)))
        try:
            recording, plan = load_plan(self.plan_loader, request)
            changed = plan_with(plan, result.params)
        except Exception:  # noqa: BLE001 - the result says why already
            return None
        sharpe = result.sharpe if isinstance(result, Outcome) and result.sharpe is not None else math.nan
        orders = result.orders if isinstance(result, Outcome) else 0
        return make_trial(recording, changed, sharpe=sharpe, orders=orders, now=self.now(), data_hash=self.data_hash)
