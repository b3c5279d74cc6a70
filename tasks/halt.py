"""Halting: one call each."""

from __future__ import annotations

from dataclasses import replace

from tasks.decision import load_recorded
from tasks.options import step
from tidemill import decision as deciding
from tidemill import execution
from tidemill.bootstrap import services
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import Decision
from tidemill.execution import DecisionKey

STRATEGY = "halt"


@step(name="stop_trading", tags=["halt", "ledger"], retries=3)
def stop_trading(because: str) -> bool:
    """Write the stop that every send checks; False when one stands already."""
    svc = services()
    return bool(svc.stores.ledger.freeze("*", because, stamp=svc.clocks.stamp()))


@step(name="cancel_open_orders", tags=["halt", "order"], retries=3)
def cancel_open_orders() -> int:
    """Cancel every resting order of ours; how many were cancelled."""
    return execution.cancel_resting(services().trading.desk, epoch=None)


@step(name="next_halt_key", tags=["halt"])
def next_halt_key() -> DecisionKey:
    """The key of a new decision of the strategy `halt` at the newest as_of."""
    svc = services()
    rules = replace(svc.trading.rules, strategy=STRATEGY)
    as_of = rules.grid.newest_as_of(svc.clocks.market.now())
    if as_of is None:
        raise LookupError("no session has opened yet")
    earlier = svc.stores.ledger.load_decisions(rules.account, since=as_of)
    attempt = sum(decision.strategy == STRATEGY and decision.as_of == as_of for decision in earlier)
    return rules.key(as_of, attempt)


@step(name="record_flat_decision", tags=["halt", "ledger"], retries=2)
def record_flat_decision(key: DecisionKey, market: deciding.MarketView, portfolio: Portfolio, epoch: int) -> Decision:
    """Commit the decision to hold nothing, with its sells."""
    svc = services()
    rules = replace(svc.trading.rules, strategy=STRATEGY)
    inputs = deciding.DecisionInputs(key=key, market=market, champion=None, portfolio=portfolio, stopped={})
    draft = deciding.think(deciding.FlatSteps(rules), inputs)
    decision = deciding.build_decision(
        rules, key, draft, stamp=svc.clocks.stamp(), environment=svc.trading.environment, stopped={}
    )
    svc.stores.ledger.record_decision(decision, draft.plan.intents, epoch=epoch)
    return load_recorded(key)
