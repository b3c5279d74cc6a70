"""The page of a review: decisions made again, and what carrying them out cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tidemill.performance import Shortfall, sum_shortfalls
from tidemill.reports import table

CENT = Decimal("0.01")
CAUSES = ("delay", "execution", "fees", "opportunity", "total")
MOST_DIFFERENCES = 5
NO_DECISION = "There was no decision in this time."


def review_page(reruns: Sequence[Mapping[str, Any]], found: Sequence[Shortfall]) -> str:
    """Markdown: how many decisions came out the same, and the shortfall by cause and by instrument."""
    other = [one for one in reruns if not one["same"]]
    parts = [
        "# Decisions and their cost\n",
        f"{len(reruns) - len(other)} of {len(reruns)} decisions came out the same." if reruns else NO_DECISION,
    ]
    for one in other:
        parts.append(f"\n**{one['decision_id']}** at {one['as_of']}: DIFFERENT ({one['promise']})\n")
        parts += [f"- {difference}" for difference in one["differences"][:MOST_DIFFERENCES]]
    parts.append("\n## Implementation shortfall\n")
    if not found:
        return "\n".join([*parts, "no order has come to its end"])
    parts.append(table(shortfall_sums(found), ("instrument", "orders", "notional", *CAUSES, "basis points")))
    parts.append(
        "\nIn quote units, above 0 a cost. delay: the price moved before the order arrived; execution: the fills "
        "against the price on arrival; opportunity: what was not filled, at the price when the order ended. "
        "After A. F. Perold (1988)."
    )
    return "\n".join(parts)


def rerun_rows(reruns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per decision that was made again."""
    return [
        {
            "decision": one["decision_id"],
            "as of": one["as_of"],
            "came out": "the same" if one["same"] else "DIFFERENT",
            "promise": one["promise"],
            "features": one["features"],
            "intents": one["intents"],
            "differences": "; ".join(one["differences"][:MOST_DIFFERENCES]),
        }
        for one in reruns
    ]


def shortfall_sums(found: Sequence[Shortfall]) -> list[dict[str, Any]]:
    """One row per instrument, then one of all."""
    names = sorted({one.instrument for one in found})
    groups = {name: [one for one in found if one.instrument == name] for name in names} | {"all": list(found)}
    rows = []
    for name, some in groups.items():
        total = sum_shortfalls(some)
        rows.append(
            {
                "instrument": name,
                "orders": total.orders,
                "notional": _cents(total.notional),
                **{cause: _cents(getattr(total, cause)) for cause in CAUSES},
                "basis points": str(total.basis_points),
            }
        )
    return rows


def shortfall_rows(found: Sequence[Shortfall]) -> list[dict[str, Any]]:
    """One row per order, exact, for a table and for JSON."""
    plain = ("intent_id", "instrument", "side", "state", "quantity", "filled")
    prices = ("decision_price", "arrival_price", "fill_price", "final_price")
    return [
        {name: str(getattr(one, name)) for name in plain}
        | {name: _told(getattr(one, name)) for name in (*prices, *CAUSES)}
        | {"basis points": str(one.basis_points)}
        for one in found
    ]


def _told(value: Decimal | None) -> str:
    return "not known" if value is None else format(value, "f")


def _cents(value: Decimal) -> str:
    return format(value.quantize(CENT), "f")
