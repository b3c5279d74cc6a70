"""Backtests: one call each."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.options import step
from tidemill.bootstrap import ReportOptions, Speed, report_backtest, services


@step(name="run_backtest", run_name="backtest {strategy}", tags=["backtest"])
def make_backtest(
    start: datetime | None, end: datetime | None, strategy: str, every: str, recording: str, speed: Speed, report: str
) -> dict[str, Any]:
    """Every decision of the range, with the settings' fees, slippage and limits; the summary, counted as a trial."""
    page = Path(report) if report else None
    return report_backtest(
        services().settings,
        services().trials,
        ReportOptions(clock=services().wall_clock, page=page, speed=speed),
        data=Path(recording) if recording else None,
        start=start,
        end=end,
        strategy=services().settings.strategy if strategy == "settings" else strategy,
        every=every or None,
    )
