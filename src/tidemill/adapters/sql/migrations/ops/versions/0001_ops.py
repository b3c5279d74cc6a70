"""The ledger: accounts, decisions, intents, order events, fills, cash events, leases, freezes."""

import sqlalchemy as sa
from alembic import op

from tidemill.adapters.sql.column_types import Money

revision = "0001"
down_revision = None


def stamps() -> list[sa.Column[int]]:
    """Both clocks."""
    return [
        sa.Column("market_time", sa.BigInteger, nullable=False),
        sa.Column("wall_time", sa.BigInteger, nullable=False),
    ]


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    """A text column."""
    return sa.Column(name, sa.Text, nullable=nullable)


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "accounts",
        sa.Column("account", sa.Text, primary_key=True),
        text("venue"),
        text("currency"),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False, unique=True),
        text("account"),
        text("strategy"),
        sa.Column("as_of", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        *(text(name) for name in ("mode", "outcome", "reason", "model", "model_version", "limits_version")),
        sa.Column("ledger_sequence", sa.BigInteger, nullable=False),
        sa.Column("store_watermark", sa.BigInteger, nullable=False),
        text("equity", nullable=True),
        text("record"),
        *stamps(),
        sa.UniqueConstraint("account", "strategy", "as_of", "attempt"),
    )
    op.create_table(
        "intents",
        sa.Column("intent_id", sa.Text, primary_key=True),
        sa.Column("decision_id", sa.Text, sa.ForeignKey("decisions.decision_id"), nullable=False, index=True),
        sa.Column("account", sa.Text, nullable=False),
        text("instrument"),
        sa.Column("leg", sa.Integer, nullable=False),
        *(text(name) for name in ("side", "order_type", "time_in_force")),
        sa.Column("quantity", Money, nullable=False),
        sa.Column("limit_price", Money),
        text("client_order_id"),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        # what follows repeats the newest order events, so that open orders are found at once
        text("state"),
        sa.Column("send_quantity", Money, nullable=False),
        sa.Column("reduced", sa.Boolean, nullable=False),
        text("venue_order_id", nullable=True),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("window_ms", sa.Integer),
        text("state_reason"),
        sa.UniqueConstraint("account", "client_order_id"),
    )
    op.create_index("intents_by_state", "intents", ["account", "state"])
    op.create_table(
        "order_events",
        sa.Column("sequence", sa.BigInteger, primary_key=True),
        sa.Column("intent_id", sa.Text, sa.ForeignKey("intents.intent_id"), nullable=False, index=True),
        text("account"),
        text("state"),
        text("reason"),
        text("venue_order_id", nullable=True),
        sa.Column("quantity", Money),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("window_ms", sa.Integer),
        *stamps(),
    )
    op.create_table(
        "fills",
        sa.Column("sequence", sa.BigInteger, primary_key=True),
        text("account"),
        text("instrument"),
        text("trade_id"),
        text("venue_order_id"),
        sa.Column("intent_id", sa.Text, sa.ForeignKey("intents.intent_id"), index=True),
        text("side"),
        sa.Column("price", Money, nullable=False),
        sa.Column("quantity", Money, nullable=False),
        sa.Column("fee", Money, nullable=False),
        text("fee_asset"),
        sa.Column("traded_at", sa.BigInteger, nullable=False),
        *stamps(),
        sa.UniqueConstraint("account", "instrument", "trade_id"),
    )
    op.create_table(
        "cash_events",
        sa.Column("sequence", sa.BigInteger, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        text("account"),
        text("asset"),
        sa.Column("amount", Money, nullable=False),
        text("kind"),
        text("because"),
        *stamps(),
    )
    # what all fills and cash events of an account add up to; a test recomputes it
    op.create_table(
        "balances",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("asset", sa.Text, primary_key=True),
        sa.Column("amount", Money, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        text("owner"),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "freezes",
        sa.Column("freeze_id", sa.Integer, primary_key=True),
        sa.Column("scope", sa.Text, nullable=False, index=True),
        text("reason"),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("since_wall", sa.BigInteger, nullable=False),
        sa.Column("resumed", sa.BigInteger),
        text("because", nullable=True),
    )
    op.create_table(
        "sequences", sa.Column("id", sa.Integer, primary_key=True), sa.Column("last", sa.BigInteger, nullable=False)
    )
    op.execute("INSERT INTO sequences (id, last) VALUES (1, 0)")
