"""History through the same stages, as a run with a form."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from prefect import flow

from flows.parameters import Mode, RunName
from tasks.artifacts import publish_page
from tasks.backtest import make_backtest
from tidemill.bootstrap import services
from tidemill.pages import backtest_page
from tidemill.research.requests import BacktestRequest


@flow(name="backtest", flow_run_name=RunName("backtest-{strategy}-{start}"), log_prints=False)
def backtest(
    start: datetime | None = None,
    end: datetime | None = None,
    strategy: Literal["model", "trend", "reversion", "settings"] = "trend",
    every: str = "",
    recording: str = "",
    speed: Literal["exact", "fast"] = "exact",
    report: str = "",
    mode: Mode = "paper",
) -> dict[str, Any]:
    """Run a backtest and publish its figures and warnings. It sends no order; it is counted as a trial.

    Args:
        start: First decided close (UTC). Empty: the last 12.
        end: Decided closes before this (UTC). Empty: to the end.
        strategy: What decides; settings: the strategy that the settings name, which may be a file.
        every: Cadence as a timeframe such as 4h. Empty: every bar.
        recording: A recording's TOML file. Empty: the bundled prices.
        speed: exact: order for order as live. fast: compiled loops for trend and reversion, to look and compare.
        report: Write the page with all figures to this HTML file. Empty: the artifact only.
        mode: Must be the mode of the settings; a run of another mode is refused.

    """
    services().trading.check_mode(mode, live=services().settings.live)
    request = BacktestRequest(
        data=Path(recording) if recording else None,
        start=start,
        end=end,
        strategy=strategy,
        every=every or None,
        speed=speed,
    )
    result = make_backtest(request, report).to_json()
    publish_page("backtest", backtest_page(result), "Backtest")
    return result
