"""What research asks of the world: the count of its own trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tidemill.domain.trials import Trial


class TrialLedger(Protocol):
    """Every backtest ever run, append-only: nothing is changed or taken away, so no trial is forgotten.

    How good the best of many trials looks by luck alone depends on how many there were, so the count has to be whole.
    """

    def record_trial(self, trial: Trial) -> int:
        """Append one run, durably; its number, counted up from 1 in order of storage. An equal run gets a row too.

        Equal runs are told apart again by :func:`tidemill.domain.trials.distinct_trials`, where trials are counted.
        """
        ...

    def load_trials(self, *, data_hash: str | None = None) -> Sequence[Trial]:
        """Every run (on ``data_hash``, if given) in order of storage.

        Each row of equal runs is among them. Empty when nothing was ever run on that data.
        """
        ...
