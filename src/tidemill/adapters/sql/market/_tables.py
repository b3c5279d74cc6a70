"""Tables of the market store, as the migrations make them."""

import sqlalchemy as sa

from tidemill.ports.frames import OHLCV

METADATA = sa.MetaData()

SERIES = sa.Table(
    "series",
    METADATA,
    sa.Column("series_id", sa.Integer, primary_key=True),
    sa.Column("instrument", sa.Text),
    sa.Column("timeframe", sa.Text),
)
BARS = sa.Table(
    "bars",
    METADATA,
    sa.Column("series_id", sa.Integer, primary_key=True),
    sa.Column("open_time", sa.BigInteger, primary_key=True),
    sa.Column("stored_at", sa.BigInteger, primary_key=True),
    *(sa.Column(name, sa.Double) for name in OHLCV),
    sa.Column("knowledge_time", sa.BigInteger),
    sa.Column("assumed", sa.Boolean),
)
POSTS = sa.Table(
    "posts",
    METADATA,
    *(sa.Column(name, sa.Text) for name in ("source", "post_id", "channel")),
    sa.Column("event_time", sa.BigInteger),
    sa.Column("knowledge_time", sa.BigInteger),
    sa.Column("assumed", sa.Boolean),
    *(sa.Column(name, sa.Text) for name in ("title", "text")),
    sa.Column("stored_at", sa.BigInteger),
)
SCORES = sa.Table(
    "scores",
    METADATA,
    *(sa.Column(name, sa.Text) for name in ("source", "post_id", "scorer")),
    sa.Column("score", sa.Double),
    sa.Column("subjects", sa.Text),
    sa.Column("event_time", sa.BigInteger),
    sa.Column("knowledge_time", sa.BigInteger),
    sa.Column("stored_at", sa.BigInteger),
)
PAYLOADS = sa.Table(
    "payloads",
    METADATA,
    *(sa.Column(name, sa.Text) for name in ("digest", "source", "request")),
    sa.Column("body", sa.LargeBinary),
    sa.Column("stored_at", sa.BigInteger),
)
WATERMARK = sa.Table(
    "watermark", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("stored_at", sa.BigInteger)
)
