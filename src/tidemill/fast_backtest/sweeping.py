"""Many parameter sets over one period: the arrays are made once, the trials share the cores by threads."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from tidemill.backtest import BacktestPlan
from tidemill.domain.errors import DataError
from tidemill.fast_backtest.dense import DenseMarket, build_dense
from tidemill.fast_backtest.refusing import check_subset
from tidemill.fast_backtest.running import make_bounds, make_costs, make_sizing, run_dense
from tidemill.kernels import open_state
from tidemill.recording import Recording

log = logging.getLogger(__name__)

# name of a parameter -> the kernels' group and field, smallest and largest value
PARAMETERS: Mapping[str, tuple[str, str, float, float]] = {
    "volatility_target_annual": ("sizing", "volatility_target", 1e-9, 2.0),
    "max_instrument_fraction": ("sizing", "max_fraction", 1e-9, 1.0),
    "buffer_fraction": ("sizing", "buffer", 0.0, 1.0),
    "max_gross_fraction": ("bounds", "max_gross", 1e-9, float("inf")),
    "max_position_fraction": ("bounds", "max_position", 1e-9, float("inf")),
    "max_order_fraction": ("bounds", "max_order", 1e-9, float("inf")),
    "max_volume_fraction": ("bounds", "max_volume", 1e-9, float("inf")),
    "max_drawdown": ("bounds", "max_drawdown", 1e-9, 1.0),
    "price_cap_fraction": ("costs", "price_cap", 1e-9, 1.0 - 1e-9),
    "slippage": ("costs", "slippage", 0.0, 1.0 - 1e-9),
    "participation": ("costs", "participation", 1e-9, 1.0),
}
Params = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One parameter set and what came of it; money in quote units."""

    params: Params
    equity_end: float
    max_drawdown: float
    fees: float
    filled: int
    near_threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Trials in the order of their sets, and the sets that failed, each with the reason. All of them count as tried."""

    trials: tuple[Trial, ...]
    skipped: tuple[tuple[Params, str], ...]

    @property
    def tried(self) -> int:
        """Parameter sets tried: what a verdict on the best one has to be corrected for."""
        return len(self.trials) + len(self.skipped)


def parameter_grid(values: Mapping[str, Sequence[float]]) -> Iterator[dict[str, float]]:
    """Every combination of the values, the last name turning fastest."""
    for chosen in itertools.product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def sweep(
    recording: Recording,
    plan: BacktestPlan,
    sets: Sequence[Params],
    *,
    workers: int = 2,
    on_trial: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Run ``plan`` with each of ``sets`` in place of its own values; names are those of PARAMETERS.

    A set that raises is skipped, logged and listed with its reason. Memory: the dense arrays once, and one
    trail per worker. ``on_trial(done, all)`` is called after each. DataError as of ``run_fast_backtest``.
    """
    check_subset(plan)
    points = list(plan.rules.grid.points(plan.start, plan.end))
    if not points or workers < 1:
        raise DataError("a sweep needs at least one decision and one worker; look at its start, end and workers")
    dense = build_dense(recording, plan, points)
    found: dict[int, Trial | str] = {}
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="sweep") as pool:
        waiting = {pool.submit(_try, dense, plan, params): index for index, params in enumerate(sets)}
        for done, future in enumerate(as_completed(waiting), start=1):
            found[waiting[future]] = future.result()
            if on_trial:
                on_trial(done, len(sets))
    made = [(sets[index], found[index]) for index in range(len(sets))]
    return Sweep(
        trials=tuple(one for _, one in made if isinstance(one, Trial)),
        skipped=tuple((params, one) for params, one in made if isinstance(one, str)),
    )


def _try(dense: DenseMarket, plan: BacktestPlan, params: Params) -> Trial | str:
    """The trial, or why there is none."""
    try:
        result = run_dense(dense, open_state(float(plan.start_cash), len(dense.names)), **_groups(plan, params))
    except Exception as error:  # noqa: BLE001 - one bad set must not take the other trials with it
        log.warning("parameter set %s is skipped: %s", dict(params), error)
        return f"{type(error).__name__}: {error}"
    return Trial(
        params=params,
        equity_end=float(result.equity[-1]),
        max_drawdown=result.max_drawdown,
        fees=result.fees,
        filled=result.order_counts()["filled"],
        near_threshold=result.near_threshold,
    )


def _groups(plan: BacktestPlan, params: Params) -> dict[str, Any]:
    groups: dict[str, Any] = {
        "costs": make_costs(plan),
        "sizing": make_sizing(plan),
        "bounds": make_bounds(plan),
    }
    for name, value in params.items():
        if name not in PARAMETERS:
            raise DataError(f"there is no parameter '{name}' to sweep; there are {', '.join(PARAMETERS)}")
        group, field, least, most = PARAMETERS[name]
        if not least <= value <= most:
            raise DataError(f"{name} {value!r} must lie between {least:g} and {most:g}")
        groups[group] = groups[group]._replace(**{field: float(value)})
    return groups
