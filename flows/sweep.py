"""Many parameter sets over one period, as a run with a form."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import Field

from flows.parameters import Mode
from tasks.artifacts import publish_page
from tasks.sweep import chosen_runner, sweep_on_runner
from tidemill.bootstrap import services
from tidemill.domain.errors import DataError
from tidemill.pages import sweep_page
from tidemill.research.requests import BacktestRequest
from tidemill.research.walk_forward import SweepOptions, WindowLengths

Days = Annotated[float, Field(ge=0)]


@flow(name="sweep", flow_run_name="sweep-{strategy}-{speed}", log_prints=False)
def sweep(
    start: datetime | None = None,
    end: datetime | None = None,
    strategy: str = "trend",
    every: str = "",
    recording: str = "",
    speed: Literal["fast", "exact"] = "fast",
    values: list[str] | None = None,
    ranges: list[str] | None = None,
    trials: Annotated[int, Field(ge=1)] = 50,
    train_days: Days = 0,
    test_days: Days = 0,
    purge_bars: Annotated[int, Field(ge=0)] = 24,
    mode: Mode = "paper",
) -> dict[str, Any]:
    """Try many parameter sets, or walk forward, and publish the best with its odds. It sends no order.

    Args:
        start: First decided close (UTC). Empty: the last 12.
        end: Decided closes before this (UTC). Empty: to the end.
        strategy: What decides (trend, reversion; at the exact speed also model, or a file).
        every: Cadence as a timeframe such as 4h. Empty: every bar.
        recording: A recording's TOML file. Empty: the bundled prices.
        speed: fast: compiled loops for trend and reversion. exact: order for order as live.
        values: Lines such as buffer_fraction=0.05,0.1,0.2; all combinations are tried.
        ranges: Lines such as volatility_target_annual=0.1:0.5; Optuna chooses between the ends.
        trials: How many sets Optuna may try.
        train_days: Walk forward, days to choose a set on. 0: no walk-forward.
        test_days: Days to tell it on.
        purge_bars: Bars left out between the two.
        mode: Must be the mode of the settings; a run of another mode is refused.

    """
    services().trading.check_mode(mode, live=services().settings.live)
    data = Path(recording) if recording else None
    request = BacktestRequest(data=data, start=start, end=end, strategy=strategy, every=every or None, speed=speed)
    if bool(train_days) != bool(test_days):
        raise DataError("walking forward needs both train_days and test_days")
    windows = WindowLengths(train_days=train_days, test_days=test_days, purge_bars=purge_bars) if train_days else None
    options = SweepOptions(values=values or (), ranges=ranges or (), trials=trials, windows=windows)
    report = try_all_sets.with_options(task_runner=chosen_runner())(request, options)
    publish_page("sweep", sweep_page(report), "Sweep")
    return report


@flow(name="try_all_sets", flow_run_name="sets", log_prints=False, validate_parameters=False)
def try_all_sets(request: BacktestRequest, options: SweepOptions) -> dict[str, Any]:
    """Every set on the task runner that the settings name, with a progress artifact."""
    return sweep_on_runner(request, options).to_json()
