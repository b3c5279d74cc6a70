"""Settings become services. The only package that knows which adapter is real, and the only global state."""

from tidemill.bootstrap.backtests import backtest_recording, make_backtest_plan
from tidemill.bootstrap.policies import build_fill_rules
from tidemill.bootstrap.reporting import ReportOptions, report_backtest
from tidemill.bootstrap.services import BUNDLED, Services, services, using
from tidemill.bootstrap.sources import build_live_market

__all__ = [
    "BUNDLED",
    "ReportOptions",
    "Services",
    "backtest_recording",
    "build_fill_rules",
    "build_live_market",
    "make_backtest_plan",
    "report_backtest",
    "services",
    "using",
]
