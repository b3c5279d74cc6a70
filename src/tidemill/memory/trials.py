"""The trial ledger in memory."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.domain.trials import Trial


class MemoryTrialLedger:
    """Trials of one process."""

    def __init__(self) -> None:
        self._trials: list[Trial] = []

    def close(self) -> None:
        """Nothing is open."""

    def record_trial(self, trial: Trial) -> int:
        """Append one run, durably; its number, counted up from 1 in order of storage. An equal run gets a row too."""
        self._trials.append(trial)
        return len(self._trials)

    def load_trials(self, *, data_hash: str | None = None) -> Sequence[Trial]:
        """Every run (on ``data_hash``, if given) in order of storage."""
        return [trial for trial in self._trials if data_hash in {None, trial.data_hash}]
