"""One decision: from what was known to what is asked of the venue, and what is written down of it."""

from tidemill.decision.forecasts import make_decision_forecasts
from tidemill.decision.market import (
    LastBar,
    MarketView,
    find_incomplete,
    load_market,
    make_last_bar,
    tell_market,
    view_market,
    why_incomplete,
    window_start,
)
from tidemill.decision.record import (
    Environment,
    build_decision,
    build_refusal,
    load_recorded_instruments,
    load_recorded_portfolio,
    portfolio_record,
)
from tidemill.decision.rules import DecisionRules, mark_equity, rule_in_use
from tidemill.decision.steps import (
    Draft,
    build_table,
    draft_decision,
    draft_flat,
    limit_decision,
    plan_decision,
    rows_at,
    size_decision,
    without_incomplete,
)
from tidemill.decision.trading_run import TradingRun, missing_decisions, open_run, why_refused

__all__ = [
    "DecisionRules",
    "Draft",
    "Environment",
    "LastBar",
    "MarketView",
    "TradingRun",
    "build_decision",
    "build_refusal",
    "build_table",
    "draft_decision",
    "draft_flat",
    "find_incomplete",
    "limit_decision",
    "load_market",
    "load_recorded_instruments",
    "load_recorded_portfolio",
    "make_decision_forecasts",
    "make_last_bar",
    "mark_equity",
    "missing_decisions",
    "open_run",
    "plan_decision",
    "portfolio_record",
    "rows_at",
    "rule_in_use",
    "size_decision",
    "tell_market",
    "view_market",
    "why_incomplete",
    "why_refused",
    "window_start",
    "without_incomplete",
]
