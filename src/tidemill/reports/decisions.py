"""Pages of decisions, of training, and of the daily check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tidemill.domain.market import format_time
from tidemill.domain.trading import Decision, LedgerOrder
from tidemill.reports.orders import ORDER_COLUMNS, order_row
from tidemill.reports.tables import plain, table
from tidemill.training import Candidate, Verdict


def decision_page(decision: Decision, orders: Sequence[LedgerOrder]) -> str:
    """Page of one decision: forecasts, targets, what limits refused, what was not sent, and what became of ``orders``.

    Of a refused decision only the reason. Quantities are in base units, prices in quote.
    """
    head = f"# Decision {decision.decision_id} as of {format_time(decision.as_of)}\n\n"
    # the record of a refused decision lacks the lists: nothing was computed that could be shown
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


def _forecast_row(forecast: Mapping[str, Any]) -> Mapping[str, object]:
    volatility = forecast.get("volatility_annual")
    volatility_text = "" if volatility is None else f"{volatility:.1%}"
    return {**forecast, "strength": f"{forecast['strength']:+.3f}", "volatility a year": volatility_text}


def _decided_by(decision: Decision) -> str:
    model = f"{decision.model} {decision.model_version}".strip()
    equity = f"{Decimal(str(decision.record['equity'])):,.2f}"
    return f"Account {decision.account}, strategy {decision.strategy}, decided by **{model}**; equity {equity}.\n"


def skipped_page(as_of: datetime, reason: str) -> str:
    """Page of a run that came too late to decide.

    ``as_of`` in UTC; ``reason`` says how late, as a sentence.
    """
    return f"# No decision as of {format_time(as_of)}\n\n**Skipped**: {reason}\n"


def training_page(candidate: Candidate, verdict: Verdict, version: str) -> str:
    """Page of a training: figures out of sample, the verdict and its reasons; ``version`` "" when not registered."""
    rows = [{"figure": name, "value": f"{value:.6g}"} for name, value in sorted(candidate.model.metrics.items())]
    reasons = "\n".join(f"- {reason}" for reason in verdict.reasons) or "- none"
    named = f"version {version}" if version else "(not registered)"
    return (
        f"# Candidate {candidate.model.name} {named}\n\n"
        f"Verdict **{verdict.text}**, {'promoted' if verdict.promote else 'not promoted'}.\n\n{reasons}\n\n"
        + (table(rows, ("figure", "value")) if rows else "")
    )


def monitor_page(undecided: Sequence[str], stops: Sequence[Mapping[str, str]], rerun: Mapping[str, Any]) -> str:
    """Page of a health check.

    ``undecided`` are moments of the last day without a decision, ``stops`` rows with scope, reason and since, ``rerun``
    the JSON of the newest decision made again, its ``decision`` None when there was none.
    """
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
