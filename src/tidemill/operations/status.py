"""`tidemill status`: the account as the ledger knows it."""

from __future__ import annotations

from decimal import Decimal

from rich.console import RenderableType
from rich.table import Table

from tidemill.bootstrap import services
from tidemill.domain.market import format_time
from tidemill.domain.trading import RESTING, UNRESOLVED
from tidemill.reports import ORDER_COLUMNS, order_row

NEWEST = 10


def status_tables() -> list[RenderableType]:
    """Holdings, newest decisions, open orders, stops; a sentence where a table would be empty."""
    tables = (
        (holdings_table(), "the account holds nothing; tidemill account open records its balances"),
        (decisions_table(), "no decision yet"),
        (orders_table(), "no open order"),
        (stops_table(), "no stop in force"),
    )
    return [table if table.row_count else sentence for table, sentence in tables]


def short(amount: object) -> str:
    """An amount without the zeros at its end."""
    if amount in (None, ""):
        return ""
    return format(Decimal(str(amount)).normalize(), "f")


def holdings_table() -> Table:
    """Assets by the ledger."""
    svc = services()
    portfolio = svc.stores.ledger.load_portfolio(svc.settings.account)
    holdings = Table("asset", "quantity", "tied up in orders", title=f"account {svc.settings.account}")
    for asset, quantity in sorted(portfolio.assets.items()):
        holdings.add_row(asset, short(quantity), short(portfolio.reserved.get(asset, 0)))
    return holdings


def decisions_table() -> Table:
    """The newest decisions and refusals."""
    svc = services()
    rows = Table(title="newest decisions")
    for column, whole in (("as of", True), ("decision", True), ("outcome", False), ("decided by", False)):
        rows.add_column(column, no_wrap=whole, overflow="fold")  # an id is there to be copied
    rows.add_column("equity", justify="right")
    for decision in svc.stores.ledger.load_decisions(svc.settings.account)[-NEWEST:]:
        what = decision.outcome if decision.outcome == "decided" else f"refused: {decision.reason}"
        named = f"{decision.model} {decision.model_version}".strip()
        equity = decision.record.get("equity")
        worth = f"{Decimal(str(equity)):,.2f}" if equity not in (None, "") else ""
        rows.add_row(f"{decision.as_of:%Y-%m-%d %H:%M:%S}", decision.decision_id, what, named, worth)
    return rows


def orders_table() -> Table:
    """Orders that rest or are in doubt."""
    svc = services()
    rows = Table(*ORDER_COLUMNS, title="open orders")
    states = tuple(RESTING | UNRESOLVED)
    for order in svc.stores.ledger.load_orders(account=svc.settings.account, states=states):
        rows.add_row(*(str(value) for value in order_row(order).values()))
    return rows


def stops_table() -> Table:
    """Freezes and halts in force."""
    rows = Table("scope", "reason", "since", title="stops in force")
    for freeze in services().stores.ledger.load_freezes():
        rows.add_row(freeze.scope, freeze.reason, format_time(freeze.since))
    return rows
