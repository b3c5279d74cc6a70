"""Tables of the ledger, as the migrations make them."""

from datetime import datetime

import sqlalchemy as sa

from tidemill.adapters.sql.column_types import Micros, Money

METADATA = sa.MetaData()


def _stamps() -> tuple[sa.Column[datetime], ...]:
    return sa.Column("market_time", Micros), sa.Column("wall_time", Micros)


def _texts(*names: str) -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, sa.Text) for name in names)


ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
    *_texts("account", "venue", "currency"),
    sa.Column("opened_at", Micros),
    sa.Column("peak_equity", Money),
)
DECISIONS = sa.Table(
    "decisions",
    METADATA,
    *_texts("decision_id", "account", "strategy", "mode", "outcome", "reason", "model", "model_version"),
    *_texts("limits_version", "equity", "record"),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("as_of", Micros),
    sa.Column("attempt", sa.Integer),
    sa.Column("ledger_sequence", sa.BigInteger),
    sa.Column("store_watermark", sa.BigInteger),
    *_stamps(),
)
INTENTS = sa.Table(
    "intents",
    METADATA,
    *_texts("intent_id", "decision_id", "account", "instrument", "side", "order_type", "time_in_force"),
    *_texts("client_order_id", "state", "venue_order_id", "state_reason"),
    sa.Column("leg", sa.Integer),
    sa.Column("quantity", Money),
    sa.Column("limit_price", Money),
    sa.Column("expires_at", Micros),
    sa.Column("send_quantity", Money),
    sa.Column("reduced", sa.Boolean),
    sa.Column("sent_at", Micros),
    sa.Column("window_ms", sa.Integer),
    sa.Column("live", sa.Integer),
    sa.Column("last_event", sa.BigInteger),
)
ORDER_EVENTS = sa.Table(
    "order_events",
    METADATA,
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("previous", sa.BigInteger),
    *_texts("intent_id", "account", "state", "reason", "venue_order_id"),
    sa.Column("quantity", Money),
    sa.Column("sent_at", Micros),
    sa.Column("window_ms", sa.Integer),
    *_stamps(),
)
FILLS = sa.Table(
    "fills",
    METADATA,
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    *_texts("account", "instrument", "trade_id", "venue_order_id", "intent_id", "side", "fee_asset"),
    *(sa.Column(name, Money) for name in ("price", "quantity", "fee")),
    sa.Column("traded_at", Micros),
    *_stamps(),
)
CASH_EVENTS = sa.Table(
    "cash_events",
    METADATA,
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    *_texts("event_id", "account", "asset", "kind", "because"),
    sa.Column("amount", Money),
    *_stamps(),
)
BALANCES = sa.Table("balances", METADATA, *_texts("account", "asset"), sa.Column("amount", Money))
LEASES = sa.Table(
    "leases", METADATA, *_texts("name", "owner"), sa.Column("epoch", sa.BigInteger), sa.Column("expires", Micros)
)
FREEZES = sa.Table(
    "freezes",
    METADATA,
    sa.Column("freeze_id", sa.Integer, primary_key=True),
    *_texts("scope", "reason", "because"),
    *(sa.Column(name, Micros) for name in ("since", "since_wall", "resumed")),
)
