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
        """See the port."""
        self._trials.append(trial)
        return len(self._trials)

    def load_trials(self, *, data_hash: str | None = None) -> Sequence[Trial]:
        """See the port."""
        return [one for one in self._trials if data_hash in {None, one.data_hash}]
