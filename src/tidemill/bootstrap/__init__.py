"""Settings become services. The only package that knows which adapter is real, and the only global state."""

from tidemill.bootstrap.backtests import backtest_recording, make_backtest_plan
from tidemill.bootstrap.policies import build_fill_rules
from tidemill.bootstrap.services import BUNDLED, Services, services, using

__all__ = [
    "BUNDLED",
    "Services",
    "backtest_recording",
    "build_fill_rules",
    "make_backtest_plan",
    "services",
    "using",
]
