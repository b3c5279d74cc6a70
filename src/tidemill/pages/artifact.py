"""A backtest as the markdown of an artifact: the page's figures without its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.pages.formulas import FORMULA_COLUMNS, formula_rows
from tidemill.pages.summary import HEADLINE_COLUMNS, activity_rows, certainty_rows, headline_rows, trial_sentence
from tidemill.pages.tables import (
    COST_COLUMNS,
    INSTRUMENT_COLUMNS,
    MONTHS,
    conduct_rows,
    cost_rows,
    instrument_rows,
    month_rows,
)
from tidemill.reports import table


def backtest_page(result: Mapping[str, Any]) -> str:
    """Markdown page of a backtest: warnings, headline, certainty, costs, instruments, months, orders, refusals.

    ``result`` is the JSON of a backtest: what ``tidemill backtest --json`` writes. One without ``statistics`` was not
    measured; its page has only what it did.
    """
    refusals = result["refusals"]
    did = [
        "## Orders\n\n" + _pairs(conduct_rows(result)),
        "## Refused decisions\n\n" + (table(refusals, ("as_of", "reason")) if refusals else "none"),
    ]
    title = f"# Backtest of {result['strategy']}"
    if "statistics" not in result:
        ends = f"Equity {result['equity_start']} to {result['equity_end']}, at the fast speed: to look and compare."
        return "\n\n".join([title, ends, *did])
    statistics = result["statistics"]
    period = statistics["period"]
    ends = f"{period['start']} to {period['end']}. {trial_sentence(statistics)}."
    if result.get("speed") == "fast":
        ends += " At the fast speed, to look and compare: verdicts and reports are made at the exact one."
    return "\n\n".join([title, ends, *_measured(result), *did])


def _measured(result: Mapping[str, Any]) -> list[str]:
    statistics = result["statistics"]
    warnings = "\n".join(f"- {warning}" for warning in statistics["warnings"]) or "none"
    currency = statistics["currency"]
    costs = cost_rows(statistics, float(result["equity_start"]))
    formulas = [dict(zip(FORMULA_COLUMNS, row, strict=True)) for row in formula_rows(statistics)]
    return [
        "## Warnings\n\n" + warnings,
        "## Against buy and hold\n\n" + table(headline_rows(statistics), HEADLINE_COLUMNS),
        "## Activity and certainty\n\n" + _pairs([*activity_rows(statistics), *certainty_rows(statistics)]),
        "## Months\n\n" + table(month_rows(statistics), ("year", *MONTHS, "whole")),
        f"## Costs, {currency}\n\n" + table(costs, COST_COLUMNS),
        f"## Instruments, {currency}\n\n" + table(instrument_rows(statistics), INSTRUMENT_COLUMNS),
        "## Formulas\n\n" + table(formulas, FORMULA_COLUMNS),
    ]


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    return table([{"figure": name, "value": value} for name, value in rows], ("figure", "value"))
