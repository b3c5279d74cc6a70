"""The trial ledger as a sweep writes it: one row for each parameter set tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from tidemill.bootstrap.reporting import make_trial
from tidemill.bootstrap.sweep_jobs import SweepRequest, sweep_plan
from tidemill.domain.trials import Trial
from tidemill.ports.trials import TrialLedger
from tidemill.research.sweeps import STRATEGY, Found, Outcome, plan_with


class TrialBook:
    """The trial ledger as one sweep writes it."""

    def __init__(
        self, settings: str, trials: TrialLedger, now: Callable[[], datetime], request: SweepRequest, data_hash: str
    ) -> None:
        self._settings = settings
        self._trials = trials
        self._now = now
        self._request = request
        self.data_hash = data_hash

    def catch_up(self, found: Iterable[Found]) -> None:
        """Record what the journal has and the ledger lacks: a kill came between the two."""
        tried = [trial for trial in map(self._trial, found) if trial is not None]
        if tried:
            known = {one.key for one in self._trials.load_trials(data_hash=self.data_hash)}
            for trial in tried:
                if trial.key not in known:
                    self._trials.record_trial(trial)

    def record(self, found: Found) -> None:
        """Count one set; one whose values are out of bounds was none."""
        trial = self._trial(found)
        if trial is not None:
            self._trials.record_trial(trial)

    def _trial(self, found: Found) -> Trial | None:
        request = replace(self._request, strategy=str(found.params.get(STRATEGY, self._request.strategy)))
        try:
            recording, plan = sweep_plan(self._settings, request)
            changed = plan_with(plan, found.params)
        except Exception:  # noqa: BLE001 - told with its reason already
            return None
        sharpe = found.sharpe if isinstance(found, Outcome) and found.sharpe is not None else math.nan
        orders = found.orders if isinstance(found, Outcome) else 0
        return make_trial(recording, changed, sharpe=sharpe, orders=orders, now=self._now(), data_hash=self.data_hash)
