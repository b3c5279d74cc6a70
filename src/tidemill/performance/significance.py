"""Whether a Sharpe ratio is more than luck, and more than the luckiest of many trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tidemill.domain.errors import DataError
from tidemill.performance.json_values import json_number
from tidemill.performance.ratios import period_sharpe
from tidemill.performance.returns import Array

EULER_MASCHERONI = 0.577_215_664_901_532_9
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflated:
    """The Sharpe ratio judged among its trials.

    ``expected_best`` is the annual Sharpe ratio that the best of ``trials`` worthless strategies would show;
    ``probability`` that the true one lies above it is the deflated Sharpe ratio, ``above_zero`` that it lies above 0
    the probabilistic one. NaN where the returns do not vary or are too few.
    """

    trials: int
    expected_best: float
    above_zero: float
    probability: float

    def to_json(self) -> dict[str, float | None]:
        """The same under the names of the two ratios, null for NaN."""
        return {
            "trials": self.trials,
            "probabilistic_sharpe": json_number(self.above_zero),
            "deflated_sharpe": json_number(self.probability),
            "expected_best_sharpe": json_number(self.expected_best),
        }


def sharpe_confidence(sharpe: float, benchmark: float, *, count: int, skew: float, kurtosis: float) -> float:
    """Probability that the true Sharpe ratio lies above ``benchmark`` when ``count`` returns show ``sharpe``.

    D. H. Bailey, M. Lopez de Prado, The Sharpe Ratio Efficient Frontier, Journal of Risk 15 (2012):
    Phi((s - benchmark) * sqrt(n - 1) / sqrt(1 - skew * s + (kurtosis - 1) / 4 * s**2)). Ratios are per period, not
    annualised; ``kurtosis`` is 3 for a normal. NaN where the formula's variance is not above 0.
    """
    spread = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if not spread > 0:
        return math.nan
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(count - 1) / math.sqrt(spread))


def probabilistic_sharpe(returns: Array, benchmark: float = 0.0) -> float:
    """:func:`sharpe_confidence` of ``returns``, with their population skewness and kurtosis.

    NaN below three returns, when they do not vary, or when ``benchmark`` is NaN.
    """
    sharpe = period_sharpe(returns)
    if len(returns) < 3 or math.isnan(sharpe):
        return math.nan
    centred = returns - np.mean(returns)
    variance = float(np.mean(centred**2))
    skew = float(np.mean(centred**3)) / variance**1.5
    kurtosis = float(np.mean(centred**4)) / variance**2
    return sharpe_confidence(sharpe, benchmark, count=len(returns), skew=skew, kurtosis=kurtosis)


def expected_best_sharpe(trials: int, variance: float) -> float:
    """Sharpe ratio that the best of ``trials`` independent worthless strategies shows on average; 0 for one.

    D. H. Bailey, M. Lopez de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40 (2014):
    sqrt(variance) * ((1 - g) * Phi^-1(1 - 1/N) + g * Phi^-1(1 - 1/(N e))), g the Euler-Mascheroni constant.
    ``variance`` is that of the trials' Sharpe ratios; the result is in the same unit. DataError below one trial.
    """
    if trials < 1:
        raise DataError(f"{trials} trials cannot be; count the run itself as the first")
    if trials == 1:
        return 0.0
    first = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - EULER_MASCHERONI) * first + EULER_MASCHERONI * second)


def deflated_sharpe(returns: Array, periods: float, trial_sharpes: Sequence[float | None]) -> Deflated:
    """Judge ``returns`` among all trials: one annual Sharpe ratio each, the run's own included, None where unknown.

    None too where a trial was much shorter or longer: the paper's variance is that of trials of one length. The
    variance of the trials' ratios is taken over those that are known; below two of them that of an
    estimate of zero stands in, periods / (n - 1) (A. W. Lo, Financial Analysts Journal 58, 2002). Trials count as
    independent, which is cautious: variants of one idea are worth less than their number.
    """
    count = max(1, len(trial_sharpes))
    ratios = [ratio for ratio in trial_sharpes if ratio is not None and math.isfinite(ratio)]
    # one known ratio has no variance: what chance alone does to an estimate of zero is the cautious stand-in
    if len(ratios) >= 2:
        variance = float(np.var(ratios, ddof=1))
    else:
        variance = periods / (len(returns) - 1) if len(returns) > 1 else math.nan
    best = expected_best_sharpe(count, variance)
    per_period = best / math.sqrt(periods) if periods > 0 else math.nan
    return Deflated(
        trials=count,
        expected_best=best,
        above_zero=probabilistic_sharpe(returns),
        probability=probabilistic_sharpe(returns, per_period),
    )
