"""Pages of decisions, of training, and of the look a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tidemill.domain.market import format_time
from tidemill.domain.trading import Decision, LedgerOrder
from tidemill.reports.orders import ORDER_COLUMNS, count_orders, order_row
from tidemill.reports.tables import plain, table


def decision_page(decision: Decision, orders: Sequence[LedgerOrder]) -> str:
    """Page of one decision: the three lists (wanted, refused, sent), and what became of the orders."""
    head = f"# Decision {decision.decision_id} as of {format_time(decision.as_of)}\n\n"
    if decision.outcome == "refused":
        return head + f"**Refused**: {decision.reason}\n"
    record = decision.record
    targets = [
        {**target, "quantity": plain(target["quantity"]), "price": plain(target["price"])}
        for target in record["wanted"]
    ]
    unsent = [
        {**position, "quantity": plain(position["quantity"])} for position in (*record["kept"], *record["dropped"])
    ]
    lists = {
        "Forecasts": ([_forecast_row(forecast) for forecast in record["forecasts"]], FORECAST_COLUMNS),
        "Targets": (targets, ("instrument", "quantity", "price", "reason")),
        "Refused or cut by limits": (record["vetoes"], ("instrument", "limit", "wanted", "allowed", "reason")),
        "Kept or dropped": (unsent, ("instrument", "quantity", "reason")),
        "Orders": ([order_row(order) for order in orders], ORDER_COLUMNS),
    }
    parts = [f"## {name}\n\n{table(rows, columns) if rows else 'none'}\n" for name, (rows, columns) in lists.items()]
    return "\n".join([head + _decided_by(decision), *parts])


FORECAST_COLUMNS = ("instrument", "strength", "volatility a year", "expires_at")


def _forecast_row(forecast: Mapping[str, Any]) -> dict[str, Any]:
    volatility = forecast.get("volatility_annual")
    volatility_text = "" if volatility is None else f"{volatility:.1%}"
    return {**forecast, "strength": f"{forecast['strength']:+.3f}", "volatility a year": volatility_text}


def _decided_by(decision: Decision) -> str:
    model = f"{decision.model} {decision.model_version}".strip()
    equity = f"{Decimal(str(decision.record['equity'])):,.2f}"
    return f"Account {decision.account}, strategy {decision.strategy}, decided by **{model}**; equity {equity}.\n"


def decision_summary(decision: Decision, orders: Sequence[LedgerOrder]) -> dict[str, Any]:
    """What ``trade`` returns: counts and names, JSON-ready."""
    record = decision.record
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
        "orders": count_orders(orders),
    }


def skipped_summary(as_of: datetime, reason: str) -> dict[str, Any]:
    """What ``trade`` returns when it came too late to decide."""
    return {
        "decision": None,
        "as_of": format_time(as_of),
        "outcome": "skipped",
        "reason": reason,
        "forecasts": 0,
        "vetoed": 0,
        "dropped": 0,
        "orders": count_orders(()),
    }


def skipped_page(as_of: datetime, reason: str) -> str:
    """Page of a run that came too late to decide."""
    return f"# No decision as of {format_time(as_of)}\n\n**Skipped**: {reason}\n"


def training_page(candidate: Any, verdict: Any, version: str) -> str:
    """Page of a training: figures out of sample, the verdict and its reasons."""
    rows = [{"figure": name, "value": f"{value:.6g}"} for name, value in sorted(candidate.model.metrics.items())]
    reasons = "\n".join(f"- {reason}" for reason in verdict.reasons) or "- none"
    named = f"version {version}" if version else "(not registered)"
    return (
        f"# Candidate {candidate.model.name} {named}\n\n"
        f"Verdict **{verdict.text}**, {'promoted' if verdict.promote else 'not promoted'}.\n\n{reasons}\n\n"
        + (table(rows, ("figure", "value")) if rows else "")
    )


def monitor_page(undecided: Sequence[str], stops: Sequence[Mapping[str, str]], rerun: Mapping[str, Any]) -> str:
    """Page of a health check."""
    parts = ["# Health\n"]
    parts.append(f"{len(undecided)} moments without a decision in the last day" + (": " if undecided else "."))
    parts += [f"- {moment}" for moment in undecided]
    parts.append("\n## Stops in force\n")
    parts.append(table(stops, ("scope", "reason", "since")) if stops else "none")
    parts.append("\n## Newest decision made again\n")
    if rerun["decision"] is None:
        parts.append("no decision in the last day")
    else:
        verdict = "same" if rerun["same"] else "DIFFERENT"
        parts.append(f"{rerun['decision']}: {verdict} ({rerun['promise']})")
        parts += [f"- {difference}" for difference in rerun["differences"]]
    return "\n".join(parts)
