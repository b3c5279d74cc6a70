"""Recorded decisions looked at again, with the stores of a process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from tidemill import lineage
from tidemill.bootstrap.services import Services
from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time
from tidemill.domain.trading import Decision
from tidemill.performance import Shortfall


def rerun_recorded(known: Services, decision: Decision) -> dict[str, Any]:
    """Make a decision again and compare; JSON-ready. DataError when what it needs is not at hand."""
    done = lineage.rerun(
        decision,
        bars=known.store,
        posts=known.store,
        ledger=known.ledger,
        models=known.models if decision.record.get("model") else None,
        grid=known.grid,
        environment=known.environment,
        quarantine=known.gaps,
        records=known.records,
        own=known.own_strategy,
    )
    return {**asdict(done), "differences": list(done.differences)}


def recent_decisions(known: Services, days: float) -> Sequence[Decision]:
    """What was decided in the last ``days`` on the market clock, the halts of a person left out."""
    since = known.market_clock.now() - timedelta(days=days)
    decided = known.ledger.load_decisions(known.settings.account, since=since)
    return [one for one in decided if one.outcome == "decided" and one.strategy == known.strategy_name]


def rerun_recent(known: Services, days: float, most: int) -> list[dict[str, Any]]:
    """Make at most ``most`` decisions of the last ``days`` again, evenly spread; one that cannot be is a difference."""
    decided = recent_decisions(known, days)
    step = max(1, -(-len(decided) // most))
    return [_again(known, decision) for decision in decided[::-step]]


def _again(known: Services, decision: Decision) -> dict[str, Any]:
    told = {"as_of": format_time(decision.as_of)}
    try:
        return told | rerun_recorded(known, decision)
    except DataError as error:
        nothing = {"decision_id": decision.decision_id, "promise": "none", "features": 0, "intents": 0}
        return told | nothing | {"same": False, "differences": [str(error)]}


def shortfalls(known: Services, days: float) -> list[Shortfall]:
    """The implementation shortfall of every order of the last ``days`` that can come to nothing more."""
    return lineage.review_orders(
        recent_decisions(known, days), ledger=known.ledger, bars=known.store, now=known.market_clock.now()
    )
