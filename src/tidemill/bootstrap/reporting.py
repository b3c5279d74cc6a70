"""A backtest measured, counted as a trial, and told: JSON-ready, and as a page."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tidemill.backtest import BacktestPlan, BacktestResult, count_bars, run_backtest
from tidemill.bootstrap.backtests import keep_compiled_code, prepare_backtest
from tidemill.bootstrap.targets import need_writable
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.trading import Fill
from tidemill.domain.trials import Trial, comparable_sharpes, distinct_trials
from tidemill.pages import PageFacts, write_page
from tidemill.performance import (
    DecidedOrder,
    Performance,
    RunRecord,
    as_statistics,
    decided_orders,
    measure,
    run_sharpe,
)
from tidemill.ports import Clock
from tidemill.ports.trials import TrialLedger
from tidemill.recording import Recording, hash_recording
from tidemill.settings import Settings

if TYPE_CHECKING:
    from tidemill.research.fast_backtest import FastResult

Speed = Literal["exact", "fast"]
# Days on which the market trades, by calendar.
DAYS_PER_YEAR = {"24x7": 365.0, "as-recorded": 252.0}
COSTS = ("slippage", "spread", "impact", "latency")
BAR_COLUMNS = ["instrument", "open_time", "close", "volume"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """Where the page goes (None: nowhere), the wall clock that times the run, and at which speed it is made."""

    clock: Clock
    page: Path | None = None
    speed: Speed = "exact"


def report_backtest(
    settings: Settings,
    trials: TrialLedger,
    options: ReportOptions,
    *,
    data: Path | None,
    start: datetime | None,
    end: datetime | None,
    strategy: str,
    every: str | None,
    on_step: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Backtest a recording, record the trial, and return the summary; write the page if asked.

    ConfigurationError, before anything runs, when the page
    cannot be written, or when the page is asked of the fast speed; DataError names what that does not cover.
    """
    begun = options.clock.now()
    if options.page is not None:
        need_writable(options.page, "report")
    recording, plan = prepare_backtest(settings, data=data, start=start, end=end, strategy=strategy, every=every)
    if options.speed == "fast":
        if options.page is not None:
            raise ConfigurationError("the page is made at speed exact only; leave the report out, or the speed")
        keep_compiled_code(settings)
        told = _glance(recording, plan, trials, begun, on_step)
        return {
            **told,
            **count_bars(recording, plan),
            "currency": _currency(plan),
            "seconds": _seconds(options.clock, begun),
        }
    result = run_backtest(recording, plan, on_step=on_step)
    record = make_record(recording, plan, result)
    measured, counted = _count_and_measure(recording, plan, record, trials, len(record.orders), begun)
    ran = {"speed": "exact", **count_bars(recording, plan), **result.as_dict(plan.rules.strategy)}
    if options.page is not None:
        hashes = {name: counted[name] for name in ("data_hash", "parameters_hash")}
        facts = PageFacts(title=recording.title, written_at=begun, settings=plan_parameters(plan) | hashes, ran=ran)
        write_page(options.page, measured, facts)
    seconds = _seconds(options.clock, begun)
    return {
        **ran,
        "currency": _currency(plan),
        "seconds": seconds,
        "statistics": as_statistics(measured),
        "trial": counted,
    }


def _currency(plan: BacktestPlan) -> str:
    """What fees and equity are counted in."""
    return plan.rules.instruments[plan.rules.universe[0]].quote


def _seconds(clock: Clock, begun: datetime) -> float:
    return round((clock.now() - begun).total_seconds(), 3)


def _glance(
    recording: Recording,
    plan: BacktestPlan,
    trials: TrialLedger,
    begun: datetime,
    on_step: Callable[[int, int], None] | None,
) -> dict[str, Any]:
    """The same at the fast speed: measured alike, and counted as a trial like any other look at the data."""
    from tidemill.research.fast_backtest import run_fast_backtest

    result = run_fast_backtest(recording, plan, on_step=on_step)
    intended = result.order_counts()["intended"]
    measured, counted = _count_and_measure(
        recording, plan, _fast_record(recording, plan, result), trials, intended, begun
    )
    return {**result.as_dict(plan.rules.strategy), "statistics": as_statistics(measured), "trial": counted}


def _fast_record(recording: Recording, plan: BacktestPlan, result: FastResult) -> RunRecord:
    """What is measured of a run of the kernels, with the marks of the exact speed."""
    from tidemill.kernels import PRICE, VOLUME
    from tidemill.research.fast_backtest import tell_trades

    dense = result.dense
    points = list(plan.rules.grid.points(plan.start, plan.end))
    moments = [points[0], *points, min(plan.end, recording.last_close)]
    marks = [Decimal(repr(one)) for one in result.equity.tolist()]
    fills, orders = tell_trades(
        result.trail,
        dense.as_of,
        dense.names,
        prices=dense.market[:, :, PRICE],
        volumes=dense.market[:, :, VOLUME],
        fee_in_quote=plan.fills.fee_asset == "quote",
        most_volume=float(plan.rules.limits.max_volume_fraction),
    )
    return _record_of(recording, plan, equity=list(zip(moments, marks, strict=True)), fills=fills, orders=orders)


def _count_and_measure(
    recording: Recording, plan: BacktestPlan, record: RunRecord, trials: TrialLedger, orders: int, begun: datetime
) -> tuple[Performance, dict[str, Any]]:
    """Record the run as a trial, then measure it among all trials on its data."""
    trial = make_trial(recording, plan, sharpe=run_sharpe(record), orders=orders, now=begun)
    number = trials.record_trial(trial)
    counted = distinct_trials(trials.load_trials(data_hash=trial.data_hash))
    sharpes = comparable_sharpes(counted, start=plan.start, end=plan.end)
    told = {"number": number, "parameters_hash": trial.parameters_hash, "data_hash": trial.data_hash}
    return measure(replace(record, trial_sharpes=sharpes)), told


def make_record(recording: Recording, plan: BacktestPlan, result: BacktestResult) -> RunRecord:
    """What is measured of an exact backtest."""
    record = _record_of(
        recording,
        plan,
        equity=result.equity,
        fills=result.fills,
        orders=decided_orders(result.orders, result.decisions),
    )
    return replace(record, funding=result.funding, unsettled=len(result.unsettled))


def _record_of(
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
        bars=bars[BAR_COLUMNS],
        timeframe=timeframe,
        days_per_year=DAYS_PER_YEAR[rules.grid.calendar],
        slippage_rate=None if costs.impact else costs.taking_cost,
        cost_rate=costs.fee_taker + costs.taking_cost,
    )


def make_trial(
    recording: Recording,
    plan: BacktestPlan,
    *,
    sharpe: float,
    orders: int,
    now: datetime,
    data_hash: str = "",
) -> Trial:
    """The row of the trial ledger for a backtest made at wall time ``now``; ``data_hash`` when it is known already."""
    parameters = json.dumps(plan_parameters(plan), sort_keys=True)
    return Trial(
        recorded_at=now,
        strategy=plan.rules.strategy,
        parameters_hash=hashlib.sha256(parameters.encode()).hexdigest(),
        start=plan.start,
        end=plan.end,
        data_hash=data_hash or hash_recording(recording),
        sharpe=sharpe if math.isfinite(sharpe) else None,
        orders=orders,
    )


def plan_parameters(plan: BacktestPlan) -> dict[str, Any]:
    """Everything but period and data that decides the outcome, JSON-ready."""
    rules, grid, fills = plan.rules, plan.rules.grid, plan.fills
    return {
        "strategy": rules.strategy,
        "strategy_code": rules.own.code_hash if rules.own else "",
        "universe": list(rules.universe),
        "timeframe": grid.timeframe,
        "calendar": grid.calendar,
        "every_seconds": grid.every_seconds,
        "delay_seconds": grid.delay_seconds,
        "sizing": asdict(rules.sizing),
        "limits": {name: str(value) for name, value in asdict(rules.limits).items()},
        "price_cap_fraction": str(rules.price_cap_fraction),
        "scorer": rules.scorer,
        "min_completeness": rules.min_completeness,
        "fills": {
            name: str(getattr(fills, name)) for name in (*COSTS, "participation", "fee_maker", "fee_taker", "fee_asset")
        },
        "start_cash": str(plan.start_cash),
        "training": asdict(plan.training),
        "retrain_every_days": plan.retrain_every_days,
        "window_days": plan.window_days,
        "promotion": plan.promotion,
        "code": plan.environment.code,
    }
