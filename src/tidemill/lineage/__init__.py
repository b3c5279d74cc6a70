"""Why an order exists, the same decision made once more, and what carrying it out cost."""

from tidemill.lineage.explanation import LineageLedger, RawPayloads, explain
from tidemill.lineage.reruns import Rerun, recorded_rules, rerun
from tidemill.lineage.shortfalls import review_orders

__all__ = ["LineageLedger", "RawPayloads", "Rerun", "explain", "recorded_rules", "rerun", "review_orders"]
