"""How each figure of a run is made: its formula, and how it is annualised.

In the words of a reader, beside the figures. The code of each stands in ``performance``, with its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMULA_COLUMNS = ("figure", "formula", "annualised")
NOT = "no"


# What stands in braces is a number of the run: periods of a year, and resamples and mean block of the bootstrap.
FORMULAS = (
    ("total return", "E[last] / E[first] − 1", NOT),
    ("annual return", "(E[last] / E[first]) ^ (1 / years) − 1", "compound, years of 365 calendar days"),
    ("annual volatility", "standard deviation of r, with n − 1", "by √{year}"),
    ("Sharpe ratio", "mean of r / standard deviation of r, riskless rate 0", "by √{year}"),
    ("Sortino ratio", "mean of r / √(mean of min(r, 0)² over all periods)", "by √{year}"),
    ("Calmar ratio", "annual return / largest drawdown", "by the annual return"),
    ("drawdown", "1 − E / highest E so far", NOT),
    ("beta to buy and hold", "covariance of r and the r of buy and hold / variance of the latter", NOT),
    ("correlation with it", "the same covariance / both standard deviations", NOT),
    ("rolling figures", "the same Sharpe ratio and volatility of the last days alone", "by √{year}"),
    ("exposure", "|value of positions| / E after each decision, mean over periods", NOT),
    ("turnover", "value of all fills in a period, buys and sells added / E at its start", "sum / years"),
    ("profit factor", "profits / losses of the orders that closed", NOT),
    (
        "capacity",
        (
            "capital at the start × 1% / largest share that an order had of the volume of the bar decided on, as "
            "if orders, before the limit on that share, grew with the capital; bars without volume left out"
        ),
        NOT,
    ),
    (
        "intervals",
        (
            "stationary bootstrap of r (Politis and Romano 1994): {resamples:,} resamples, mean block "
            "of {block:.1f} periods, percentiles; of more than 5,000 periods neighbours are compounded first"
        ),
        "as the figure",
    ),
    (
        "probabilistic Sharpe ratio",
        (
            "Φ((s − s₀) √(n − 1) / √(1 − skew·s + (kurtosis − 1)/4·s²)), s per period, s₀ = 0 "
            "(Bailey and López de Prado 2012)"
        ),
        NOT,
    ),
    (
        "deflated Sharpe ratio",
        (
            "the same with s₀ = √V ((1 − γ) Φ⁻¹(1 − 1/N) + γ Φ⁻¹(1 − 1/(N e))), N trials whose Sharpe ratios have "
            "variance V, γ = 0.5772 (Bailey and López de Prado 2014); all trials count in N, and in V those of "
            "half to twice this run's length, as the ratios of shorter ones scatter wider"
        ),
        "V is annual, s₀ divided by √{year}",
    ),
    ("shortfall", "Σ ±(fill price − decided close) × quantity (Perold 1988): slippage and drift together", NOT),
)


def formula_rows(statistics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Figure, formula and annualisation, with the numbers of this run where they enter.

    r are the simple returns of the n periods, E the marks of equity. ``statistics`` is the
    JSON of a :class:`~tidemill.performance.Performance`.
    """
    sharpe, year = statistics["intervals"]["sharpe"], statistics["period"]["periods_per_year"]
    numbers = {"year": f"{year or 0:,.0f}", "resamples": sharpe["resamples"], "block": sharpe["mean_block"]}
    return [
        (figure, formula.format(**numbers), annualised.format(**numbers)) for figure, formula, annualised in FORMULAS
    ]


def method_sentences(statistics: Mapping[str, Any]) -> list[str]:
    """What the formulas do not tell: marks, the year, the benchmark, what a trade is.

    ``statistics`` as for :func:`formula_rows`.
    """
    period = statistics["period"]
    return [
        (
            "E is equity, marked at every decision at the last close known; r are simple returns, one per period, and "
            "the first includes what the first orders cost."
        ),
        (
            f"A year has {period['periods_per_year'] or 0:,.0f} periods: {period['days_per_year']:.0f} trading days "
            "over the median distance of two marks. Ratios are annualised by its root, as if returns were independent."
        ),
        "Buy and hold pays fee and slippage once, no funding, and keeps the share of what is not listed yet in cash.",
        "A trade is an order that reduced a position; its profit is against the average cost, fees on both sides.",
    ]
