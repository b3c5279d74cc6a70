"""Bars, posts, scores, payloads and gaps, each row with event, knowledge and storage time."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "series",
        sa.Column("series_id", sa.Integer, primary_key=True),
        sa.Column("instrument", sa.Text, nullable=False),
        sa.Column("timeframe", sa.Text, nullable=False),
        sa.UniqueConstraint("instrument", "timeframe"),
    )
    op.create_table(
        "bars",
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.series_id"), primary_key=True),
        sa.Column("open_time", sa.BigInteger, primary_key=True),
        sa.Column("stored_at", sa.BigInteger, primary_key=True),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("open", "high", "low", "close", "volume")),
        sa.Column("knowledge_time", sa.BigInteger, nullable=False),
        sa.Column("assumed", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "posts",
        sa.Column("event_time", sa.BigInteger, primary_key=True),
        sa.Column("post_id", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("stored_at", sa.BigInteger, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("knowledge_time", sa.BigInteger, nullable=False),
        sa.Column("assumed", sa.Boolean, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "scores",
        sa.Column("scorer", sa.Text, primary_key=True),
        sa.Column("event_time", sa.BigInteger, primary_key=True),
        sa.Column("post_id", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("stored_at", sa.BigInteger, primary_key=True),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("subjects", sa.Text, nullable=False),
        sa.Column("knowledge_time", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "payloads",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False, index=True),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "gaps",
        sa.Column("instrument", sa.Text, primary_key=True),
        sa.Column("timeframe", sa.Text, primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True),
        sa.Column("end", sa.BigInteger, primary_key=True),
        sa.Column("missing", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
    )
    # one row: the newest stored_at of all tables, moved forward inside each write transaction
    op.create_table(
        "watermark",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO watermark (id, stored_at) VALUES (1, 0)")
