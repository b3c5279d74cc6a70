"""A sweep or a walk-forward in words: for the artifact and the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.pages.summary import money, percent, ratio
from tidemill.reports import table

COLUMNS = ("set", "Sharpe", "return", "drawdown", "orders", "fees")


def outcome_rows(outcomes: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """One row per set of parameters, in the order of ``outcomes``: the JSON of trials, or of a window's test.

    Return and drawdown in percent of equity, fees in account currency.
    """
    return [
        {
            "set": params_text(outcome["params"]),
            "Sharpe": ratio(outcome["sharpe"]),
            "return": percent(outcome["total_return"]),
            "drawdown": percent(outcome["max_drawdown"]),
            "orders": f"{outcome['orders']:,}",
            "fees": money(outcome["fees"]),
        }
        for outcome in outcomes
    ]


def params_text(params: Mapping[str, Any]) -> str:
    """``name=value`` by commas, floats in their shortest form; a sentence when the set changes nothing."""
    if not params:
        return "the settings' own values"
    texts = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in params.items()}
    return ", ".join(f"{name}={value}" for name, value in texts.items())


def verdict_lines(result: Mapping[str, Any]) -> list[str]:
    """What is to be thought of the best set, and which sets were skipped, each with its reason.

    ``result`` is the JSON of a sweep (with ``best``) or of a walk-forward (with ``out_of_sample``).
    """
    lines = []
    if "best" in result:
        best = result["best"]
        lines.append(
            f"Best of {result['sets']:,} sets ({result['resumed']:,} tried before): {params_text(best['params'])}, "
            f"Sharpe {ratio(best['sharpe'])}. After {best['trials_on_these_data']:,} trials on these data the luckiest "
            f"of worthless sets would show {ratio(best['expected_best_sharpe'])}; that the best is more than that has "
            f"a probability of {percent(best['deflated_sharpe'])}."
        )
    if "out_of_sample" in result:
        joined = result["out_of_sample"]
        lines.append(
            f"Out of sample, {joined['windows']} windows: return {percent(joined['total_return'])}, "
            f"Sharpe {ratio(joined['sharpe'])}, deepest fall in a window {percent(joined['worst_drawdown'])}, "
            f"{joined['orders']:,} orders. Nothing of the train windows is in these figures."
        )
    return lines + [f"Skipped {params_text(skip['params'])}: {skip['reason']}" for skip in result.get("skipped", ())]


def sweep_page(result: Mapping[str, Any]) -> str:
    """A sweep or a walk-forward as markdown: the sentences of :func:`verdict_lines`, then a row per set or window.

    A window whose test could not be made has no row.
    """
    if "windows" in result:
        rows = [
            {"test": " to ".join(window["test"]), **row}
            for window in result["windows"]
            if "sharpe" in window["out_of_sample"]
            for row in outcome_rows([window["out_of_sample"]])
        ]
        sets = table(rows, ("test", *COLUMNS))
    else:
        sets = table(outcome_rows(result["trials"]), COLUMNS)
    head = "# Walk-forward" if "windows" in result else "# Sweep"
    return "\n\n".join([f"{head}, {result['strategy']}, {result['speed']}", *verdict_lines(result), sets]) + "\n"
