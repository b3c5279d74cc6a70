"""Returns, ratios, drawdowns and months, each against a figure computed by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.runs_made import START, at, marks

from tidemill.domain.errors import DataError
from tidemill.performance.calendar_months import monthly_table
from tidemill.performance.drawdowns import Drawdown, Falls, drawdown_curve
from tidemill.performance.ratios import (
    calmar_ratio,
    period_sharpe,
    rolling_figures,
    rolling_window,
    sharpe_ratio,
    sortino_ratio,
    window_days,
)
from tidemill.performance.returns import (
    annual_return,
    annual_volatility,
    elapsed_years,
    make_curve,
    make_returns,
    periods_per_year,
    total_return,
)

equities = st.lists(st.floats(1.0, 1e6), min_size=2, max_size=40).map(lambda values: make_curve(marks(*values)))


def test_returns_are_simple_and_one_fewer_than_marks() -> None:
    curve = make_curve(marks(100, 110, 99))
    assert make_returns(curve) == pytest.approx([0.1, -0.1])
    assert total_return(curve) == pytest.approx(-0.01)


def test_the_first_mark_is_the_first_told_later_ones_the_last() -> None:
    """The start and the mark after the first decision have one time; what its orders cost must not be lost."""
    equity = [(at(0), Decimal(100)), (at(0), Decimal(99)), (at(1), Decimal(98)), (at(1), Decimal(97))]
    assert list(make_curve(equity)) == [100.0, 97.0]


@pytest.mark.parametrize(
    ("equity", "text"),
    [
        ([], "no mark"),
        (marks(100, 101)[::-1], "run back"),
        (marks(100, 0), "above 0"),
        (marks(100, "NaN"), "above 0"),
        ([(datetime(2025, 1, 1), Decimal(1))], "time zone"),
    ],
)
def test_marks_that_cannot_be_are_refused(equity: list, text: str) -> None:
    with pytest.raises(DataError, match=text):
        make_curve(equity)


def test_a_year_is_told_by_the_grid() -> None:
    daily = make_curve(marks(1, 2, 3))
    assert periods_per_year(daily) == 365
    assert periods_per_year(daily, 252) == 252
    hours = [(START + timedelta(hours=4 * place), Decimal(1)) for place in range(4)]
    assert periods_per_year(make_curve(hours)) == 365 * 6
    assert math.isnan(periods_per_year(make_curve(marks(1))))


def test_sessions_count_by_their_median_distance() -> None:
    """Over a weekend three days pass; a year has 252 sessions all the same."""
    equity = [(at(day), Decimal(1)) for day in (0, 1, 2, 3, 6, 7)]
    assert periods_per_year(make_curve(equity), 252) == 252


def test_annual_return_compounds_over_calendar_time() -> None:
    half = make_curve([(START, Decimal(100)), (START + timedelta(days=182.5), Decimal(110))])
    assert elapsed_years(half) == 0.5
    assert annual_return(half) == pytest.approx(0.21)
    assert math.isnan(annual_return(make_curve(marks(100))))
    moment = make_curve([(START, Decimal(1)), (START + timedelta(seconds=1), Decimal(2))])
    assert math.isnan(annual_return(moment))


def test_sharpe_by_hand() -> None:
    """Mean 0.02, sample deviation 0.01: 2 a period, times the root of 365."""
    returns = np.array([0.01, 0.02, 0.03])
    assert period_sharpe(returns) == pytest.approx(2.0)
    assert period_sharpe(returns, riskless=0.01) == pytest.approx(1.0)
    assert sharpe_ratio(returns, 365) == pytest.approx(2 * math.sqrt(365))
    assert annual_volatility(returns, 100) == pytest.approx(0.1)


def test_sortino_by_hand() -> None:
    """Mean 0.01; squares below zero 0, 0, 0.0004 and 0 of four: root of the mean 0.01."""
    returns = np.array([0.03, 0.01, -0.02, 0.02])
    assert sortino_ratio(returns, 4) == pytest.approx(0.01 / 0.01 * 2)
    assert math.isnan(sortino_ratio(np.array([0.01, 0.02]), 4))


def test_calmar_by_hand() -> None:
    assert calmar_ratio(0.3, 0.2) == pytest.approx(1.5)
    assert math.isnan(calmar_ratio(0.3, 0.0))


@pytest.mark.parametrize("returns", [[], [0.1], [0.1, 0.1, 0.1]])
def test_what_does_not_vary_has_no_sharpe(returns: list[float]) -> None:
    assert math.isnan(period_sharpe(np.array(returns)))


def test_the_worst_drawdown_by_hand() -> None:
    curve = make_curve(marks(100, 120, 90, 108, 121, 115, 130))
    worst = Falls(curve).deepest()
    assert worst is not None
    assert worst.depth == pytest.approx(0.25)
    assert (worst.peak, worst.trough, worst.recovered) == (at(1), at(2), at(4))
    assert worst.length == timedelta(days=3)
    assert len(Falls(curve).all()) == 2
    assert list(drawdown_curve(curve))[:4] == pytest.approx([0, 0, 0.25, 0.1])


def test_a_drawdown_that_lasts_ends_with_the_marks() -> None:
    curve = make_curve(marks(100, 50, 100, 99, 98, 99))
    longest = Falls(curve).longest()
    assert longest is not None
    assert longest.recovered is None
    assert longest.length == timedelta(days=3)
    assert Falls(curve).deepest().depth == 0.5


def test_what_never_falls_has_no_drawdown() -> None:
    assert Falls(make_curve(marks(1, 1, 2))).all() == ()
    assert Falls(make_curve(marks(1))).deepest() is None


@given(equities)
def test_drawdowns_agree_with_their_curve(curve: pd.Series) -> None:
    falls = Falls(curve).all()
    assert max([fall.depth for fall in falls], default=0.0) == pytest.approx(drawdown_curve(curve).max(), abs=1e-12)
    assert all(0 < fall.depth < 1 and fall.peak < fall.trough for fall in falls)


def looked_for_one_by_one(curve: pd.Series) -> list[Drawdown]:
    """Every fall by its definition, mark after mark."""
    values, times = curve.tolist(), [moment.to_pydatetime() for moment in curve.index]
    falls, peak, lowest = [], 0, None
    for row, value in enumerate(values):
        if value < values[peak]:
            lowest = row if lowest is None or value < values[lowest] else lowest
        if lowest is not None and (value >= values[peak] or row == len(values) - 1):
            until = times[row]
            fall = Drawdown(
                depth=1.0 - values[lowest] / values[peak],
                peak=times[peak],
                trough=times[lowest],
                recovered=until if value >= values[peak] else None,
                length=until - times[peak],
            )
            falls.append(fall)
            lowest = None
        peak = row if value >= values[peak] else peak
    return falls


@given(equities)
def test_falls_are_those_of_the_definition_to_the_last_bit(curve: pd.Series) -> None:
    falls, slow = Falls(curve), looked_for_one_by_one(curve)
    assert list(falls.all()) == slow
    assert falls.deepest() == max(slow, key=lambda fall: fall.depth, default=None)
    assert falls.longest() == max(slow, key=lambda fall: fall.length, default=None)


def test_the_falls_of_a_long_curve_are_what_they_were() -> None:
    walk = 1000 * np.exp(np.cumsum(np.random.default_rng(7).normal(0.001, 0.01, 2000)))
    falls = Falls(make_curve(marks(*(round(float(value), 6) for value in walk))))
    deepest, longest = falls.deepest(), falls.longest()
    assert deepest is not None
    assert longest is not None
    assert (deepest.depth, deepest.length) == (0.2685915112136208, timedelta(days=354))
    assert (longest.depth, longest.length) == (0.1715727229867462, timedelta(days=360))
    assert len(falls.all()) == 79


@given(equities, st.floats(0.01, 100.0))
def test_figures_do_not_depend_on_the_unit_of_money(curve: pd.Series, factor: float) -> None:
    own, other = make_returns(curve), make_returns(curve * factor)
    assert own == pytest.approx(other, abs=1e-9, rel=1e-9)


@given(equities)
def test_returns_compound_to_the_total(curve: pd.Series) -> None:
    assert np.prod(1 + make_returns(curve)) - 1 == pytest.approx(total_return(curve), rel=1e-9, abs=1e-9)


def test_rolling_figures_are_those_of_the_window() -> None:
    curve = make_curve(marks(100, 101, 103, 102, 104, 107, 105, 109))
    rolling = rolling_figures(curve, 5, 365)
    returns = make_returns(curve)
    assert rolling["sharpe"].isna().sum() == 5
    assert rolling["sharpe"].iloc[-1] == pytest.approx(sharpe_ratio(returns[-5:], 365))
    assert rolling["volatility"].iloc[5] == pytest.approx(annual_volatility(returns[:5], 365))
    flat = rolling_figures(make_curve(marks(*[1] * 8)), 5, 365)
    assert flat["sharpe"].isna().all()


def test_the_window_is_thirty_days_or_a_third() -> None:
    assert rolling_window(1000, 365.0, 365.0) == 30
    assert rolling_window(1000, 252.0, 252.0) == 30
    assert rolling_window(60, 365.0, 365.0) == 20
    assert rolling_window(3, 365.0, 365.0) == 5
    assert rolling_window(0, math.nan, 365.0) == 5
    assert window_days(30, make_curve(marks(1, 2, 3))) == 30


def test_months_by_hand() -> None:
    """Equity at midnight of the 1st closes the month before."""
    equity = [
        (datetime(2024, 12, 30, tzinfo=UTC), Decimal(100)),
        (datetime(2025, 1, 1, tzinfo=UTC), Decimal(110)),
        (datetime(2025, 1, 15, tzinfo=UTC), Decimal(50)),
        (datetime(2025, 2, 1, tzinfo=UTC), Decimal(99)),
        (datetime(2025, 3, 1, tzinfo=UTC), Decimal(198)),
    ]
    table = monthly_table(make_curve(equity))
    assert list(table.index) == [2024, 2025]
    assert table.loc[2024, 12] == pytest.approx(0.1)
    assert table.loc[2025, 1] == pytest.approx(-0.1)
    assert table.loc[2025, 2] == pytest.approx(1.0)
    assert table.loc[2025, "year"] == pytest.approx(0.8)
    assert table.loc[2025, 3:12].isna().all()
    assert len(monthly_table(make_curve(marks(1)))) == 0


@given(equities)
def test_years_compound_to_the_total(curve: pd.Series) -> None:
    table = monthly_table(curve)
    assert np.prod(1 + table["year"]) - 1 == pytest.approx(total_return(curve), rel=1e-9, abs=1e-9)
