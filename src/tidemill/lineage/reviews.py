"""Recorded decisions looked at again: made once more, and their orders measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tidemill.decision import Environment
from tidemill.domain.errors import DataError
from tidemill.domain.market import DecisionGrid, format_time
from tidemill.domain.trading import Decision
from tidemill.forecasting import Strategy
from tidemill.lineage.explanation import LineageLedger
from tidemill.lineage.reruns import Rerun, StoredInputs, rerun
from tidemill.lineage.shortfalls import review_orders
from tidemill.performance import Shortfall
from tidemill.ports import ModelRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedRerun:
    """A decision of ``as_of``, made again, or why it could not be."""

    as_of: datetime
    outcome: Rerun | DataError
    decision_id: str

    def to_json(self) -> dict[str, Any]:
        """A row of the review; a decision that cannot be made again promises nothing and is a difference."""
        head = {"as_of": format_time(self.as_of)}
        if isinstance(self.outcome, Rerun):
            return head | self.outcome.to_json()
        counts = {"decision_id": self.decision_id, "promise": "none", "features": 0, "intents": 0}
        return head | counts | {"same": False, "differences": [str(self.outcome)]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """One account's decisions of one strategy, with all that making them again takes.

    ``models`` opens the registry, which only a decision of a model needs; ``stored`` has none. ``own`` is the strategy
    of the settings' file, None for one that ships.
    """

    account: str
    strategy: str
    ledger: LineageLedger
    stored: StoredInputs
    models: Callable[[], ModelRegistry]
    grid: DecisionGrid
    environment: Environment
    own: Strategy | None = None

    def rerun(self, decision: Decision) -> Rerun:
        """Make a decision again and compare. DataError when what it needs is not at hand.

        The registry is opened only for a decision that used a model.
        """
        stored = replace(self.stored, models=self.models()) if decision.record.get("model") else self.stored
        return rerun(decision, stored, grid=self.grid, environment=self.environment, own=self.own)

    def recent_decisions(self, since: datetime) -> Sequence[Decision]:
        """What was decided since then (market clock), refusals and the halts of a person left out.

        Ascending as the ledger gives them. ``since`` is aware UTC.
        """
        recorded = self.ledger.load_decisions(self.account, since=since)
        return [item for item in recorded if item.outcome == "decided" and item.strategy == self.strategy]

    def rerun_recent(self, since: datetime, limit: int) -> list[DatedRerun]:
        """Make at most ``limit`` decisions since then again, evenly spread, the newest first.

        A decision that cannot be made again is among them, with the reason in place of a result.
        """
        decisions = self.recent_decisions(since)
        # rounded up, so that never more than the limit are made again
        step = max(1, -(-len(decisions) // limit))
        return [self._rerun_dated(decision) for decision in decisions[::-step]]

    def measure_shortfalls(self, since: datetime, now: datetime) -> list[Shortfall]:
        """The implementation shortfall of every order decided since then that can come to nothing more by ``now``.

        Orders that may still fill are left out: their shortfall is not final.
        """
        return review_orders(self.recent_decisions(since), ledger=self.ledger, bars=self.stored.bars, now=now)

    def _rerun_dated(self, decision: Decision) -> DatedRerun:
        try:
            outcome: Rerun | DataError = self.rerun(decision)
        except DataError as error:
            outcome = error
        return DatedRerun(as_of=decision.as_of, outcome=outcome, decision_id=decision.decision_id)
