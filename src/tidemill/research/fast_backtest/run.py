"""Run a plan through the kernels, and tell it with the keys of the exact report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.backtest import BacktestPlan
from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time
from tidemill.kernels import (
    CASH,
    DROPPED,
    FEES,
    FORECASTS,
    NEAR_CASES,
    STATE_NAMES,
    VETOED,
    Bounds,
    Costs,
    Signals,
    Sizing,
    State,
    Trail,
    make_trail,
    open_state,
    run_forecasts,
)
from tidemill.matching.clearing import FEE_STEP
from tidemill.recording import Recording
from tidemill.reports import ORDER_COUNTS
from tidemill.research.fast_backtest.coverage import check_subset
from tidemill.research.fast_backtest.dense import DenseMarket, build_dense
from tidemill.sizing import FRACTION_DIGITS, LARGEST_DIVERSIFICATION, SMALLEST_VOLATILITY, UNKNOWN_VOLATILITY


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FastResult:
    """What happened, in arrays: ``trail`` has a row per decision, ``equity`` the start, each row and the final mark.

    ``state`` is the account at the end, from which a later period can go on.
    """

    dense: DenseMarket
    trail: Trail
    state: State
    equity: np.ndarray
    fees: float

    @property
    def near_threshold(self) -> int:
        """Comparisons nearer than 1e-9 to their threshold: where exact may decide otherwise."""
        return int(self.trail.tally[:, NEAR_CASES].sum())

    @property
    def max_drawdown(self) -> float:
        """Largest 1 - equity/peak over the marks.

        A fraction, 0 while there is no peak.
        """
        peaks = np.maximum.accumulate(self.equity)
        return float(np.max(np.where(peaks > 0, 1 - self.equity / np.where(peaks > 0, peaks, 1), 0.0)))

    def order_counts(self) -> dict[str, int]:
        """Orders by what became of them, with the keys of every report.

        ``intended`` is their sum; outcomes that this speed does not have are 0.
        """
        states = np.bincount(self.trail.state.ravel(), minlength=len(STATE_NAMES))
        counts = dict.fromkeys(ORDER_COUNTS, 0)
        counts |= {name: int(count) for name, count in zip(STATE_NAMES, states, strict=True) if name}
        return counts | {"intended": int(states[1:].sum())}

    def to_json(self, strategy: str) -> dict[str, Any]:
        """The exact report's keys, and ``speed`` and ``near_threshold``; money as decimal strings.

        Posts and scores are 0: nothing that this speed covers reads them.
        """
        totals = self.trail.tally.sum(axis=0)
        refused = [row for row in zip(self.dense.as_of, self.dense.reasons, strict=True) if row[1]]
        decided = len(refused) < len(self.dense.as_of)
        return {
            "speed": "fast",
            "steps": len(self.dense.as_of),
            "posts": 0,
            "scores": 0,
            "strategy": strategy,
            "model": {"name": strategy, "version": "", "verdict": "rule"} if decided else None,
            "forecasts": int(totals[FORECASTS]),
            "vetoed": int(totals[VETOED]),
            "dropped": int(totals[DROPPED]),
            "orders": self.order_counts(),
            "fees": f"{self.fees:.8f}",
            "funding": "0",
            "funding_unsettled": [],
            "equity_start": f"{self.equity[0]:.8f}",
            "equity_end": f"{self.equity[-1]:.8f}",
            "max_drawdown": f"{self.max_drawdown:.12f}",
            "near_threshold": self.near_threshold,
            "refusals": [{"as_of": format_time(as_of), "reason": reason} for as_of, reason in refused],
        }


def run_fast_backtest(
    recording: Recording,
    plan: BacktestPlan,
    *,
    state: State | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> FastResult:
    """Run every decision with ``plan.start`` <= point < ``plan.end`` in compiled float64 loops.

    ``state`` goes on from an earlier run (and is left as it is); without it the account holds
    ``plan.start_cash``. DataError when there is nothing to decide, or for what lies outside the subset.
    """
    check_subset(recording, plan)
    points = list(plan.rules.grid.points(plan.start, plan.end))
    if not points:
        span = f"from {format_time(plan.start)} to {format_time(plan.end)}"
        raise DataError(f"there is nothing to decide {span} in this recording")
    dense = build_dense(recording, plan, points)
    opened = state.copy() if state else open_state(float(plan.start_cash), len(dense.names))
    result = run_dense(dense, opened, costs=make_costs(plan), sizing=make_sizing(plan), bounds=make_bounds(plan))
    if on_step:
        on_step(len(points), len(points))
    return result


def run_dense(dense: DenseMarket, state: State, *, costs: Costs, sizing: Sizing, bounds: Bounds) -> FastResult:
    """Run all rows of ``dense`` from ``state``, which moves on.

    ``state`` is changed in place; copy it first to run again from it. Fees of the result are those of this run only.
    """
    rows, columns = dense.strength.shape
    trail = make_trail(rows, columns)
    before, paid = _worth(state, dense.market[0, :, 0]), float(state.money[FEES])
    signals = Signals(dense.strength, dense.volatility, dense.decides)
    run_forecasts(signals, dense.market, dense.steps, costs, sizing, bounds, state, trail)
    equity = np.concatenate([[before], trail.equity, [_worth(state, dense.last)]])
    return FastResult(dense=dense, trail=trail, state=state, equity=equity, fees=float(state.money[FEES]) - paid)


def make_costs(plan: BacktestPlan) -> Costs:
    """Fees, slippage, participation and price cap of a plan.

    Cash is set aside at the rate of the plan; what the venue locks goes by the larger of both fee rates.
    """
    fills = plan.fills
    in_quote = fills.fee_asset == "quote"
    return Costs(
        slippage=float(fills.slippage),
        price_cap=float(plan.rules.price_cap_fraction),
        participation=float(fills.participation),
        fee_rate=float(fills.fee_taker),
        cash_rate=float(plan.quote_fee_rate),
        lock_rate=float(max(fills.fee_maker, fills.fee_taker)),
        fee_in_quote=in_quote,
        fee_step=float(FEE_STEP),
    )


def make_sizing(plan: BacktestPlan) -> Sizing:
    """Sizing policy of a plan; the buffer rounded to a millionth as `sizing` does.

    The constants of the formula come from the stage, so they exist once.
    """
    policy = plan.rules.sizing
    return Sizing(
        volatility_target=policy.volatility_target_annual,
        max_fraction=policy.max_instrument_fraction,
        buffer=round(policy.buffer_fraction, FRACTION_DIGITS),
        unknown_volatility=UNKNOWN_VOLATILITY,
        smallest_volatility=SMALLEST_VOLATILITY,
        largest_diversification=LARGEST_DIVERSIFICATION,
        fraction_parts=10.0**FRACTION_DIGITS,
    )


def make_bounds(plan: BacktestPlan) -> Bounds:
    """Limits of a plan.

    Fractions, of equity or of the decided bar's volume; an unlimited one is infinite.
    """
    limits = plan.rules.limits
    return Bounds(
        max_gross=float(limits.max_gross_fraction),
        max_position=float(limits.max_position_fraction),
        max_order=float(limits.max_order_fraction),
        max_volume=float(limits.max_volume_fraction),
        max_drawdown=float(limits.max_drawdown),
    )


def _worth(state: State, prices: np.ndarray) -> float:
    return float(state.money[CASH] + np.sum(state.held * prices))
