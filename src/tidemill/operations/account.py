"""What a person asks of the ledger by hand: rerun, halt, resume, open an account."""

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from tidemill.bootstrap import Services, services
from tidemill.domain.errors import ConfigurationError, DataError, TradingError, TransientError
from tidemill.domain.market import format_time, split_instrument_id
from tidemill.domain.portfolio import Account, CashEvent
from tidemill.domain.trading import RESTING, UNRESOLVED
from tidemill.execution import (
    accept_differences,
    cancel_resting,
    compare_account,
    hold_lease,
    resolve_open_orders,
    sync_fills,
)
from tidemill.lineage import Rerun
from tidemill.settings import Mode

COMPARED = timedelta(days=7)
"""As far back as the flow `reconcile` compares."""


def rerun_decision(decision_id: str) -> Rerun:
    """Make a recorded decision again from stored inputs; DataError when the ledger has none of that id."""
    svc = services()
    decision = svc.stores.ledger.load_decision(decision_id)
    if decision is None:
        raise DataError(f"the ledger knows no decision '{decision_id}'; list them with: tidemill status")
    return svc.trading.reviewer.rerun(decision)


def halt_now(because: str, *, flatten: bool) -> str:
    """Write the stop and cancel what rests, without a Prefect server; with ``flatten`` through the flow."""
    svc = services()
    _need_reason(because, "halt")
    has_keys = bool(svc.settings.venue.key.get_secret_value())
    if flatten and has_keys:
        return _flatten(because, svc.settings.mode, svc.settings.home)
    # the stop is written first: from here on no flow sends, whatever the venue answers below
    outcome = "halted" if svc.stores.ledger.freeze("*", because, stamp=svc.clocks.stamp()) else "halted already"
    if not has_keys:
        return _halt_without_keys(svc, outcome, flatten=flatten)
    try:
        cancelled = cancel_resting(svc.trading.desk, epoch=None)
    except TransientError as error:
        raise TransientError(
            f"{outcome}, nothing is sent any more; but open orders were not cancelled: {error}; "
            "run halt again when the venue answers, or cancel them there"
        ) from error
    return f"{outcome}; {cancelled} open orders cancelled"


def _flatten(because: str, mode: Mode, home: Path) -> str:
    """Run the flow `halt` here; a Prefect server of its own, if none is named, keeps its files in HOME."""
    os.environ.setdefault("PREFECT_HOME", str(home.absolute() / "prefect-by-hand"))
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    from flows.halt import halt
    from tidemill.operations.prefect_server import quiet_prefect

    try:
        with quiet_prefect():
            summary = halt(because=because, mode=mode, flatten=True)
    except (TransientError, TradingError) as error:
        raise type(error)(f"halted, nothing is sent any more; but not all was sold or cancelled: {error}") from error
    return f"halted: {summary['cancelled']} open orders cancelled, {len(summary['sold'])} sells sent"


def _halt_without_keys(svc: Services, outcome: str, *, flatten: bool) -> str:
    """Say what a halt without the venue's key leaves undone; ConfigurationError when that is anything."""
    account = svc.settings.account
    open_orders = len(svc.stores.ledger.load_orders(account=account, states=tuple(RESTING | UNRESOLVED)))
    undone = [f"{open_orders} open orders were not cancelled"] if open_orders else []
    undone += ["nothing was sold"] if flatten else []
    if undone:
        raise ConfigurationError(
            f"{outcome}, nothing is sent any more; but {' and '.join(undone)}: the venue's key is not set here; "
            "set TIDEMILL_VENUE__KEY and TIDEMILL_VENUE__SECRET and run halt again"
        )
    return f"{outcome}; no order is open"


def resume_scope(scope: str, because: str, *, accept_venue: bool) -> str:
    """Lift a stop; with ``accept_venue`` take the venue's figures over first, for what the stop is about."""
    svc = services()
    _need_reason(because, "resume")
    taken = accept_the_venue(svc, scope, because) if accept_venue else 0
    if not svc.stores.ledger.resume(scope, because, stamp=svc.clocks.stamp()):
        standing = ", ".join(freeze.scope for freeze in svc.stores.ledger.load_freezes()) or "nothing"
        raise DataError(f"no stop stands on '{scope}'; stopped now: {standing}")
    return f"resumed {'everything' if scope == '*' else scope}; {taken} differences taken over"


def accept_the_venue(svc: Services, scope: str, because: str) -> int:
    """Under the account's lease: settle, take in the venue's trades, and book what still differs; how many.

    LeaseLost while another run trades the account; TransientError when an order is in doubt still.
    """
    with hold_lease(
        svc.stores.ledger,
        svc.settings.account,
        f"resume {uuid.uuid4().hex}",
        ttl_seconds=svc.settings.lease_seconds,
        clock=svc.clocks.wall,
    ) as epoch:
        if doubtful := resolve_open_orders(svc.trading.desk, epoch=epoch):
            name = doubtful[0].intent.client_order_id
            raise TransientError(f"order {name} is still in doubt; try again when the venue answers")
        # fills first: a trade that the ledger lacks is no difference of balance to be booked away
        universe = svc.settings.universe
        sync_fills(svc.trading.desk, universe)
        differences = compare_account(svc.trading.desk, universe, since=svc.clocks.wall.now() - COMPARED)
        return accept_differences(
            svc.trading.desk, [difference for difference in differences if scope in {"*", difference.scope}], because
        )


def book_cash(kind: Literal["deposit", "withdrawal", "adjustment"], text: str, because: str, name: str) -> str:
    """Record a transfer that the venue has seen: ``text`` is ASSET=AMOUNT; the same ``name`` is booked once."""
    svc = services()
    account = svc.settings.account
    if svc.stores.ledger.load_account(account) is None:
        raise DataError(f"account '{account}' is not open; run 'tidemill account open' first")
    _need_reason(because, kind)
    asset, amount = _read_amount(text, signed=kind == "adjustment")
    # the id has the account in it: the same name given for two accounts is two transfers
    event = CashEvent(
        event_id=f"{kind}-{account}-{name or uuid.uuid4().hex}",
        account=account,
        asset=asset,
        amount=-amount if kind == "withdrawal" else amount,
        kind=kind,
        because=because,
    )
    fresh = svc.stores.ledger.record_cash_event(event, stamp=svc.clocks.stamp())
    held = svc.stores.ledger.load_portfolio(account).quantity(asset)
    return f"{'booked' if fresh else 'booked before'}: {kind} of {amount} {asset}; the ledger now holds {held} {asset}"


def _need_reason(because: str, what: str) -> None:
    if not because.strip():
        raise DataError(f"a {what} needs a reason; give it with --because")


def _read_amount(text: str, *, signed: bool) -> tuple[str, Decimal]:
    asset, _, text_amount = text.partition("=")
    try:
        amount = Decimal(text_amount)
    # NaN falls through to the one sentence for every amount that is none
    except InvalidOperation:
        amount = Decimal("NaN")
    if not asset or not amount.is_finite() or amount == 0 or (amount < 0 and not signed):
        raise DataError(f"'{text}' is no amount; write ASSET=AMOUNT such as USDT=250.50")
    return asset.upper(), amount


def open_settings_account(amounts: Sequence[str]) -> str:
    """Record opening balances: as given, each as ASSET=AMOUNT, else as the venue tells them."""
    svc = services()
    settings = svc.settings
    opening = [_read_amount(amount, signed=False) for amount in amounts]
    if twice := [asset for asset, count in Counter(asset for asset, _ in opening).items() if count > 1]:
        raise DataError(f"{twice[0]} is given twice; name each asset once")
    if svc.stores.ledger.load_account(settings.account) is not None:
        return f"account '{settings.account}' is open already"
    balances = dict(opening) or {asset: balance.total for asset, balance in svc.trading.broker.fetch_balances().items()}
    currency = split_instrument_id(settings.universe[0])[1]
    stamp = svc.clocks.stamp()
    account = Account(account=settings.account, venue=settings.venue.name, currency=currency, opened_at=stamp.market)
    if not svc.stores.ledger.open_account(account, balances, stamp=stamp):
        return f"account '{settings.account}' is open already"
    amounts_text = ", ".join(f"{amount} {asset}" for asset, amount in sorted(balances.items())) or "nothing"
    return f"opened account '{settings.account}' with {amounts_text} at {format_time(stamp.wall)}"
