"""Recorded decisions looked at again, with the stores of a process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tidemill import lineage
from tidemill.bootstrap.services import Services
from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time
from tidemill.domain.trading import Decision
from tidemill.performance import Shortfall


def rerun_recorded(svc: Services, decision: Decision) -> dict[str, Any]:
    """Make a decision again and compare; JSON-ready. DataError when what it needs is not at hand."""
    stored = lineage.StoredInputs(
        bars=svc.stores.market,
        posts=svc.stores.market,
        ledger=svc.stores.ledger,
        models=svc.stores.models if decision.record.get("model") else None,
        quarantine=svc.stores.gaps,
        records=svc.stores.market_events,
    )
    again = lineage.rerun(
        decision,
        stored,
        grid=svc.markets.grid,
        environment=svc.trading.environment,
        own=svc.trading.own_strategy,
    )
    return again.to_json()


def recent_decisions(svc: Services, days: float) -> Sequence[Decision]:
    """What was decided in the last ``days`` on the market clock, the halts of a person left out."""
    since = svc.clocks.market.now() - timedelta(days=days)
    decided = svc.stores.ledger.load_decisions(svc.settings.account, since=since)
    return [one for one in decided if one.outcome == "decided" and one.strategy == svc.trading.strategy_name]


def rerun_recent(svc: Services, days: float, most: int) -> list[dict[str, Any]]:
    """Make at most ``most`` decisions of the last ``days`` again, evenly spread; one that cannot be is a difference."""
    decided = recent_decisions(svc, days)
    step = max(1, -(-len(decided) // most))
    return [_again(svc, decision) for decision in decided[::-step]]


def _again(svc: Services, decision: Decision) -> dict[str, Any]:
    told = {"as_of": format_time(decision.as_of)}
    try:
        return told | rerun_recorded(svc, decision)
    except DataError as error:
        nothing = {"decision_id": decision.decision_id, "promise": "none", "features": 0, "intents": 0}
        return told | nothing | {"same": False, "differences": [str(error)]}


def shortfalls(svc: Services, days: float) -> list[Shortfall]:
    """The implementation shortfall of every order of the last ``days`` that can come to nothing more."""
    return lineage.review_orders(
        recent_decisions(svc, days), ledger=svc.stores.ledger, bars=svc.stores.market, now=svc.clocks.market.now()
    )
