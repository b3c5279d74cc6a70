"""A sweep or a walk-forward in words: for the artifact and the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.pages.summary import money, percent, ratio
from tidemill.reports import table

COLUMNS = ("set", "Sharpe", "return", "drawdown", "orders", "fees")


def outcome_rows(outcomes: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """One row per set, as told by the sweep."""
    return [
        {
            "set": params_text(one["params"]),
            "Sharpe": ratio(one["sharpe"]),
            "return": percent(one["total_return"]),
            "drawdown": percent(one["max_drawdown"]),
            "orders": f"{one['orders']:,}",
            "fees": money(one["fees"]),
        }
        for one in outcomes
    ]


def params_text(params: Mapping[str, Any]) -> str:
    """``name=value`` by commas; the plan's own values when there are none."""
    if not params:
        return "the settings' own values"
    told = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in params.items()}
    return ", ".join(f"{name}={value}" for name, value in told.items())


def verdict_lines(told: Mapping[str, Any]) -> list[str]:
    """What is to be thought of the best set, and which sets were skipped, each with its reason."""
    lines = []
    if "best" in told:
        best = told["best"]
        lines.append(
            f"Best of {told['sets']:,} sets ({told['resumed']:,} tried before): {params_text(best['params'])}, "
            f"Sharpe {ratio(best['sharpe'])}. After {best['trials_on_these_data']:,} trials on these data the luckiest "
            f"of worthless sets would show {ratio(best['expected_best_sharpe'])}; that the best is more than that has "
            f"a probability of {percent(best['deflated_sharpe'])}."
        )
    if "out_of_sample" in told:
        joined = told["out_of_sample"]
        lines.append(
            f"Out of sample, {joined['windows']} windows: return {percent(joined['total_return'])}, "
            f"Sharpe {ratio(joined['sharpe'])}, deepest fall in a window {percent(joined['worst_drawdown'])}, "
            f"{joined['orders']:,} orders. Nothing of the train windows is in these figures."
        )
    lines += [f"Skipped {params_text(one['params'])}: {one['reason']}" for one in told.get("skipped", ())]
    return lines


def sweep_page(told: Mapping[str, Any]) -> str:
    """The whole as markdown."""
    if "windows" in told:
        rows = [
            {"test": " to ".join(one["test"]), **row}
            for one in told["windows"]
            if "sharpe" in one["out_of_sample"]
            for row in outcome_rows([one["out_of_sample"]])
        ]
        shown = table(rows, ("test", *COLUMNS))
    else:
        shown = table(outcome_rows(told["trials"]), COLUMNS)
    head = "# Walk-forward" if "windows" in told else "# Sweep"
    return "\n\n".join([f"{head}, {told['strategy']}, {told['speed']}", *verdict_lines(told), shown]) + "\n"
