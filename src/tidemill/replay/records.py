"""What a person asks of the ledger by hand: rerun, halt, resume, open an account."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tidemill.bootstrap import Services, rerun_recorded, services
from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time
from tidemill.domain.portfolio import ZERO, Account, CashEvent
from tidemill.execution import cancel_resting


def rerun_decision(decision_id: str) -> dict[str, Any]:
    """Make a decision again; JSON-ready."""
    known = services()
    decision = known.ledger.load_decision(decision_id)
    if decision is None:
        raise DataError(f"the ledger knows no decision '{decision_id}'; list them with: tidemill status")
    return rerun_recorded(known, decision)


def halt_now(because: str, *, flatten: bool) -> str:
    """Write the stop and cancel what rests, without a Prefect server; with ``flatten`` through the flow."""
    known = services()
    if flatten:
        from flows.halt import halt

        done = halt(because=because, mode=known.settings.mode, flatten=True)
        return f"halted: {done['cancelled']} open orders cancelled, {len(done['sold'])} sells sent"
    fresh = known.ledger.freeze("*", because, stamp=known.stamp())
    cancelled = cancel_resting(known.desk, epoch=None) if known.settings.venue.key.get_secret_value() else 0
    return f"{'halted' if fresh else 'halted already'}; {cancelled} open orders cancelled"


def resume_scope(scope: str, because: str, *, accept_venue: bool) -> str:
    """Lift a stop; with ``accept_venue`` book what the venue says as adjustments first."""
    known = services()
    booked = adjust_to_venue(known, because) if accept_venue else 0
    if not known.ledger.resume(scope, because, stamp=known.stamp()):
        standing = ", ".join(freeze.scope for freeze in known.ledger.load_freezes()) or "nothing"
        raise DataError(f"no stop stands on '{scope}'; stopped now: {standing}")
    return f"resumed {'everything' if scope == '*' else scope}; {booked} balances adjusted"


def adjust_to_venue(known: Services, because: str) -> int:
    """Record an adjustment for every asset in which ledger and venue differ; how many."""
    account = known.settings.account
    portfolio = known.ledger.load_portfolio(account)
    balances = known.broker.fetch_balances()
    stamp = known.stamp()
    booked = 0
    for asset in sorted(set(portfolio.assets) | set(balances)):
        theirs = balances[asset].total if asset in balances else ZERO
        if theirs == portfolio.quantity(asset):
            continue
        event = CashEvent(
            event_id=f"adjust-{account}-{asset}-{portfolio.ledger_sequence}",
            account=account,
            asset=asset,
            amount=theirs - portfolio.quantity(asset),
            kind="adjustment",
            because=because,
        )
        booked += known.ledger.record_cash_event(event, stamp=stamp)
    return booked


def open_settings_account(amounts: Mapping[str, Decimal]) -> str:
    """Record opening balances: as given, else as the venue tells them."""
    known = services()
    settings = known.settings
    chosen = dict(amounts) or {asset: one.total for asset, one in known.broker.fetch_balances().items()}
    currency = known.instruments[settings.universe[0]].quote
    stamp = known.stamp()
    account = Account(account=settings.account, venue=settings.venue.name, currency=currency, opened_at=stamp.wall)
    if not known.ledger.open_account(account, chosen, stamp=stamp):
        return f"account '{settings.account}' is open already"
    told = ", ".join(f"{amount} {asset}" for asset, amount in sorted(chosen.items())) or "nothing"
    return f"opened account '{settings.account}' with {told} at {format_time(stamp.wall)}"
