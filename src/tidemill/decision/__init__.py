"""One decision: from what was known to what is asked of the venue, and what is written down of it."""

from tidemill.decision.draft import DecisionInputs, Draft, FeatureTable, Steps, think
from tidemill.decision.market import (
    ALL_STALE,
    LastBar,
    MarketView,
    find_incomplete,
    load_market,
    make_last_bar,
    view_last_bars,
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
)
from tidemill.decision.rules import DecisionRules, mark_equity, rule_in_use
from tidemill.decision.steps import FlatSteps, PlainSteps, only_complete, rows_at, without_incomplete
from tidemill.decision.strategy_view import BAR_FIELDS
from tidemill.decision.trading_run import VENUE_DOWN, TradingRun, missing_decisions, open_run, why_refused

__all__ = [
    "ALL_STALE",
    "BAR_FIELDS",
    "VENUE_DOWN",
    "DecisionInputs",
    "DecisionRules",
    "Draft",
    "Environment",
    "FeatureTable",
    "FlatSteps",
    "LastBar",
    "MarketView",
    "PlainSteps",
    "Steps",
    "TradingRun",
    "build_decision",
    "build_refusal",
    "find_incomplete",
    "load_market",
    "load_recorded_instruments",
    "load_recorded_portfolio",
    "make_last_bar",
    "mark_equity",
    "missing_decisions",
    "only_complete",
    "open_run",
    "rows_at",
    "rule_in_use",
    "think",
    "view_last_bars",
    "view_market",
    "why_incomplete",
    "why_refused",
    "window_start",
    "without_incomplete",
]
