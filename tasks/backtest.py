"""Backtests: one call each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tasks.options import step
from tidemill.bootstrap import SettingsPlanLoader, services
from tidemill.pages.output_files import need_writable
from tidemill.research.report import Backtester, BacktestReport
from tidemill.research.requests import BacktestRequest


@step(name="run_backtest", run_name="backtest {request.strategy}", tags=["backtest"])
def make_backtest(request: BacktestRequest, report: str) -> BacktestReport:
    """Every decision of the range, with the settings' fees, slippage and limits; counted as a trial."""
    svc = services()
    if request.strategy == "settings":
        request = replace(request, strategy=svc.settings.strategy)
    page = need_writable(Path(report), "report") if report else None
    backtester = Backtester(
        plan_loader=SettingsPlanLoader.of(svc.settings), trials=svc.stores.trials, clock=svc.clocks.wall
    )
    return backtester.report(request, page=page)
