"""What is kept no longer: raw answers that are old and referenced by no decision."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from tidemill.bootstrap import services
from tidemill.domain.errors import ConfigurationError


def prune_payloads(older_than_days: float = 0.0) -> dict[str, Any]:
    """Delete old raw answers; counts, JSON-ready. ConfigurationError when neither option nor setting says how old.

    The watermarks of all decisions are read first: one that is recorded meanwhile references only what is kept
    for the limit itself.
    """
    known = services()
    days = older_than_days or known.settings.retention.payload_days
    if days <= 0:
        raise ConfigurationError(
            "all raw answers are kept; say how old they may get with --older-than or TIDEMILL_RETENTION__PAYLOAD_DAYS"
        )
    before = known.market_clock.now() - timedelta(days=days)
    return asdict(known.store.prune_payloads(before=before, watermarks=known.ledger.load_watermarks()))
