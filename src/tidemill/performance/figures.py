"""What is told of a measured run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from tidemill.performance.costs import Costs
from tidemill.performance.positions import InstrumentBook
from tidemill.performance.record import RunRecord
from tidemill.performance.resampling import Intervals
from tidemill.performance.significance import Deflated


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The figures of one curve: fractions and annual ratios, NaN where not defined; spans of time."""

    total_return: float
    annual_return: float
    volatility_annual: float
    sharpe: float
    sortino: float
    calmar: float
    max_drawdown: float
    max_drawdown_length: timedelta
    longest_drawdown: timedelta
    end_equity: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """Equity of strategy (``own``) and benchmark in account currency, drawdowns as fractions >= 0, and rolling figures.

    ``rolling`` has annual ``sharpe`` and ``volatility`` of the last ``rolling_days`` days, NaN until there are enough.
    """

    own: pd.Series[float]
    benchmark: pd.Series[float]
    own_drawdowns: pd.Series[float]
    benchmark_drawdowns: pd.Series[float]
    rolling: pd.DataFrame
    rolling_days: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Activity:
    """How much was held and traded, as fractions of equity.

    ``exposure`` is signed, by mark and instrument; ``turnover`` is what was traded in the period that begins at a mark.
    """

    exposure: pd.DataFrame
    turnover: pd.Series[float]
    time_in_market: float
    mean_exposure: float
    annual_turnover: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """What the orders earned and cost; ``hit_rate`` and ``profit_factor`` are of the ``closings``, NaN without any."""

    books: tuple[InstrumentBook, ...]
    closings: int
    hit_rate: float
    profit_factor: float
    costs: Costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How large the ``orders`` were for the market; ``above`` of them were more than ``fraction`` of a bar's volume.

    ``largest`` is the largest share, infinite on a bar without volume. As every order grows with the capital,
    ``capital`` is where the largest but those reaches ``fraction``. NaN where no order had a volume beside it.
    ``capped``: a limit cut some orders by what is not known, so that it is reached earlier.
    """

    fraction: float
    orders: int
    above: int
    largest: float
    capital: float
    capped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """How sure the figures are."""

    intervals: Intervals
    deflated: Deflated


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Performance:
    """Everything measured of a run over ``years`` calendar years with ``periods`` a year; warnings, gravest first.

    ``beta`` and ``correlation`` are those of its returns with the benchmark's.
    """

    record: RunRecord
    years: float
    periods: float
    own: Headline
    benchmark: Headline
    beta: float
    correlation: float
    curves: Curves
    activity: Activity
    trading: Trading
    capacity: Capacity
    certainty: Certainty
    monthly: pd.DataFrame
    warnings: tuple[str, ...]
