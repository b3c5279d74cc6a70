"""Orders and the account: one call each. The ledger, not Prefect's state, decides what was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from prefect.runtime import flow_run

from tasks.options import step
from tidemill import execution
from tidemill.bootstrap import services
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import LedgerOrder, Side

RECONCILE_BACK = timedelta(days=7)


@contextmanager
def hold_account() -> Iterator[int]:
    """Hold the account's lease for this flow run and give its epoch."""
    svc = services()
    owner = f"flow run {flow_run.id or 'without a server'}"
    with execution.hold_lease(
        svc.stores.ledger, svc.settings.account, owner, ttl_seconds=svc.settings.lease_seconds, clock=svc.clocks.wall
    ) as epoch:
        yield epoch


@step(name="settle_orders", tags=["trade", "ledger"], retries=2)
def resolve_open_orders(epoch: int) -> Sequence[LedgerOrder]:
    """Resolve what is in doubt and record fills; the orders that stay in doubt."""
    return execution.resolve_open_orders(services().trading.desk, epoch=epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """The portfolio, what differs from the venue, and what is stopped."""

    portfolio: Portfolio
    differences: tuple[execution.Difference, ...]
    stopped: dict[str, str]


@step(name="load_portfolio", tags=["trade", "ledger"], retries=2)
def load_portfolio() -> AccountView:
    """What the ledger says is held, compared with the venue's balances, and the freezes in force."""
    svc = services()
    portfolio = svc.stores.ledger.load_portfolio(svc.settings.account)
    bases = {svc.markets.instruments[name].base: name for name in svc.markets.instruments}
    differences = execution.compare_balances(
        portfolio, svc.trading.broker.fetch_balances(), account=svc.settings.account, bases=bases
    )
    stopped = {freeze.scope: freeze.reason for freeze in svc.stores.ledger.load_freezes()}
    return AccountView(portfolio=portfolio, differences=differences, stopped=stopped)


@step(name="submit_order", run_name="submit {intent_id}", tags=["trade", "order"], retries=2)
def submit_order(intent_id: str, epoch: int) -> LedgerOrder:
    """Place one intent exactly once, or find out what became of it."""
    return execution.place_order(services().trading.desk, intent_id, epoch=epoch)


@step(name="cancel_order", run_name="cancel {intent_id}", tags=["trade", "order"], retries=2)
def cancel_order(intent_id: str, epoch: int) -> LedgerOrder:
    """End one order, whatever state it is in; again, it changes nothing."""
    return execution.cancel_order(services().trading.desk, intent_id, epoch=epoch)


@step(name="replace_order", run_name="replace {intent_id}", tags=["trade", "order"], retries=2)
def replace_order(intent_id: str, limit_price: Decimal, epoch: int) -> LedgerOrder:
    """Cancel one order and place its rest at another limit, exactly once."""
    return execution.replace_order(services().trading.desk, intent_id, limit_price=limit_price, epoch=epoch)


@step(name="await_fills", run_name="await {side} {decision_id}", tags=["trade", "order"], retries=2)
def await_fills(decision_id: str, side: Side) -> Sequence[LedgerOrder]:
    """Record fills and final states, waiting a little for orders that rest."""
    wait = services().settings.fill_wait_seconds
    return execution.await_fills(services().trading.desk, decision_id, side, wait_seconds=wait)


@step(name="reduce_buys", run_name="reduce {decision_id}", tags=["trade", "ledger"], retries=2)
def reduce_buys(decision_id: str, epoch: int) -> Sequence[LedgerOrder]:
    """Cut the buys, once, to the cash that is free now that the sells are done."""
    svc = services()
    return execution.reduce_to_cash(
        svc.trading.desk, decision_id, svc.markets.instruments, svc.trading.quote_fee_rate, epoch=epoch
    )


def intents_of(decision_id: str, side: Side) -> list[str]:
    """Intent ids of one side of a decision, by leg."""
    orders = services().stores.ledger.load_orders(decision_id=decision_id)
    return [order.intent.intent_id for order in orders if order.intent.side is side]


@step(name="compare_account", tags=["reconcile", "ledger"], retries=2)
def compare_account() -> tuple[execution.Difference, ...]:
    """Orders, fills and balances of the ledger against the venue's."""
    svc = services()
    since = svc.clocks.wall.now() - RECONCILE_BACK
    return execution.compare_account(svc.trading.desk, svc.settings.universe, since=since)


@step(name="freeze_differences", tags=["reconcile", "ledger"], retries=2)
def freeze_differences(differences: tuple[execution.Difference, ...], epoch: int) -> int:
    """Stop what differs until a person resumes it; the number of new freezes."""
    desk = services().trading.desk
    desk.check_lease(epoch)  # what was compared under a lost lease proves nothing
    return execution.freeze_differences(desk, differences)


@step(name="wait_until", run_name="wait until {moment}", tags=["trade"])
def wait_until(moment: datetime) -> None:
    """Let ``moment`` pass on the market clock, so that nothing later can be read as if it had been known then."""
    svc = services()
    while (seconds := (moment - svc.clocks.market.now()).total_seconds()) > 0:
        svc.clocks.sleep(min(seconds, 5.0))
