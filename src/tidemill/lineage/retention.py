"""What is kept no longer: raw answers that are old and referenced by no decision."""

from __future__ import annotations

from datetime import datetime, timedelta

from tidemill.domain.market import EPOCH
from tidemill.ports import DecisionLedger, PayloadPruning, Pruned


def prune_payloads(store: PayloadPruning, ledger: DecisionLedger, *, now: datetime, days: float) -> Pruned:
    """Delete raw answers that were stored more than ``days`` before ``now`` (market clock), none at all with 0.

    The watermarks of all decisions are read first: one that is recorded meanwhile references only what is kept for
    the limit itself.
    """
    before = now - timedelta(days=days) if days > 0 else EPOCH
    return store.prune_payloads(before=before, watermarks=ledger.load_watermarks())
