"""The sentences under the headings of the page: how to read what stands below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidemill.pages import charts
from tidemill.pages.summary import money, trial_sentence
from tidemill.performance import Performance


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """One sentence or two for each section that needs them."""

    equity: str
    trials: str
    intervals: str
    rolling: str
    exposure: str
    turnover: str
    costs: str
    instruments: str


def make_notes(measured: Performance, statistics: Mapping[str, Any]) -> Notes:
    """The notes of a run; ``statistics`` is its JSON, of the same run."""
    currency = statistics["currency"]
    return Notes(
        equity=_equity_note(measured),
        trials=trial_sentence(statistics) + ".",
        intervals=_intervals_note(statistics["intervals"]["sharpe"]),
        rolling=f"Annual figures of the last {measured.curves.rolling_days:.0f} days at each mark.",
        exposure=_exposure_note(measured),
        turnover=_turnover_note(measured),
        costs=_cost_note(statistics["costs"], currency),
        instruments=f"In {currency}, net of fees, before funding, open positions valued at the last close.",
    )


def _equity_note(measured: Performance) -> str:
    note = f"In {measured.record.currency}, against the same money in every instrument, bought at the start and held."
    return f"{note} Below, {measured.record.strategy} on its own scale." if charts.is_dwarfed(measured) else note


def _intervals_note(sharpe: Mapping[str, Any]) -> str:
    return (
        f"Intervals: stationary block bootstrap, {sharpe['resamples']:,} resamples, mean block of "
        f"{sharpe['mean_block']:.1f} periods. Deflated Sharpe ratio: Bailey and López de Prado, 2014."
    )


def _exposure_note(measured: Performance) -> str:
    rest = len(measured.record.instruments) - charts.MOST_NAMES
    note = "Share of equity in each instrument, after each decision; short positions below zero."
    return f"{note} The smallest are added up as others." if rest > 0 else note


def _turnover_note(measured: Performance) -> str:
    size = charts.periods_in_bar(len(measured.activity.turnover))
    each = "period" if size == 1 else f"{size} periods"
    return f"Value traded over equity, buys and sells added; a bar for each {each}."


def _cost_note(costs: Mapping[str, Any], currency: str) -> str:
    return (
        f"{money(costs['total'])} {currency} in all, on {money(costs['traded'])} traded. Drift is how the price moved "
        f"between the decided close and the fill, funding what positions paid (0 on spot); below zero it was a gain."
    )
