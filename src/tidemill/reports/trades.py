"""What a run of ``trade`` came to: counts and names, for people and machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidemill.domain.market import format_time
from tidemill.domain.trading import Decision, LedgerOrder
from tidemill.reports.orders import count_orders


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSummary:
    """A decision that was made or refused, and the ``orders`` that it placed, as they are in the ledger now."""

    decision: Decision
    orders: Sequence[LedgerOrder]

    def to_json(self) -> dict[str, Any]:
        """The result of the flow: names, counts, and the orders by what became of them.

        A refused decision has a record without forecasts and equity: its counts are 0 and its equity null.
        """
        decision, record = self.decision, self.decision.record
        return {
            "decision": decision.decision_id,
            "as_of": format_time(decision.as_of),
            "outcome": decision.outcome,
            "reason": decision.reason,
            "model": decision.model,
            "model_version": decision.model_version,
            "forecasts": len(record.get("forecasts", ())),
            "without_forecast": list(record.get("without_forecast", ())),
            "vetoed": len(record.get("vetoes", ())),
            "dropped": len(record.get("dropped", ())),
            "equity": record.get("equity"),
            "orders": count_orders(self.orders),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedTrade:
    """A run that came too late to decide ``as_of``, and why.

    Nothing is recorded of it in the ledger.
    """

    as_of: datetime
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The result of the flow, in the keys of a decision, all counts 0."""
        return {
            "decision": None,
            "as_of": format_time(self.as_of),
            "outcome": "skipped",
            "reason": self.reason,
            "forecasts": 0,
            "vetoed": 0,
            "dropped": 0,
            "orders": count_orders(()),
        }
