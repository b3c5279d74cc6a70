"""Performance as JSON-ready values: money as decimal strings, ratios as numbers, null where not defined."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from tidemill.domain.market import format_time
from tidemill.performance.costs import Costs
from tidemill.performance.figures import Headline, Performance
from tidemill.performance.positions import InstrumentBook
from tidemill.performance.resampling import Interval


def as_statistics(measured: Performance) -> dict[str, Any]:
    """The figures without the curves."""
    record, intervals, deflated = measured.record, measured.certainty.intervals, measured.certainty.deflated
    return {
        "period": {
            "start": format_time(measured.curves.own.index[0].to_pydatetime()),
            "end": format_time(measured.curves.own.index[-1].to_pydatetime()),
            "years": _number(measured.years),
            "returns": len(measured.curves.own) - 1,
            "periods_per_year": _number(measured.periods),
            "days_per_year": record.days_per_year,
        },
        "currency": record.currency,
        "strategy": headline_values(measured.own),
        "benchmark": {"name": "equal-weight buy and hold", **headline_values(measured.benchmark)},
        "beta": _number(measured.beta),
        "correlation": _number(measured.correlation),
        "exposure": {
            "mean": _number(measured.activity.mean_exposure),
            "time_in_market": _number(measured.activity.time_in_market),
        },
        "turnover_annual": _number(measured.activity.annual_turnover),
        "trades": {
            "closed": measured.trading.closings,
            "hit_rate": _number(measured.trading.hit_rate),
            "profit_factor": _number(measured.trading.profit_factor),
        },
        "capacity": {
            "volume_fraction": measured.capacity.fraction,
            "orders": measured.capacity.orders,
            "orders_above": measured.capacity.above,
            "largest_share": _number(measured.capacity.largest),
            "capital": _number(measured.capacity.capital),
            "capital_is_bound": measured.capacity.capped,
        },
        "costs": cost_values(measured.trading.costs),
        "instruments": [book_values(book) for book in measured.trading.books],
        "monthly": _months(measured.monthly),
        "intervals": {
            "sharpe": _interval(intervals.sharpe),
            "total_return": _interval(intervals.total_return),
            "max_drawdown": _interval(intervals.max_drawdown),
        },
        "trials": deflated.trials,
        "probabilistic_sharpe": _number(deflated.above_zero),
        "deflated_sharpe": _number(deflated.probability),
        "expected_best_sharpe": _number(deflated.expected_best),
        "warnings": list(measured.warnings),
    }


def headline_values(headline: Headline) -> dict[str, float | None]:
    """One curve's figures; spans in days."""
    return {
        "total_return": _number(headline.total_return),
        "annual_return": _number(headline.annual_return),
        "volatility_annual": _number(headline.volatility_annual),
        "sharpe": _number(headline.sharpe),
        "sortino": _number(headline.sortino),
        "calmar": _number(headline.calmar),
        "max_drawdown": _number(headline.max_drawdown),
        "max_drawdown_days": _days(headline.max_drawdown_length),
        "longest_drawdown_days": _days(headline.longest_drawdown),
        "end_equity": _number(headline.end_equity),
    }


def cost_values(costs: Costs) -> dict[str, Any]:
    """Costs in account currency."""
    return {
        "fees": _money(costs.fees),
        "shortfall": _money(costs.shortfall),
        "slippage": None if costs.slippage is None else _money(costs.slippage),
        "drift": None if costs.drift is None else _money(costs.drift),
        "funding": _money(costs.funding),
        "total": _money(costs.total),
        "traded": _money(costs.traded),
        "unexplained_fills": costs.unexplained_fills,
    }


def book_values(book: InstrumentBook) -> dict[str, Any]:
    """One instrument's profit and what it is made of."""
    return {
        "instrument": book.instrument,
        "profit": _money(book.profit),
        "realised": _money(book.realised),
        "unrealised": _money(book.unrealised),
        "fees": _money(book.fees),
        "traded": _money(book.traded),
        "fills": book.fills,
        "closed": len(book.closings),
    }


def _months(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    return {
        str(year): {str(month): _number(float(value)) for month, value in row.items() if not pd.isna(value)}
        for year, row in table.iterrows()
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "low": _number(interval.low),
        "high": _number(interval.high),
        "level": interval.level,
        "resamples": interval.resamples,
        "mean_block": _number(interval.mean_block),
    }


def _days(span: timedelta) -> float:
    return span.total_seconds() / 86400.0


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _money(value: Decimal) -> str:
    """To ten digits after the point: what lies behind comes from dividing for the average cost."""
    return format(round(value, 10).normalize(), "f")
