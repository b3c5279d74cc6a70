"""Steps 4 to 12 of a decision: one call each.

This module is the ``Steps`` of the flow `trade`: five of its tasks bear the names that ``decision.think`` calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tasks.options import step
from tidemill import decision as deciding
from tidemill.bootstrap import services
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import Decision
from tidemill.execution import DecisionKey, OrderPlan
from tidemill.forecasting import Forecasts
from tidemill.ports import FittedModel
from tidemill.risk import Approved
from tidemill.sizing import Sizing


@step(name="load_market", tags=["trade"], retries=2)
def load_market(as_of: datetime) -> deciding.MarketView:
    """Bars and scores known and stored at ``as_of``."""
    svc = services()
    return deciding.load_market(
        svc.trading.rules,
        as_of,
        svc.stores.market,
        svc.stores.market,
        quarantine=svc.stores.gaps,
        records=svc.stores.market_events,
    )


@step(name="build_features", tags=["trade"])
def build_features(as_of: datetime, market: deciding.MarketView) -> deciding.FeatureTable:
    """The feature rows of this decision."""
    return deciding.PlainSteps(services().trading.rules).build_features(as_of, market)


@step(name="make_forecasts", tags=["trade"])
def make_forecasts(
    as_of: datetime,
    table: deciding.FeatureTable,
    champion: FittedModel | None,
    market: deciding.MarketView,
    portfolio: Portfolio,
) -> Forecasts:
    """What the strategy says: signed strengths or targets, or why there is none."""
    return deciding.PlainSteps(services().trading.rules).make_forecasts(as_of, table, champion, market, portfolio)


@step(name="size_positions", tags=["trade"])
def size_positions(forecasts: Forecasts, portfolio: Portfolio, market: deciding.MarketView) -> Sizing:
    """Target positions."""
    return deciding.PlainSteps(services().trading.rules).size_positions(forecasts, portfolio, market)


@step(name="apply_limits", tags=["trade"])
def apply_limits(
    sizing: Sizing, portfolio: Portfolio, market: deciding.MarketView, stopped: Mapping[str, str]
) -> Approved:
    """What the limits leave of the targets."""
    return deciding.PlainSteps(services().trading.rules).apply_limits(sizing, portfolio, market, stopped)


@step(name="plan_orders", tags=["trade"])
def plan_orders(key: DecisionKey, approved: Approved, portfolio: Portfolio) -> OrderPlan:
    """Intents, sells first."""
    return deciding.PlainSteps(services().trading.rules).plan_orders(key, approved, portfolio)


@step(name="find_decision", tags=["trade"], retries=2)
def find_decision(key: DecisionKey) -> Decision | None:
    """The decision, when an earlier run recorded it."""
    return services().stores.ledger.load_decision(key.decision_id)


def load_recorded(key: DecisionKey) -> Decision:
    """The decision as the ledger has it, whoever recorded it first; LookupError when nobody did."""
    decision = services().stores.ledger.load_decision(key.decision_id)
    if decision is None:
        raise LookupError(f"the ledger has no decision {key.decision_id}")
    return decision


@step(name="record_decision", run_name="record {key.as_of}", tags=["trade", "ledger"], retries=2)
def record_decision(key: DecisionKey, draft: deciding.Draft, stopped: Mapping[str, str], epoch: int) -> Decision:
    """Commit the decision and all its intents before anything is sent."""
    svc = services()
    decision = deciding.build_decision(
        svc.trading.rules, key, draft, stamp=svc.clocks.stamp(), environment=svc.trading.environment, stopped=stopped
    )
    if svc.trading.rules.own is not None:
        svc.stores.keep_payload("strategy", svc.trading.rules.own.name, svc.trading.rules.own.source.encode())
    svc.stores.ledger.record_decision(decision, draft.plan.intents, epoch=epoch)
    return load_recorded(key)


@step(name="record_refusal", run_name="refuse {key.as_of}", tags=["trade", "ledger"], retries=2)
def record_refusal(key: DecisionKey, reason: str, epoch: int) -> Decision:
    """Commit that nothing was decided, and why."""
    svc = services()
    decision = deciding.build_refusal(
        svc.trading.rules, key, reason, stamp=svc.clocks.stamp(), environment=svc.trading.environment
    )
    svc.stores.ledger.record_decision(decision, (), epoch=epoch)
    return load_recorded(key)
