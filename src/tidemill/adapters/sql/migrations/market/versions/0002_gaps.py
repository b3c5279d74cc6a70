"""The gap ledger: gaps with their history, answered fetches, and bars in quarantine. Known gaps are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
CAUSES = {"venue down": "venue outage"}


def upgrade() -> None:
    """Make the tables and carry the known gaps over as open gaps."""
    gap_table = op.create_table(
        "holes",
        sa.Column("instrument", sa.Text, primary_key=True),
        sa.Column("timeframe", sa.Text, primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True),
        sa.Column("stored_at", sa.BigInteger, primary_key=True),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("missing", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("cause", "state", "why")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fetches",
        sa.Column("fetch_id", sa.Integer, primary_key=True),
        sa.Column("instrument", sa.Text, nullable=False),
        sa.Column("timeframe", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("start", "end", "bars", "stored_at")),
        sa.Column("calendar", sa.Text, nullable=False),
        sa.Index("fetches_of_series", "instrument", "timeframe", "end"),
    )
    op.create_table(
        "quarantine",
        sa.Column("instrument", sa.Text, primary_key=True),
        sa.Column("timeframe", sa.Text, primary_key=True),
        sa.Column("payload_hash", sa.Text, primary_key=True),
        sa.Column("open_time", sa.BigInteger),
        # missing or not a number may be just what was wrong
        *(sa.Column(name, sa.Double) for name in ("open", "high", "low", "close", "volume")),
        sa.Column("knowledge_time", sa.BigInteger),
        sa.Column("assumed", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("reason", "source", "because")),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
        sa.Column("released_at", sa.BigInteger),
    )
    _carry_over(gap_table)


def _carry_over(gap_table: sa.Table) -> None:
    names = ("instrument", "timeframe", "start", "stored_at", "end", "missing", "cause")
    gaps = sa.table("gaps", *(sa.column(name) for name in names))
    earlier = {}
    for row in op.get_bind().execute(sa.select(gaps).order_by(gaps.c.end)).mappings():
        gap = {**row, "cause": CAUSES.get(row["cause"], "unknown"), "state": "open", "why": "recorded as a gap"}
        earlier[tuple(row[name] for name in names[:4])] = gap
    if earlier:
        op.bulk_insert(gap_table, list(earlier.values()))
