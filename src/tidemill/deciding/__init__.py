"""One decision: from what was known to what is asked of the venue, and what is written down of it."""

from tidemill.deciding.opening import TradingRun, missing_decisions, open_run, why_refused
from tidemill.deciding.record import (
    Environment,
    build_decision,
    build_refusal,
    load_recorded_instruments,
    load_recorded_portfolio,
    portfolio_record,
)
from tidemill.deciding.steps import (
    DecisionRules,
    Draft,
    MarketView,
    build_table,
    draft_decision,
    draft_flat,
    limit_decision,
    load_market,
    make_decision_forecasts,
    mark_equity,
    plan_decision,
    rule_in_use,
    size_decision,
    view_market,
)

__all__ = [
    "DecisionRules",
    "Draft",
    "Environment",
    "MarketView",
    "TradingRun",
    "build_decision",
    "build_refusal",
    "build_table",
    "draft_decision",
    "draft_flat",
    "limit_decision",
    "load_market",
    "load_recorded_instruments",
    "load_recorded_portfolio",
    "make_decision_forecasts",
    "mark_equity",
    "missing_decisions",
    "open_run",
    "plan_decision",
    "portfolio_record",
    "rule_in_use",
    "size_decision",
    "view_market",
    "why_refused",
]
