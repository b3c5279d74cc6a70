"""What is kept no longer: raw answers that are old and referenced by no decision."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from tidemill.bootstrap.services import Services
from tidemill.domain.market import EPOCH


def prune_payloads(svc: Services, days: float) -> dict[str, Any]:
    """Delete raw answers older than ``days`` on the market clock (0: none at all); counts, JSON-ready.

    The watermarks of all decisions are read first: one that is recorded meanwhile references only what is kept
    for the limit itself.
    """
    before = svc.clocks.market.now() - timedelta(days=days) if days > 0 else EPOCH
    return asdict(svc.stores.market.prune_payloads(before=before, watermarks=svc.stores.ledger.load_watermarks()))


def pruned_rows(done: dict[str, Any]) -> list[dict[str, Any]]:
    """What :func:`prune_payloads` told, as rows of a table: what went, what stayed, and what of that decisions hold."""
    return [
        {"raw answers": "deleted", "number": done["deleted"], "bytes": done["bytes"]},
        {"raw answers": "left", "number": done["left"], "bytes": done["left_bytes"]},
        {"raw answers": "of these old, but referenced by decisions", "number": done["kept"], "bytes": None},
    ]
