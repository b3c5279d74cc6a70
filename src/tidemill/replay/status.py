"""`tidemill status`: the account as the ledger knows it."""

from __future__ import annotations

from rich.table import Table

from tidemill.bootstrap import services
from tidemill.domain.market import format_time
from tidemill.domain.trading import RESTING, UNRESOLVED
from tidemill.reports import ORDER_COLUMNS, order_row

NEWEST = 10


def status_tables() -> list[Table]:
    """Holdings, newest decisions, open orders, stops."""
    return [holdings_table(), decisions_table(), orders_table(), stops_table()]


def holdings_table() -> Table:
    """Assets by the ledger."""
    known = services()
    portfolio = known.ledger.load_portfolio(known.settings.account)
    shown = Table("asset", "quantity", "tied up in orders", title=f"account {known.settings.account}")
    for asset, quantity in sorted(portfolio.assets.items()):
        shown.add_row(asset, str(quantity), str(portfolio.reserved.get(asset, 0)))
    return shown


def decisions_table() -> Table:
    """The newest decisions and refusals."""
    known = services()
    shown = Table("as of", "decision", "outcome", "decided by", "equity", title="newest decisions")
    for one in known.ledger.load_decisions(known.settings.account)[-NEWEST:]:
        what = one.outcome if one.outcome == "decided" else f"refused: {one.reason}"
        named = f"{one.model} {one.model_version}".strip()
        shown.add_row(format_time(one.as_of), one.decision_id, what, named, str(one.record.get("equity", "")))
    return shown


def orders_table() -> Table:
    """Orders that rest or are in doubt."""
    known = services()
    shown = Table(*ORDER_COLUMNS, title="open orders")
    states = tuple(RESTING | UNRESOLVED)
    for order in known.ledger.load_orders(account=known.settings.account, states=states):
        shown.add_row(*(str(value) for value in order_row(order).values()))
    return shown


def stops_table() -> Table:
    """Freezes and halts in force."""
    shown = Table("scope", "reason", "since", title="stops in force")
    for freeze in services().ledger.load_freezes():
        shown.add_row(freeze.scope, freeze.reason, format_time(freeze.since))
    return shown
