"""Why an order exists, the same decision made once more, and what carrying it out cost."""

from tidemill.lineage.explanation import Explanation, LineageLedger, OrderExplanation, RawPayloads, explain
from tidemill.lineage.reruns import Rerun, StoredInputs, recorded_rules, rerun
from tidemill.lineage.retention import prune_payloads
from tidemill.lineage.reviews import DatedRerun, Reviewer
from tidemill.lineage.shortfalls import review_orders

__all__ = [
    "DatedRerun",
    "Explanation",
    "LineageLedger",
    "OrderExplanation",
    "RawPayloads",
    "Rerun",
    "Reviewer",
    "StoredInputs",
    "explain",
    "prune_payloads",
    "recorded_rules",
    "rerun",
    "review_orders",
]
