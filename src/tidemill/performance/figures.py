"""The figures of a measured run, as values; each says itself in JSON, curves apart.

Fractions are of 1 (0.05 is 5 %), ratios annual unless said otherwise, money in account currency. NaN stands for
what is not defined and never for zero; in JSON it is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd

from tidemill.domain.market import format_time
from tidemill.performance.costs import Costs
from tidemill.performance.json_values import json_days, json_number
from tidemill.performance.positions import InstrumentBook
from tidemill.performance.record import RunRecord
from tidemill.performance.resampling import Intervals
from tidemill.performance.significance import Deflated

BENCHMARK_NAME = "equal-weight buy and hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The figures of one curve: fractions and annual ratios, NaN where not defined; spans of time.

    ``max_drawdown`` is a fraction >= 0; ``max_drawdown_length`` runs from its peak to the recovery, or to the last
    mark. The formulas stand in :mod:`~tidemill.performance.returns` and :mod:`~tidemill.performance.ratios`.
    """

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

    def to_json(self) -> dict[str, float | None]:
        """The same, spans in days."""
        return {
            "total_return": json_number(self.total_return),
            "annual_return": json_number(self.annual_return),
            "volatility_annual": json_number(self.volatility_annual),
            "sharpe": json_number(self.sharpe),
            "sortino": json_number(self.sortino),
            "calmar": json_number(self.calmar),
            "max_drawdown": json_number(self.max_drawdown),
            "max_drawdown_days": json_days(self.max_drawdown_length),
            "longest_drawdown_days": json_days(self.longest_drawdown),
            "end_equity": json_number(self.end_equity),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """Equity of strategy (``own``) and benchmark in account currency, drawdowns as fractions >= 0, and rolling figures.

    Every series has the marks of the run as its index. ``rolling`` has annual ``sharpe`` and ``volatility`` of the
    last ``rolling_days`` days, NaN until there are enough.
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

    ``exposure`` is signed, by mark and instrument; ``turnover`` is what was traded in the period that begins at a mark,
    ``annual_turnover`` its sum over years. ``mean_exposure`` and ``time_in_market`` are NaN below two marks.
    """

    exposure: pd.DataFrame
    turnover: pd.Series[float]
    time_in_market: float
    mean_exposure: float
    annual_turnover: float

    def to_json(self) -> dict[str, Any]:
        """The figures without the curves."""
        exposure = {"mean": json_number(self.mean_exposure), "time_in_market": json_number(self.time_in_market)}
        return {"exposure": exposure, "turnover_annual": json_number(self.annual_turnover)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """What the orders earned and cost; ``hit_rate`` and ``profit_factor`` are of the ``closings``, NaN without any.

    One book for each instrument of the run, traded or not. ``hit_rate`` is a fraction; ``profit_factor`` is infinite
    where no closing lost.
    """

    books: tuple[InstrumentBook, ...]
    closings: int
    hit_rate: float
    profit_factor: float
    costs: Costs

    def to_json(self) -> dict[str, Any]:
        """The closings alone; books and costs have a form of their own."""
        return {
            "closed": self.closings,
            "hit_rate": json_number(self.hit_rate),
            "profit_factor": json_number(self.profit_factor),
        }


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

    def to_json(self) -> dict[str, Any]:
        """The same; ``capital_is_bound`` when the capital is an upper bound only."""
        return {
            "volume_fraction": self.fraction,
            "orders": self.orders,
            "orders_above": self.above,
            "largest_share": json_number(self.largest),
            "capital": json_number(self.capital),
            "capital_is_bound": self.capped,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """How sure the figures are: intervals by resampling, and the Sharpe ratio judged among all trials.

    Their errors and NaN are those of :mod:`~tidemill.performance.resampling` and
    :mod:`~tidemill.performance.significance`.
    """

    intervals: Intervals
    deflated: Deflated

    def to_json(self) -> dict[str, Any]:
        """Both, on one level."""
        return {"intervals": self.intervals.to_json(), **self.deflated.to_json()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Performance:
    """Everything measured of a run over ``years`` calendar years with ``periods`` a year; warnings, gravest first.

    ``beta`` and ``correlation`` are those of its returns with the benchmark's, period by period. ``monthly`` is a
    table of fractions, rows years, columns 1 to 12 and ``year``, NaN for months without a mark.
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

    def to_json(self) -> dict[str, Any]:
        """The figures without the curves: the ``statistics`` of a backtest's result.

        The keys are a contract: files of ``backtest --json``, artifacts and stored results have them.
        """
        return {
            "period": self._period(),
            "currency": self.record.currency,
            "strategy": self.own.to_json(),
            "benchmark": {"name": BENCHMARK_NAME, **self.benchmark.to_json()},
            "beta": json_number(self.beta),
            "correlation": json_number(self.correlation),
            **self.activity.to_json(),
            "trades": self.trading.to_json(),
            "capacity": self.capacity.to_json(),
            "costs": self.trading.costs.to_json(),
            "instruments": [book.to_json() for book in self.trading.books],
            "monthly": self._months(),
            **self.certainty.to_json(),
            "warnings": list(self.warnings),
        }

    def _period(self) -> dict[str, Any]:
        marks = self.curves.own.index
        return {
            "start": format_time(marks[0].to_pydatetime()),
            "end": format_time(marks[-1].to_pydatetime()),
            "years": json_number(self.years),
            "returns": len(marks) - 1,
            "periods_per_year": json_number(self.periods),
            "days_per_year": self.record.days_per_year,
        }

    def _months(self) -> dict[str, dict[str, float | None]]:
        """Months without a return are left out, so that a reader tells them from a return of null."""
        return {
            str(year): {str(month): json_number(float(value)) for month, value in row.items() if not pd.isna(value)}
            for year, row in self.monthly.iterrows()
        }
