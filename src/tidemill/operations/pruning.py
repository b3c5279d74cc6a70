"""Old raw answers deleted by hand."""

from __future__ import annotations

from tidemill.bootstrap import services
from tidemill.domain.errors import ConfigurationError
from tidemill.lineage import prune_payloads
from tidemill.ports import Pruned


def prune_old_payloads(older_than_days: float = 0.0) -> Pruned:
    """Delete old raw answers that no decision references.

    ConfigurationError when neither ``older_than_days`` nor the setting says how old.
    """
    svc = services()
    days = older_than_days or svc.settings.retention.payload_days
    if days <= 0:
        raise ConfigurationError(
            "all raw answers are kept; say how old they may get with --older-than or TIDEMILL_RETENTION__PAYLOAD_DAYS"
        )
    return prune_payloads(svc.stores.market, svc.stores.ledger, now=svc.clocks.market.now(), days=days)
