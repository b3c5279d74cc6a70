"""What is measured of a backtest, at either speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from tidemill.backtest import BacktestPlan, BacktestResult
from tidemill.domain.market import TRADING_DAYS_PER_YEAR
from tidemill.domain.trading import Fill
from tidemill.performance import DecidedOrder, RunRecord, decided_orders
from tidemill.performance.record import BAR_COLUMNS
from tidemill.recording import Recording

if TYPE_CHECKING:
    from tidemill.research.fast_backtest import FastResult


def make_exact_record(recording: Recording, plan: BacktestPlan, result: BacktestResult) -> RunRecord:
    """What is measured of an exact backtest of ``plan`` over ``recording``.

    Funding and what of it could not be settled are taken over from the result.
    """
    record = _make_record(
        recording,
        plan,
        equity=result.equity,
        fills=result.fills,
        orders=decided_orders(result.orders, result.decisions),
    )
    return replace(record, funding=result.funding, unsettled=len(result.unsettled))


def make_fast_record(recording: Recording, plan: BacktestPlan, result: FastResult) -> RunRecord:
    """What is measured of a run of the kernels, with the marks of the exact speed.

    Marks lie at the points of the grid and at the end, as at the exact speed; floats become their shortest decimals.
    """
    # after the plan was loaded: the kernels ask where compiled code is kept when they are imported
    from tidemill.kernels import PRICE, VOLUME
    from tidemill.research.fast_backtest import make_trades

    points = list(plan.rules.grid.points(plan.start, plan.end))
    moments = [points[0], *points, min(plan.end, recording.last_close)]
    marks = [Decimal(repr(equity)) for equity in result.equity.tolist()]
    dense = result.dense
    fills, orders = make_trades(
        result.trail,
        dense.as_of,
        dense.names,
        prices=dense.market[:, :, PRICE],
        volumes=dense.market[:, :, VOLUME],
        fee_in_quote=plan.fills.fee_asset == "quote",
        max_volume_fraction=float(plan.rules.limits.max_volume_fraction),
    )
    return _make_record(recording, plan, equity=list(zip(moments, marks, strict=True)), fills=fills, orders=orders)


def _make_record(
    recording: Recording,
    plan: BacktestPlan,
    *,
    equity: Sequence[tuple[datetime, Decimal]],
    fills: Sequence[Fill],
    orders: Sequence[DecidedOrder],
) -> RunRecord:
    """What is measured of a backtest; the benchmark pays the plan's fee and slippage once."""
    rules, costs = plan.rules, plan.fills
    timeframe = rules.grid.timeframe
    bars = recording.as_bars(None, recording.first_open, plan.end, timeframe=timeframe)
    return RunRecord(
        strategy=rules.strategy,
        currency=rules.instruments[rules.universe[0]].quote,
        equity=equity,
        fills=fills,
        orders=orders,
        instruments=rules.universe,
        bars=bars[list(BAR_COLUMNS)],
        timeframe=timeframe,
        days_per_year=float(TRADING_DAYS_PER_YEAR[rules.grid.calendar]),
        slippage_rate=None if costs.impact else costs.taking_cost,
        cost_rate=costs.fee_taker + costs.taking_cost,
    )
