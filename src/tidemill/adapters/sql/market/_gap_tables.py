"""Tables of the gap ledger, as the migrations make them; they live in the market store's database."""

import sqlalchemy as sa

from tidemill.ports.frames import OHLCV

METADATA = sa.MetaData()

GAPS = sa.Table(
    "holes",
    METADATA,
    *(sa.Column(name, sa.Text) for name in ("instrument", "timeframe")),
    *(sa.Column(name, sa.BigInteger) for name in ("start", "stored_at", "end", "missing")),
    *(sa.Column(name, sa.Text) for name in ("cause", "state", "why")),
)
FETCHES = sa.Table(
    "fetches",
    METADATA,
    sa.Column("fetch_id", sa.Integer, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("instrument", "timeframe")),
    *(sa.Column(name, sa.BigInteger) for name in ("start", "end", "bars", "stored_at")),
    sa.Column("calendar", sa.Text),
)
QUARANTINE = sa.Table(
    "quarantine",
    METADATA,
    *(sa.Column(name, sa.Text) for name in ("instrument", "timeframe", "payload_hash")),
    sa.Column("open_time", sa.BigInteger),
    *(sa.Column(name, sa.Double) for name in OHLCV),
    sa.Column("knowledge_time", sa.BigInteger),
    sa.Column("assumed", sa.Boolean),
    *(sa.Column(name, sa.Text) for name in ("reason", "source", "because")),
    *(sa.Column(name, sa.BigInteger) for name in ("stored_at", "released_at")),
)
