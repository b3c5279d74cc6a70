"""Counts and pages made of what happened: pure, for artifacts, screens and JSON alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tidemill.domain.gaps import Hole
from tidemill.domain.market import format_time
from tidemill.domain.series import SeriesMark, SeriesState
from tidemill.domain.trading import Decision, LedgerOrder, OrderState
from tidemill.quality import SeriesCompleteness

ORDER_COUNTS = (
    "intended",
    "filled",
    "partly_filled",
    "expired",
    "cancelled",
    "open",
    "rejected",
    "not_placed",
    "unknown",
)
# "open" is what may still fill; an intent not yet sent counts as open as well
_COUNTED_AS = {
    OrderState.PLANNED: "open",
    OrderState.SUBMITTING: "unknown",
    OrderState.UNKNOWN: "unknown",
    OrderState.OPEN: "open",
    OrderState.REJECTED: "rejected",
    OrderState.NOT_PLACED: "not_placed",
    OrderState.CANCELLED: "cancelled",
    OrderState.EXPIRED: "expired",
}


def count_orders(orders: Iterable[LedgerOrder]) -> dict[str, int]:
    """Orders by what became of them; all but ``intended`` sum to ``intended``.

    filled = all of the quantity sent; partly_filled = some of it, whether the rest expired or rests.
    """
    counts = dict.fromkeys(ORDER_COUNTS, 0)
    for order in orders:
        counts["intended"] += 1
        counts[_count_as(order)] += 1
    return counts


def _count_as(order: LedgerOrder) -> str:
    if order.filled > 0:
        return "filled" if order.filled >= order.quantity else "partly_filled"
    return _COUNTED_AS.get(order.state, "open")


def add_counts(totals: dict[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Sum of two counts."""
    return {name: totals.get(name, 0) + more.get(name, 0) for name in {**totals, **more}}


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Markdown table of ``rows``."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(str(row.get(column, "")) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


BARS_COLUMNS = ("name", "timeframe", "fetched", "stored", "rejected", "missing", "quarantined", "state", "failure")
POSTS_COLUMNS = ("name", "fetched", "stored", "rejected", "scores", "failure")


def ingest_page(title: str, results: Sequence[Mapping[str, Any]]) -> str:
    """Page of an ingest run: per series what was fetched, kept, refused and missing."""
    return f"# {title}\n\n" + (table(results, BARS_COLUMNS) if results else "No series was asked for.")


def posts_page(results: Sequence[Mapping[str, Any]]) -> str:
    """Page of the posts that came in, per source; what to set when there is none."""
    nothing = "No source has a key, so none was asked; `tidemill doctor` tells what to set."
    return "# Posts ingested\n\n" + (table(results, POSTS_COLUMNS) if results else nothing)


def asset_key(instrument: str, timeframe: str) -> str:
    """The asset of a series: ``tidemill://bars/BINANCE/BTC-USDT/1h``."""
    pair, _, venue = instrument.rpartition(".")
    return f"tidemill://bars/{venue}/{pair}/{timeframe}"


def stream_page(venue: str, told: Mapping[str, Any]) -> str:
    """Page of a stream: what it brought, how often it was cut, and what was fetched to mend that."""
    counts = ("bars", "trades", "breaks", "healed")
    failures = "\n".join(f"- {one}" for one in told["failures"]) or "- none"
    return f"# Stream of {venue}\n\n" + table([told], counts) + "\n\n## Could not be mended at once\n\n" + failures


def repair_page(results: Sequence[Mapping[str, Any]], left: Sequence[Hole]) -> str:
    """Page of a repair: what each instrument got, and every hole that is left with its cause."""
    columns = ("name", "timeframe", "fetched", "stored", "quarantined", "released", "failure")
    missing = table([hole_row(one) for one in left], HOLE_COLUMNS) if left else "nothing"
    return "# Bars repaired\n\n" + table(results, columns) + "\n\n## Missing still\n\n" + missing


HOLE_COLUMNS = ("instrument", "timeframe", "missing", "cause", "start", "end", "state", "why")
"""What a narrow screen cuts comes last."""


def hole_row(hole: Hole) -> dict[str, Any]:
    """One hole for a table or for JSON."""
    return {
        "instrument": hole.instrument,
        "timeframe": hole.timeframe,
        "start": format_time(hole.start),
        "end": format_time(hole.end),
        "missing": hole.missing,
        "cause": str(hole.cause),
        "state": str(hole.state),
        "why": hole.why,
    }


def series_state(series: SeriesCompleteness, marks: Sequence[SeriesMark]) -> str:
    """How a series is marked; ``fine`` unless told otherwise."""
    told = {one.key: str(one.state) for one in marks}
    return told.get((series.instrument, series.timeframe), str(SeriesState.FINE))


def completeness_rows(measured: Sequence[SeriesCompleteness], marks: Sequence[SeriesMark] = ()) -> list[dict[str, Any]]:
    """Per series: expected, stored, repaired, missing, the missing by cause in words, and how it is marked.

    What matters comes first: a table cuts on the right what its screen has no room for.
    """
    rows = []
    for one in measured:
        told = one.as_dict()
        causes = ", ".join(f"{count} {cause}" for cause, count in told["causes"].items()) or "none"
        rows.append(
            {
                **{name: told[name] for name in ("instrument", "timeframe", "complete", "missing")},
                "causes": causes,
                "state": series_state(one, marks),
                **{name: told[name] for name in ("expected", "stored", "repaired", "start", "end")},
            }
        )
    return rows


def completeness_days(measured: Sequence[SeriesCompleteness]) -> list[dict[str, Any]]:
    """Per day, newest first: expected and stored of all series together, and the figure."""
    days: dict[str, list[int]] = {}
    for series in measured:
        for one in series.days:
            sums = days.setdefault(one.day.isoformat(), [0, 0])
            sums[0] += one.expected
            sums[1] += one.stored
    return [
        {"day": day, "expected": expected, "stored": stored, "complete": f"{stored / expected:.4%}"}
        for day, (expected, stored) in sorted(days.items(), reverse=True)
    ]


def progress_sentence(what: str, done: int, parts: int, elapsed: timedelta) -> str:
    """How far a long run is, and about how long the rest takes at the pace so far."""
    left = elapsed / done * (parts - done) if done else timedelta(0)
    rest = f"about {timedelta(seconds=round(left.total_seconds()))} left" if done < parts else f"done in {elapsed}"
    return f"{what}: {done} of {parts} parts, {rest}"


def decision_page(decision: Decision, orders: Sequence[LedgerOrder]) -> str:
    """Page of one decision: the three lists (wanted, refused, sent), and what became of the orders."""
    head = f"# Decision {decision.decision_id} as of {format_time(decision.as_of)}\n\n"
    if decision.outcome == "refused":
        return head + f"**Refused**: {decision.reason}\n"
    record = decision.record
    parts = [
        head,
        _decided_by(decision),
        "## Forecasts\n",
        table(record["forecasts"], ("instrument", "strength", "volatility_annual", "expires_at")),
        "\n## Targets\n",
        table(record["wanted"], ("instrument", "quantity", "price", "reason")),
        "\n## Refused or cut by limits\n",
        table(record["vetoes"], ("instrument", "limit", "reason", "wanted", "allowed")),
        "\n## Kept or dropped\n",
        table([*record["kept"], *record["dropped"]], ("instrument", "quantity", "reason")),
        "\n## Orders\n",
        table([order_row(order) for order in orders], ORDER_COLUMNS),
    ]
    return "\n".join(parts)


def _decided_by(decision: Decision) -> str:
    model = f"{decision.model} {decision.model_version}".strip()
    equity = decision.record["equity"]
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
        + table(rows, ("figure", "value"))
    )


def reconcile_page(differences: Sequence[str], doubtful: Sequence[LedgerOrder], frozen: int) -> str:
    """Page of a reconciliation."""
    if not differences and not doubtful:
        return "# Ledger and venue agree\n\nOrders, fills and balances are equal to the last unit.\n"
    lines = [f"- {sentence}" for sentence in differences]
    lines += [f"- order {order.intent.intent_id} is still in doubt" for order in doubtful]
    return f"# Ledger and venue differ\n\n{frozen} new freezes; resume with `tidemill resume`.\n\n" + "\n".join(lines)


def monitor_page(undecided: Sequence[str], stops: Sequence[Mapping[str, str]], rerun: Mapping[str, Any]) -> str:
    """Page of a health check."""
    parts = ["# Health\n"]
    parts.append(f"{len(undecided)} moments without a decision in the last day" + (": " if undecided else "."))
    parts += [f"- {one}" for one in undecided]
    parts.append("\n## Stops in force\n")
    parts.append(table(stops, ("scope", "reason", "since")) if stops else "none")
    parts.append("\n## Newest decision made again\n")
    if rerun["decision"] is None:
        parts.append("no decision in the last day")
    else:
        verdict = "same" if rerun["same"] else "DIFFERENT"
        parts.append(f"{rerun['decision']}: {verdict} ({rerun['promise']})")
        parts += [f"- {one}" for one in rerun["differences"]]
    return "\n".join(parts)


ORDER_COLUMNS = ("id", "instrument", "side", "quantity", "limit_price", "state", "filled", "reason")


def order_row(order: LedgerOrder) -> dict[str, Any]:
    """One order for a table."""
    intent = order.intent
    return {
        "id": intent.intent_id,
        "instrument": intent.instrument,
        "side": intent.side,
        "quantity": order.quantity,
        "limit_price": intent.limit_price,
        "state": order.state,
        "filled": order.filled,
        "reason": order.reason,
    }
