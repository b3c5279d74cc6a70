"""The page of a review: decisions made again, and what carrying them out cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tidemill.performance import Shortfall, sum_shortfalls
from tidemill.reports import Row, table

CENT = Decimal("0.01")
CAUSES = ("delay", "execution", "fees", "opportunity", "total")
MOST_DIFFERENCES = 5
NO_DECISION = "There was no decision in this time."


def review_page(reruns: Sequence[Mapping[str, Any]], shortfalls: Sequence[Shortfall]) -> str:
    """Markdown: how many decisions came out the same, and the shortfall by cause and by instrument.

    ``reruns`` is the JSON of decisions made again: same, decision_id, as_of, promise and differences. Of a decision
    that came out otherwise the first five differences are shown.
    """
    different = [rerun for rerun in reruns if not rerun["same"]]
    same = f"{len(reruns) - len(different)} of {len(reruns)} decisions came out the same."
    parts = ["# Decisions and their cost\n", same if reruns else NO_DECISION]
    for rerun in different:
        parts.append(f"\n**{rerun['decision_id']}** at {rerun['as_of']}: DIFFERENT ({rerun['promise']})\n")
        parts += [f"- {difference}" for difference in rerun["differences"][:MOST_DIFFERENCES]]
    parts.append("\n## Implementation shortfall\n")
    if not shortfalls:
        return "\n".join([*parts, "no order has come to its end"])
    parts.append(table(_sum_rows(shortfalls), ("instrument", "orders", "notional", *CAUSES, "basis points")))
    parts.append(
        "\nIn quote units, above 0 a cost. delay: the price moved before the order arrived; execution: the fills "
        "against the price on arrival; opportunity: what was not filled, at the price when the order ended. "
        "After A. F. Perold (1988)."
    )
    return "\n".join(parts)


def rerun_rows(reruns: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row per decision that was made again, with the first five differences in one cell.

    ``reruns`` as for :func:`review_page`; ``features`` and ``intents`` count what was compared.
    """
    return [
        {
            "decision": rerun["decision_id"],
            "as of": rerun["as_of"],
            "came out": "the same" if rerun["same"] else "DIFFERENT",
            "promise": rerun["promise"],
            "features": rerun["features"],
            "intents": rerun["intents"],
            "differences": "; ".join(rerun["differences"][:MOST_DIFFERENCES]),
        }
        for rerun in reruns
    ]


def shortfall_rows(shortfalls: Sequence[Shortfall]) -> list[Row]:
    """One row per order, exact, for a table and for JSON: quantities in base, the rest in quote, as decimal strings.

    What has no price to be made of is "not known".
    """
    return [_shortfall_row(shortfall) for shortfall in shortfalls]


def _shortfall_row(shortfall: Shortfall) -> Row:
    plain = ("intent_id", "instrument", "side", "state", "quantity", "filled")
    prices = ("decision_price", "arrival_price", "fill_price", "final_price")
    return {
        **{name: str(getattr(shortfall, name)) for name in plain},
        **{name: _price_text(getattr(shortfall, name)) for name in (*prices, *CAUSES)},
        "basis points": str(shortfall.basis_points),
    }


def _sum_rows(shortfalls: Sequence[Shortfall]) -> list[Row]:
    """One row per instrument, then one of all."""
    by_instrument: dict[str, list[Shortfall]] = {}
    for shortfall in sorted(shortfalls, key=lambda shortfall: shortfall.instrument):
        by_instrument.setdefault(shortfall.instrument, []).append(shortfall)
    return [_sum_row(name, group) for name, group in (*by_instrument.items(), ("all", shortfalls))]


def _sum_row(name: str, group: Sequence[Shortfall]) -> Row:
    total = sum_shortfalls(group)
    return {
        "instrument": name,
        "orders": total.orders,
        "notional": _cents(total.notional),
        **{cause: _cents(getattr(total, cause)) for cause in CAUSES},
        "basis points": str(total.basis_points),
    }


def _price_text(value: Decimal | None) -> str:
    return "not known" if value is None else format(value, "f")


def _cents(value: Decimal) -> str:
    return format(value.quantize(CENT), "f")
