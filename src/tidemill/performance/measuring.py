"""A run's record becomes its performance: every figure, every curve, every warning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.domain.portfolio import ZERO
from tidemill.performance import cautions
from tidemill.performance.booking import InstrumentBook, book_fills, hit_rate, profit_factor
from tidemill.performance.calendar_months import monthly_table
from tidemill.performance.costs import Costs, attribute_costs
from tidemill.performance.drawdowns import drawdown_curve, longest_drawdown, worst_drawdown
from tidemill.performance.holdings import (
    annual_turnover,
    buy_and_hold,
    closes_at,
    exposure_by_instrument,
    gross_exposure,
    positions_at,
    time_in_market,
    turnover_curve,
)
from tidemill.performance.ratios import (
    calmar_ratio,
    rolling_figures,
    rolling_window,
    sharpe_ratio,
    sortino_ratio,
    window_days,
)
from tidemill.performance.record import RunRecord
from tidemill.performance.resampling import Intervals, bootstrap_intervals
from tidemill.performance.returns import (
    annual_return,
    annual_volatility,
    elapsed_years,
    make_curve,
    make_returns,
    periods_per_year,
    total_return,
)
from tidemill.performance.significance import Deflated, deflated_sharpe


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
class Performance:
    """Everything measured of a run. Curves are indexed by the marks' times; see each function for its unit."""

    record: RunRecord
    own: Headline
    benchmark: Headline
    curve: pd.Series[float]
    benchmark_curve: pd.Series[float]
    drawdowns: pd.Series[float]
    benchmark_drawdowns: pd.Series[float]
    rolling: pd.DataFrame
    rolling_days: float
    exposure: pd.DataFrame
    turnover: pd.Series[float]
    years: float
    periods: float
    time_in_market: float
    mean_exposure: float
    annual_turnover: float
    books: tuple[InstrumentBook, ...]
    hit_rate: float
    profit_factor: float
    closings: int
    costs: Costs
    intervals: Intervals
    deflated: Deflated
    monthly: pd.DataFrame
    warnings: tuple[str, ...]


def run_sharpe(record: RunRecord) -> float:
    """Annual Sharpe ratio of the run, as the trial ledger keeps it. NaN where it is not defined."""
    curve = make_curve(record.equity)
    return sharpe_ratio(make_returns(curve), periods_per_year(curve, record.days_per_year))


def measure(record: RunRecord) -> Performance:
    """Measure a run; see the modules of this package for each formula, and :class:`RunRecord` for its errors."""
    curve = make_curve(record.equity)
    returns, years = make_returns(curve), elapsed_years(curve)
    periods = periods_per_year(curve, record.days_per_year)
    times = pd.DatetimeIndex(curve.index)
    closes = closes_at(record.bars, times, record.instruments, record.bar_seconds)
    benchmark = buy_and_hold(closes, float(curve.iloc[0]), float(record.cost_rate))
    exposure = exposure_by_instrument(positions_at(record.fills, times, record.instruments), closes, curve)
    turnover = turnover_curve(record.fills, curve)
    gross = gross_exposure(exposure)
    books = book_fills(record.fills, _last_prices(closes))
    profits = [one.profit for book in books for one in book.closings]
    window = rolling_window(len(returns), periods, record.days_per_year)
    measured = Performance(
        record=record,
        own=make_headline(curve, record.days_per_year),
        benchmark=make_headline(benchmark, record.days_per_year),
        curve=curve,
        benchmark_curve=benchmark,
        drawdowns=drawdown_curve(curve),
        benchmark_drawdowns=drawdown_curve(benchmark),
        rolling=rolling_figures(curve, window, periods),
        rolling_days=window_days(window, curve),
        exposure=exposure,
        turnover=turnover,
        years=years,
        periods=periods,
        time_in_market=time_in_market(gross),
        mean_exposure=float(gross.iloc[:-1].mean()) if len(gross) > 1 else math.nan,
        annual_turnover=annual_turnover(turnover, years),
        books=books,
        hit_rate=hit_rate(profits),
        profit_factor=profit_factor(profits),
        closings=len(profits),
        costs=attribute_costs(
            record.fills, record.orders, record.decisions, slippage_rate=record.slippage_rate, funding=record.funding
        ),
        intervals=bootstrap_intervals(returns, periods),
        deflated=deflated_sharpe(returns, periods, record.trial_sharpes),
        monthly=monthly_table(curve),
        warnings=(),
    )
    return replace(measured, warnings=make_warnings(measured))


def make_headline(curve: pd.Series[float], days_per_year: float) -> Headline:
    """The figures of one curve."""
    returns, periods = make_returns(curve), periods_per_year(curve, days_per_year)
    annual = annual_return(curve)
    worst, longest = worst_drawdown(curve), longest_drawdown(curve)
    depth = worst.depth if worst else 0.0
    return Headline(
        total_return=total_return(curve),
        annual_return=annual,
        volatility_annual=annual_volatility(returns, periods),
        sharpe=sharpe_ratio(returns, periods),
        sortino=sortino_ratio(returns, periods),
        calmar=calmar_ratio(annual, depth),
        max_drawdown=depth,
        max_drawdown_length=worst.length if worst else timedelta(0),
        longest_drawdown=longest.length if longest else timedelta(0),
        end_equity=float(curve.iloc[-1]),
    )


def make_warnings(measured: Performance) -> tuple[str, ...]:
    """Every warning that applies, the gravest kind first."""
    record = measured.record
    told = (
        cautions.benchmark_wins(measured.own.total_return, measured.benchmark.total_return),
        cautions.perhaps_zero(measured.intervals.sharpe),
        cautions.perhaps_luck(measured.deflated),
        cautions.too_few_closings(measured.closings),
        cautions.too_short(measured.years),
        cautions.one_makes_it(measured.books),
        cautions.costs_eat(measured.costs.total, sum((book.profit for book in measured.books), ZERO)),
        cautions.too_large(volume_shares(record)),
        cautions.survivors_only(count_ended(record), len(record.instruments)),
    )
    return tuple(one for one in told if one)


def volume_shares(record: RunRecord) -> list[float]:
    """Quantity of each order over the volume of the bar that was decided on; orders without such a volume are left out.

    Infinite for an order on a bar without volume.
    """
    known = {one.decision_id: one.record.get("volumes", {}) for one in record.decisions}
    shares = []
    for order in record.orders:
        volume = known.get(order.intent.decision_id, {}).get(order.intent.instrument)
        if volume is not None:
            shares.append(float(order.quantity / Decimal(volume)) if Decimal(volume) else math.inf)
    return shares


def count_ended(record: RunRecord) -> int:
    """Instruments that stopped trading: their last bar is older than the newest of all by more than five bars."""
    last = record.bars.groupby("instrument")["open_time"].max()
    if not len(last):
        return 0
    return int((last < last.max() - pd.Timedelta(seconds=5 * record.bar_seconds)).sum())


def _last_prices(closes: pd.DataFrame) -> dict[str, Decimal]:
    """Last closes as exact decimals of their shortest form; 0 for what never had one."""
    last: Sequence[float] = closes.ffill().iloc[-1].to_list()
    return {
        str(name): Decimal(repr(price)) if np.isfinite(price) else ZERO
        for name, price in zip(closes.columns, last, strict=True)
    }
