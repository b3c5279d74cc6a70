"""What research asks of the world: the count of its own trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tidemill.domain.trials import Trial


class TrialLedger(Protocol):
    """Every backtest ever run, append-only: nothing is changed or taken away, so no trial is forgotten."""

    def record_trial(self, trial: Trial) -> int:
        """Append one run, durably; its number, counted up from 1 in order of storage. An equal run gets a row too."""
        ...

    def load_trials(self, *, data_hash: str | None = None) -> Sequence[Trial]:
        """Every run (on ``data_hash``, if given) in order of storage."""
        ...
