"""Old raw answers deleted by hand."""

from __future__ import annotations

from typing import Any

from tidemill import bootstrap
from tidemill.domain.errors import ConfigurationError


def prune_payloads(older_than_days: float = 0.0) -> dict[str, Any]:
    """Delete old raw answers; counts, JSON-ready. ConfigurationError when neither option nor setting says how old."""
    svc = bootstrap.services()
    days = older_than_days or svc.settings.retention.payload_days
    if days <= 0:
        raise ConfigurationError(
            "all raw answers are kept; say how old they may get with --older-than or TIDEMILL_RETENTION__PAYLOAD_DAYS"
        )
    return bootstrap.prune_payloads(svc, days)
