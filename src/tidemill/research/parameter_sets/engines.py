"""One parameter set tried: at the fast speed over arrays made once, or at the exact one.

Both engines count and mark alike, so that outcomes of either can be ranked in one list.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

import numpy as np

from tidemill.backtest import BacktestPlan, run_backtest
from tidemill.domain.errors import DataError
from tidemill.kernels import open_state
from tidemill.performance import curve_sharpe
from tidemill.recording import Recording
from tidemill.research.fast_backtest import build_dense, check_subset, make_bounds, make_costs, make_sizing, run_dense
from tidemill.research.parameter_sets.outcomes import FailedSet, Outcome, SetResult, failure_text, make_outcome
from tidemill.research.parameter_sets.spaces import Params, plan_with

log = logging.getLogger(__name__)
Marks = list[tuple[datetime, Decimal]]


class Engine(Protocol):
    """Runs one period with other values in place of the plan's own.

    An engine is made once for a period and asked for many sets; a run leaves nothing behind in it.
    """

    plan: BacktestPlan

    def run(self, params: Params) -> tuple[Outcome, Marks]:
        """What came of a set, and the marks of equity; DataError for values out of bounds.

        Names that ``params`` lacks keep the plan's values.
        """
        ...


def open_engine(
    recording: Recording, plan: BacktestPlan, *, speed: Literal["exact", "fast"], days_per_year: float
) -> Engine:
    """An engine for ``plan``; DataError when there is nothing to decide, or for what the fast speed does not cover.

    ``days_per_year`` are the days on which the market trades, for annual figures.
    """
    engine: Callable[[Recording, BacktestPlan, float], Engine] = FastEngine if speed == "fast" else ExactEngine
    return engine(recording, plan, days_per_year)


def try_params(engine: Engine, params: Params) -> SetResult:
    """The outcome of a set, or why there is none: one bad set must not take the others with it.

    Any exception is caught here, also one from a strategy's own code, and becomes a sentence.
    """
    try:
        return engine.run(params)[0]
    except Exception as error:  # noqa: BLE001 - named with its reason, and the sweep goes on
        log.info("parameter set %s is skipped: %s", dict(params), error)
        return FailedSet(params=dict(params), reason=failure_text(error))


class FastEngine:
    """Dense arrays once; a set costs one call of the kernels. Any number of threads may run sets at once."""

    def __init__(self, recording: Recording, plan: BacktestPlan, days_per_year: float) -> None:
        check_subset(recording, plan)
        self.plan = plan
        self._days_per_year = days_per_year
        points = list(plan.rules.grid.points(plan.start, plan.end))
        if not points:
            raise DataError("a sweep needs at least one decision; look at its start and end")
        self._dense = build_dense(recording, plan, points)
        self._moments = [*points, min(plan.end, recording.last_close)]

    def run(self, params: Params) -> tuple[Outcome, Marks]:
        """One call of the kernels; DataError for values out of bounds.

        The arrays are shared and not changed; the account is a new one for each set.
        """
        plan = plan_with(self.plan, params)
        state = open_state(float(plan.start_cash), len(self._dense.names))
        result = run_dense(
            self._dense, state, costs=make_costs(plan), sizing=make_sizing(plan), bounds=make_bounds(plan)
        )
        equity = result.equity
        moments = [self._moments[0], *self._moments]
        marks = [(when, Decimal(repr(value))) for when, value in zip(moments, equity.tolist(), strict=True)]
        counts = result.order_counts()
        outcome = make_outcome(
            params,
            equity,
            curve_sharpe(marks, self._days_per_year),
            fees=result.fees,
            orders=counts["intended"],
            filled=counts["filled"],
            near=result.near_threshold,
        )
        return outcome, marks


class ExactEngine:
    """Every order through the stages and the matching, for whatever strategy.

    It holds the interpreter's lock while it runs, so sets run side by side only in processes of their own.
    """

    def __init__(self, recording: Recording, plan: BacktestPlan, days_per_year: float) -> None:
        self.plan = plan
        self._recording = recording
        self._days_per_year = days_per_year

    def run(self, params: Params) -> tuple[Outcome, Marks]:
        """One exact backtest; DataError for values out of bounds.

        Near cases are 0: Decimal has none.
        """
        result = run_backtest(self._recording, plan_with(self.plan, params))
        marks = list(result.equity)
        counts = result.to_json(self.plan.rules.strategy)["orders"]
        outcome = make_outcome(
            params,
            np.array([float(value) for _, value in marks]),
            curve_sharpe(marks, self._days_per_year),
            fees=float(result.fees),
            orders=counts["intended"],
            filled=counts["filled"],
            near=0,
        )
        return outcome, marks
