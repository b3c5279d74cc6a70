"""What a reader must know before believing a result: plain sentences.

Each function says one warning, or "" where it does not apply. What stands before the first colon is its subject.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tidemill.domain.portfolio import ZERO
from tidemill.performance.figures import Capacity
from tidemill.performance.positions import InstrumentBook
from tidemill.performance.resampling import Interval
from tidemill.performance.significance import Deflated


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a result is doubted: counts, years, fractions, a probability.

    None is a law: thirty and 95 % are the usual levels of a test, a hundredth of a bar's volume a cautious share.
    """

    fewest_closings: int = 30
    shortest_years: float = 1.0
    volume_fraction: float = 0.01
    probability: float = 0.95


DEFAULTS = Thresholds()


def too_few_closings(closings: int, limits: Thresholds = DEFAULTS) -> str:
    """Warn below the fewest closings.

    ``closings`` are orders that reduced a position, the only ones whose profit is certain.
    """
    if closings >= limits.fewest_closings:
        return ""
    closed = "no order" if closings == 0 else "only 1 order" if closings == 1 else f"only {closings} orders"
    return f"Too few trades: {closed} closed a position; below {limits.fewest_closings} the figures are mostly chance."


def too_short(years: float, limits: Thresholds = DEFAULTS) -> str:
    """Warn below the shortest span, in years.

    Years are calendar time. What happened in a month and is raised to the twelfth power is no annual return.
    """
    if years >= limits.shortest_years:
        return ""
    return (
        f"The period is short: {years * 365:.0f} days; annual figures of less than {limits.shortest_years:g} year "
        f"multiply what chance there was."
    )


def one_makes_it(books: Sequence[InstrumentBook]) -> str:
    """Warn when the whole profit is no more than what one closing or one open position made.

    Only where there was a profit, and something else beside it: of one trade alone nothing new is said.
    """
    total = sum((book.profit for book in books), ZERO)
    parts = [(closing.profit, f"one order of {closing.instrument}") for book in books for closing in book.closings]
    parts += [(book.unrealised, f"the position in {book.instrument} that is open still") for book in books]
    if total <= 0 or len(parts) < 2:
        return ""
    largest, what = max(parts, key=lambda part: part[0])
    if largest < total:
        return ""
    return (
        f"One trade makes the profit: {what} made {largest:,.2f} of {total:,.2f}; without it the run would have lost."
    )


def too_large(capacity: Capacity, capital: float, currency: str) -> str:
    """Warn when orders were large for the market, and say from which capital on; ``capital`` is the run's own.

    Money in ``currency``. The capital is left out where no order had a volume to be compared with, and is an upper
    bound where a limit cut orders by what is not known.
    """
    if not capacity.above:
        return ""
    has_volume = math.isfinite(capacity.largest)
    largest = f"the largest {capacity.largest:,.2%}" if has_volume else "one of them on a bar without any"
    least = "below" if capacity.capped else "of about"
    begins = f" It begins to bind at a capital {least} {capacity.capital:,.0f} {currency}; this run had {capital:,.0f}."
    sentence = (
        f"Capacity: {capacity.above:,} of {capacity.orders:,} orders wanted more than {capacity.fraction:.0%} of their "
        f"bar's volume ({largest}); with more money, or in truth, fills would be worse."
    )
    return sentence if math.isnan(capacity.capital) else sentence + begins


def survivors_only(ended: int, instruments: int) -> str:
    """Warn when none of the instruments stopped trading before the end.

    ``ended`` of ``instruments`` stopped. In a universe chosen with hindsight nobody fails; one failure among the data
    is taken as a sign that they were not chosen so.
    """
    if ended:
        return ""
    subject = "the one instrument was" if instruments == 1 else f"all {instruments} instruments were"
    return (
        f"Survivorship: {subject} still traded at the end; those that failed meanwhile are not in the data, "
        f"which flatters the result."
    )


def perhaps_zero(sharpe: Interval) -> str:
    """Warn when the interval of the Sharpe ratio contains 0 or is not known.

    An interval wholly below 0 is a warning of its own: that is no doubt any more.
    """
    if math.isnan(sharpe.low):
        return "The Sharpe ratio cannot be told from zero: there are too few returns for an interval."
    if not sharpe.contains(0.0):
        return "" if sharpe.low > 0 else f"The Sharpe ratio is below zero: {_interval_text(sharpe)}."
    return f"The Sharpe ratio cannot be told from zero: {_interval_text(sharpe)}."


def _interval_text(interval: Interval) -> str:
    return f"its {interval.level:.0%} interval is {interval.low:.2f} to {interval.high:.2f}"


def perhaps_luck(deflated: Deflated, limits: Thresholds = DEFAULTS) -> str:
    """Warn when among so many trials the best would have looked as good by luck.

    From the second trial on. A probability that is not known does not warn here: :func:`perhaps_zero` does.
    """
    if deflated.trials < 2 or not deflated.probability < limits.probability:
        return ""
    return (
        f"Luck of {deflated.trials:,} trials: on these data the best of as many worthless strategies would show a "
        f"Sharpe ratio of {deflated.expected_best:.2f}; that this one is truly above it has probability "
        f"{deflated.probability:.0%}, {limits.probability:.0%} is asked for."
    )


def benchmark_wins(own: float, benchmark: float) -> str:
    """Warn when equal-weight buy and hold earned more; total returns.

    Fractions over the whole run. Risk is not weighed: the table beside it has both ratios.
    """
    if not benchmark > own:
        return ""
    return f"Buy and hold was better: it returned {benchmark:+.1%}, the strategy {own:+.1%}."


def costs_eat(costs: Decimal, profit: Decimal) -> str:
    """Warn when fees, shortfall and funding took more than half of what was earned before them; money.

    ``profit`` is after ``costs``. A run that lost before costs is not theirs to explain.
    """
    gross = profit + costs
    if gross <= 0 or costs * 2 <= gross:
        return ""
    return f"Costs decide: of {gross:,.2f} earned before fees, shortfall and funding they took {costs:,.2f}."


def not_settled(count: int) -> str:
    """Warn when funding of held positions could not be settled.

    ``count`` settlements had no bar before them. Their cost is taken as 0, which may flatter the result or not.
    """
    if not count:
        return ""
    settlements = "1 settlement" if count == 1 else f"{count} settlements"
    return (
        f"Funding is missing: {settlements} of held positions had no bar before them to be valued at, "
        f"and cost nothing here."
    )
