"""The headline table in words, from the statistics of a run: for screen, artifact and page alike.

Every number becomes text here and nowhere else, so that the three show the same digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

NOTHING = "–"
HEADLINE_COLUMNS = ("figure", "strategy", "buy and hold")


def percent(value: float | None) -> str:
    """A fraction as percent with thousands, with its sign where it is a loss."""
    # adding 0.0 turns -0.0 into 0.0, which has no sign to be shown
    return NOTHING if value is None else f"{value + 0.0:,.2%}"


def ratio(value: float | None) -> str:
    """A ratio with two digits.

    "–" for what is not defined; thousands have commas.
    """
    return NOTHING if value is None else f"{value:,.2f}"


def days(value: float | None) -> str:
    """A span in days; hours below two days."""
    if value is None:
        return NOTHING
    return f"{value * 24:.0f} h" if 0 < value < 2 else f"{value:.0f} days"


def money(value: float | str | None) -> str:
    """Money, a number or a decimal string, with two digits and thousands."""
    # rounded first: -0.001 is no loss to be shown as -0.00
    return NOTHING if value is None else f"{round(float(value), 2) + 0.0:,.2f}"


HEADLINE: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("total return", "total_return", percent),
    ("annual return", "annual_return", percent),
    ("annual volatility", "volatility_annual", percent),
    ("Sharpe ratio", "sharpe", ratio),
    ("Sortino ratio", "sortino", ratio),
    ("Calmar ratio", "calmar", ratio),
    ("largest drawdown", "max_drawdown", percent),
    ("its length, peak to recovery", "max_drawdown_days", days),
    ("longest drawdown", "longest_drawdown_days", days),
    ("equity at the end", "end_equity", money),
)


def headline_rows(statistics: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row per figure, its columns those of HEADLINE_COLUMNS: figure, strategy, equal-weight buy and hold.

    Fractions are shown in percent, ratios with two digits, spans in days. Of beta and correlation the benchmark's own
    are 1 by definition.
    """
    own, benchmark = statistics["strategy"], statistics["benchmark"]
    rows = [
        {"figure": name, "strategy": tell(own[key]), "buy and hold": tell(benchmark[key])}
        for name, key, tell in HEADLINE
    ]
    for name, key in (("beta to buy and hold", "beta"), ("correlation with it", "correlation")):
        rows.append({"figure": name, "strategy": ratio(statistics[key]), "buy and hold": ratio(1.0)})
    return rows


def activity_rows(statistics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the strategy did: exposure, turnover, closed trades.

    Name and value a row. The capital of the last row is an upper bound, and says so, where a limit cut orders.
    """
    trades, exposure, capacity = (statistics[name] for name in ("trades", "exposure", "capacity"))
    return [
        ("mean exposure, of equity", percent(exposure["mean"])),
        ("time in the market", percent(exposure["time_in_market"])),
        ("turnover a year, both sides", f"{ratio(statistics['turnover_annual'])} × equity"),
        ("orders that closed", f"{trades['closed']:,}"),
        ("of them with a profit", percent(trades["hit_rate"])),
        ("profit factor", ratio(trades["profit_factor"])),
        (
            f"capital at which an order reaches {capacity['volume_fraction']:.0%} of its bar's volume",
            ("below " if capacity["capital_is_bound"] else "") + money(capacity["capital"]),
        ),
    ]


def certainty_rows(statistics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How sure the figures are.

    Name and value a row: the intervals first, then the probabilities that the Sharpe ratio is no luck.
    """
    sharpe, total, fall = (statistics["intervals"][name] for name in ("sharpe", "total_return", "max_drawdown"))
    level = f"{sharpe['level']:.0%}"
    return [
        (f"Sharpe ratio, {level} interval", f"{ratio(sharpe['low'])} to {ratio(sharpe['high'])}"),
        (f"total return, {level} interval", f"{percent(total['low'])} to {percent(total['high'])}"),
        (f"largest drawdown, {level} interval", f"{percent(fall['low'])} to {percent(fall['high'])}"),
        ("probability that the true Sharpe ratio is above 0", percent(statistics["probabilistic_sharpe"])),
        ("trials on these data so far", f"{statistics['trials']:,}"),
        ("Sharpe ratio that the luckiest of them would show", ratio(statistics["expected_best_sharpe"])),
        ("deflated Sharpe ratio: probability of being above that", percent(statistics["deflated_sharpe"])),
    ]


def trial_sentence(statistics: Mapping[str, Any]) -> str:
    """The trial count and what it does to the Sharpe ratio, in one sentence without a full stop."""
    count = statistics["trials"]
    runs = "The first trial" if count == 1 else f"{count:,} different trials so far"
    return f"{runs} on these data; deflated Sharpe ratio {percent(statistics['deflated_sharpe'])} (95% is asked for)"
