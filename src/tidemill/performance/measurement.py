"""A run's record becomes its performance: every figure, every curve, every warning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.domain.portfolio import ZERO
from tidemill.performance import cautions
from tidemill.performance.calendar_months import monthly_table
from tidemill.performance.capacity import make_capacity
from tidemill.performance.costs import attribute_costs
from tidemill.performance.drawdowns import Falls, drawdown_curve
from tidemill.performance.figures import Activity, Certainty, Curves, Headline, Performance, Trading
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
from tidemill.performance.positions import book_fills, hit_rate, profit_factor
from tidemill.performance.ratios import (
    beta_and_correlation,
    calmar_ratio,
    rolling_figures,
    rolling_window,
    sharpe_ratio,
    sortino_ratio,
    window_days,
)
from tidemill.performance.record import RunRecord
from tidemill.performance.resampling import bootstrap_intervals
from tidemill.performance.returns import (
    Array,
    annual_return,
    annual_volatility,
    elapsed_years,
    make_curve,
    make_returns,
    periods_per_year,
    total_return,
)
from tidemill.performance.significance import deflated_sharpe


def run_sharpe(record: RunRecord) -> float:
    """Annual Sharpe ratio of the run, as the trial ledger keeps it: that of :func:`measure`, without the rest.

    By :func:`~tidemill.performance.ratios.sharpe_ratio`, riskless rate 0. NaN below two returns and where they do not
    vary. DataError for marks that :func:`~tidemill.performance.returns.make_curve` refuses.
    """
    curve = curve_of(record)
    return sharpe_ratio(make_returns(curve), periods_per_year(curve, record.days_per_year))


def curve_sharpe(equity: Sequence[tuple[datetime, Decimal]], days_per_year: float) -> float:
    """Annual Sharpe ratio of (time, equity) marks in ascending order, a year having ``days_per_year`` trading days.

    As :func:`run_sharpe`, for a run of which only the marks are there.
    """
    curve = make_curve(equity)
    return sharpe_ratio(make_returns(curve), periods_per_year(curve, days_per_year))


def curve_of(record: RunRecord) -> pd.Series[float]:
    """The run's curve of equity, made of its marks unless it is one already.

    Who has a million marks in an array need not make tuples of them.
    """
    return record.equity if isinstance(record.equity, pd.Series) else make_curve(record.equity)


def measure(record: RunRecord) -> Performance:
    """Measure a run: every figure, every curve, every warning, in account currency.

    ``record`` is all that goes in: no clock, no store and no chance, for the bootstrap is seeded. Each formula stands
    with its source in the module that makes it. Figures that the run is too short for are NaN, and a warning says so;
    a run without fills is measured like any other. DataError for marks that make no curve, for fills of an instrument
    without a price, and for a fee in an asset that is neither side of its instrument.
    """
    curve = curve_of(record)
    returns, periods = make_returns(curve), periods_per_year(curve, record.days_per_year)
    closes = closes_at(record.bars, pd.DatetimeIndex(curve.index), record.instruments, record.bar_seconds)
    curves = make_curves(record, curve, closes)
    beta, correlation = beta_and_correlation(returns, make_returns(curves.benchmark))
    measured = Performance(
        record=record,
        years=elapsed_years(curve),
        periods=periods,
        own=make_headline(curve, record.days_per_year),
        benchmark=make_headline(curves.benchmark, record.days_per_year),
        beta=beta,
        correlation=correlation,
        curves=curves,
        activity=make_activity(record, curve, closes),
        trading=make_trading(record, closes),
        capacity=make_capacity(record.orders, float(curve.iloc[0])),
        certainty=make_certainty(returns, periods, record.trial_sharpes),
        monthly=monthly_table(curve),
        warnings=(),
    )
    # the warnings are made of the figures, so they come into the value last
    return replace(measured, warnings=make_warnings(measured))


def make_certainty(returns: Array, periods: float, trial_sharpes: Sequence[float | None]) -> Certainty:
    """Intervals and deflated Sharpe ratio of ``returns``, ``periods`` of them a year."""
    return Certainty(
        intervals=bootstrap_intervals(returns, periods),
        deflated=deflated_sharpe(returns, periods, trial_sharpes),
    )


def make_curves(record: RunRecord, curve: pd.Series[float], closes: pd.DataFrame) -> Curves:
    """The run's ``curve`` beside its benchmark's.

    ``closes`` are of :func:`~tidemill.performance.holdings.closes_at` at the marks of the curve. The benchmark starts
    with the same equity and pays the record's ``cost_rate`` once.
    """
    benchmark = buy_and_hold(closes, float(curve.iloc[0]), float(record.cost_rate))
    periods = periods_per_year(curve, record.days_per_year)
    window = rolling_window(len(curve) - 1, periods, record.days_per_year)
    return Curves(
        own=curve,
        benchmark=benchmark,
        own_drawdowns=drawdown_curve(curve),
        benchmark_drawdowns=drawdown_curve(benchmark),
        rolling=rolling_figures(curve, window, periods),
        rolling_days=window_days(window, curve),
    )


def make_activity(record: RunRecord, curve: pd.Series[float], closes: pd.DataFrame) -> Activity:
    """What was held and traded, against the equity of ``curve``.

    ``closes`` at the marks of the curve value the positions; the last mark begins no period and is in no mean.
    """
    held = positions_at(record.fills, pd.DatetimeIndex(curve.index), record.instruments)
    exposure = exposure_by_instrument(held, closes, curve)
    turnover = turnover_curve(record.fills, curve)
    gross = gross_exposure(exposure)
    return Activity(
        exposure=exposure,
        turnover=turnover,
        time_in_market=time_in_market(gross),
        mean_exposure=float(gross.iloc[:-1].mean()) if len(gross) > 1 else math.nan,
        annual_turnover=annual_turnover(turnover, elapsed_years(curve)),
    )


def make_trading(record: RunRecord, closes: pd.DataFrame) -> Trading:
    """Profit and cost of the fills, open positions valued at the last of ``closes``.

    An instrument that never had a close is valued at 0, as nothing says otherwise.
    """
    books = book_fills(record.fills, _last_prices(closes))
    profits = [closing.profit for book in books for closing in book.closings]
    return Trading(
        books=books,
        closings=len(profits),
        hit_rate=hit_rate(profits),
        profit_factor=profit_factor(profits),
        costs=attribute_costs(record.fills, record.orders, slippage_rate=record.slippage_rate, funding=record.funding),
    )


def make_headline(curve: pd.Series[float], days_per_year: float) -> Headline:
    """The figures of one curve; each formula stands in ``returns``, ``ratios`` and ``drawdowns``."""
    returns, periods = make_returns(curve), periods_per_year(curve, days_per_year)
    annual = annual_return(curve)
    falls = Falls(curve)
    worst, longest = falls.deepest(), falls.longest()
    # a curve that never fell has a drawdown of 0, which is known, unlike the ratios made of it
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
    """Every warning that applies, the gravest kind first.

    Gravest is what makes the result worthless whatever its figures; what only blurs them comes later.
    """
    record = measured.record
    sentences = (
        cautions.benchmark_wins(measured.own.total_return, measured.benchmark.total_return),
        cautions.perhaps_zero(measured.certainty.intervals.sharpe),
        cautions.perhaps_luck(measured.certainty.deflated),
        cautions.too_few_closings(measured.trading.closings),
        cautions.too_short(measured.years),
        cautions.one_makes_it(measured.trading.books),
        cautions.costs_eat(measured.trading.costs.total, _profit(measured)),
        cautions.not_settled(record.unsettled),
        cautions.too_large(measured.capacity, float(measured.curves.own.iloc[0]), record.currency),
        cautions.survivors_only(count_ended(record), len(record.instruments)),
    )
    return tuple(sentence for sentence in sentences if sentence)


def _profit(measured: Performance) -> Decimal:
    """What all books made, less funding, which no fill carries."""
    return sum((book.profit for book in measured.trading.books), ZERO) - measured.trading.costs.funding


def count_ended(record: RunRecord) -> int:
    """Instruments that stopped trading: their last bar is older than the newest of all by more than five bars."""
    last = record.bars.groupby("instrument")["open_time"].max()
    if not len(last):
        return 0
    # five bars, because the last of a market that still trades may be a gap or not be published yet
    return int((last < last.max() - pd.Timedelta(seconds=5 * record.bar_seconds)).sum())


def _last_prices(closes: pd.DataFrame) -> dict[str, Decimal]:
    """Last closes as exact decimals of their shortest form; 0 for what never had one."""
    last: Sequence[float] = closes.ffill().iloc[-1].to_list()
    return {
        str(name): Decimal(repr(price)) if np.isfinite(price) else ZERO
        for name, price in zip(closes.columns, last, strict=True)
    }
