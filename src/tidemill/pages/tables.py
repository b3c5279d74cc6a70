"""Costs, instruments, months and order counts as rows of words: for the page and the artifact alike.

Cells are text, ready to be shown; columns are in the order of the constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.pages.summary import NOTHING, money, percent

BASIS = 10_000
COST_COLUMNS = ("cost", "amount", "of traded", "of equity")
INSTRUMENT_COLUMNS = ("instrument", "profit", "realised", "unrealised", "fees", "traded", "fills", "closed")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def cost_parts(costs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each cause and its money, a decimal string; slippage and drift as one where they were not recorded apart."""
    split = costs["slippage"] is not None and costs["drift"] is not None
    shortfall_parts = (
        [("slippage and spread", costs["slippage"]), ("drift until the fill", costs["drift"])]
        if split
        else [("shortfall against the decided close", costs["shortfall"])]
    )
    return [("fees", costs["fees"]), *shortfall_parts, ("funding", costs["funding"])]


def cost_rows(statistics: Mapping[str, Any], start_equity: float) -> list[dict[str, str]]:
    """Each cause with its share of what was traded, in basis points, and of the equity at the start."""
    costs = statistics["costs"]
    traded = float(costs["traded"])
    return [
        {
            "cost": name,
            "amount": money(value),
            "of traded": f"{float(value) / traded * BASIS:.2f} bp" if traded else NOTHING,
            "of equity": percent(float(value) / start_equity) if start_equity else NOTHING,
        }
        for name, value in [*cost_parts(costs), ("in all", costs["total"])]
    ]


def instrument_rows(statistics: Mapping[str, Any]) -> list[dict[str, str]]:
    """Profit of each instrument and what it is made of, the best first.

    Money in account currency, net of fees; ``fills`` and ``closed`` are counts.
    """
    ranked = sorted(statistics["instruments"], key=lambda book: -float(book["profit"]))
    return [
        {
            "instrument": book["instrument"],
            **{name: money(book[name]) for name in INSTRUMENT_COLUMNS[1:6]},
            **{name: f"{book[name]:,}" for name in INSTRUMENT_COLUMNS[6:]},
        }
        for book in ranked
    ]


def month_rows(statistics: Mapping[str, Any]) -> list[dict[str, str]]:
    """Returns by calendar month, a year a row.

    In percent; an empty cell where there is no return. ``whole`` is the compound of the year's months.
    """
    return [
        {
            "year": year,
            **{
                name: percent(months[str(number)]) if str(number) in months else ""
                for number, name in enumerate(MONTHS, start=1)
            },
            "whole": percent(months.get("year")),
        }
        for year, months in statistics["monthly"].items()
    ]


def conduct_rows(ran: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was decided and what became of the orders; states that no order ended in are left out.

    ``ran`` is the JSON of a backtest or a replay: counts by name, ``orders`` by state, ``refusals`` as a list.
    """
    names = {"steps": "decisions", "bars": "bars seen", "gaps": "bars missing", "posts": "posts", "scores": "scores"}
    names |= {"forecasts": "forecasts", "vetoed": "vetoed by a limit", "dropped": "dropped as dust"}
    counts = [(name, f"{ran[key]:,}") for key, name in names.items() if key in ran]
    orders = [(f"orders {key.replace('_', ' ')}", f"{count:,}") for key, count in ran["orders"].items() if count]
    # a run without any order says so, rather than leaving a reader to wonder whether they were counted
    return [*counts, *(orders or [("orders intended", "0")]), ("decisions refused", f"{len(ran['refusals']):,}")]


def setting_rows(settings: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Nested settings as flat rows with dotted names; ``before`` stands in front of every name."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += setting_rows(value, f"{before}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            rows.append((f"{before}{name}", text))
    return rows
