"""What an order's path looks up is found at once however long the ledger is, and each of its commits writes less.

Every index that a commit touches is one more page in SQLite's log, so what is looked up on the way has an index of
its own that holds little: orders that are not done (``live``), freezes that stand, fills whose order is not known yet,
and orders by the venue's id. The story of an order is a chain instead: its intent knows the newest event, and each
event the one before. An account keeps the highest equity that its decisions have marked. The client order id is the
intent's id, which the table now says: one key serves for both.
"""

from decimal import Decimal

import sqlalchemy as sa
from alembic import op

from tidemill.adapters.sql.column_types import Money

revision = "0004"
down_revision = "0003"

CHAIN = """
UPDATE order_events SET previous = (
    SELECT max(before.sequence) FROM order_events before
    WHERE before.intent_id = order_events.intent_id AND before.sequence < order_events.sequence)
"""
MARK = """
UPDATE intents SET
    last_event = (SELECT max(one.sequence) FROM order_events one WHERE one.intent_id = intents.intent_id),
    live = CASE WHEN state IN ('planned', 'submitting', 'unknown', 'open', 'partly_filled') THEN 1 END
"""


def upgrade() -> None:
    """Every row stays as it is."""
    op.add_column("order_events", sa.Column("previous", sa.BigInteger))
    op.execute(CHAIN)
    op.add_column("intents", sa.Column("live", sa.Integer))
    op.add_column("intents", sa.Column("last_event", sa.BigInteger))
    op.execute(MARK)
    _mark_peaks()
    op.drop_index("ix_order_events_intent_id", "order_events")
    op.drop_index("intents_by_state", "intents")
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_intents()
        _rebuild_decisions()
    else:
        op.drop_constraint("intents_account_client_order_id_key", "intents")
        op.create_check_constraint("client_order_id_is_own", "intents", "client_order_id = intent_id")
        op.alter_column("intents", "last_event", nullable=False)
    _add_indexes()


def _mark_peaks() -> None:
    """In Python, since SQL would compare text."""
    op.add_column("accounts", sa.Column("peak_equity", Money))
    accounts, decisions = (
        sa.Table(name, sa.MetaData(), autoload_with=op.get_bind()) for name in ("accounts", "decisions")
    )
    marks = sa.select(decisions.c.account, decisions.c.equity).where(decisions.c.equity.is_not(None))
    peaks: dict[str, Decimal] = {}
    for account, mark in op.get_bind().execute(marks):
        peaks[account] = max(peaks.get(account, Decimal(0)), Decimal(mark))
    for account, peak in peaks.items():
        values = {"peak_equity": sa.bindparam("peak", peak, Money)}
        op.execute(accounts.update().where(accounts.c.account == account).values(values))


def _add_indexes() -> None:
    parts = (
        ("intents_live", "intents", ["account"], "live IS NOT NULL"),
        ("intents_by_venue_id", "intents", ["account", "venue_order_id"], "venue_order_id IS NOT NULL"),
        ("freezes_standing", "freezes", ["scope"], "resumed IS NULL"),
        ("fills_untied", "fills", ["account", "instrument", "venue_order_id"], "intent_id IS NULL"),
    )
    for name, table, columns, which in parts:
        op.create_index(name, table, columns, sqlite_where=sa.text(which), postgresql_where=sa.text(which))


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _rebuild_intents() -> None:
    """SQLite takes a constraint away only with its table."""
    op.create_table(
        "intents_new",
        sa.Column("intent_id", sa.Text, primary_key=True),
        sa.Column("decision_id", sa.Text, sa.ForeignKey("decisions.decision_id"), nullable=False),
        *(_text(name) for name in ("account", "instrument")),
        sa.Column("leg", sa.Integer, nullable=False),
        *(_text(name) for name in ("side", "order_type", "time_in_force")),
        sa.Column("quantity", Money, nullable=False),
        sa.Column("limit_price", Money),
        _text("client_order_id"),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        _text("state"),
        sa.Column("send_quantity", Money, nullable=False),
        sa.Column("reduced", sa.Boolean, nullable=False),
        _text("venue_order_id", nullable=True),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("window_ms", sa.Integer),
        _text("state_reason"),
        sa.Column("live", sa.Integer),
        sa.Column("last_event", sa.BigInteger, nullable=False),
        sa.CheckConstraint("client_order_id = intent_id", name="client_order_id_is_own"),
        sqlite_with_rowid=False,
    )
    _move_rows("intents")
    op.create_index("ix_intents_decision_id", "intents", ["decision_id"])


def _rebuild_decisions() -> None:
    """The sequence as SQLite's own row number needs no index."""
    op.create_table(
        "decisions_new",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("decision_id", sa.Text, nullable=False, unique=True),
        *(_text(name) for name in ("account", "strategy")),
        sa.Column("as_of", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        *(_text(name) for name in ("mode", "outcome", "reason", "model", "model_version", "limits_version")),
        sa.Column("ledger_sequence", sa.BigInteger, nullable=False),
        sa.Column("store_watermark", sa.BigInteger, nullable=False),
        _text("equity", nullable=True),
        _text("record"),
        sa.Column("market_time", sa.BigInteger, nullable=False),
        sa.Column("wall_time", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("account", "strategy", "as_of", "attempt"),
    )
    _move_rows("decisions")


def _move_rows(table: str) -> None:
    old, new = (_table(name) for name in (table, f"{table}_new"))
    names = new.c.keys()
    op.execute(new.insert().from_select(names, sa.select(*(old.c[name] for name in names))))
    op.drop_table(table)
    op.rename_table(f"{table}_new", table)


def _table(name: str) -> sa.Table:
    return sa.Table(name, sa.MetaData(), autoload_with=op.get_bind())
