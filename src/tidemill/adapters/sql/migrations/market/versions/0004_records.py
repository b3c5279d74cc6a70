"""Trades, books, funding, open interest, adjustments; marks of series; request budgets."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    _records("trades", texts=("trade_id", "side"), numbers=("price", "quantity"), key=("trade_id",))
    _records("books", texts=("side",), numbers=("level", "price", "quantity"), key=("side", "level"))
    _records("funding", texts=(), numbers=("rate",), key=())
    _records("open_interest", texts=(), numbers=("quantity",), key=())
    _records("adjustments", texts=("kind",), numbers=("value",), key=("kind",))
    op.create_table(
        "marks",
        sa.Column("instrument", sa.Text, primary_key=True),
        sa.Column("timeframe", sa.Text, primary_key=True),
        sa.Column("stored_at", sa.BigInteger, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("state", "why")),
        sa.Column("listed_until", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budgets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("free_at", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("units", sa.Double, nullable=False),
    )


def _records(name: str, *, texts: tuple[str, ...], numbers: tuple[str, ...], key: tuple[str, ...]) -> None:
    op.create_table(
        name,
        sa.Column("instrument", sa.Text, primary_key=True),
        sa.Column("event_time", sa.BigInteger, primary_key=True),
        *(sa.Column(name, sa.Text, primary_key=name in key, nullable=False) for name in texts),
        *(sa.Column(name, sa.Double, primary_key=name in key, nullable=False) for name in numbers),
        sa.Column("stored_at", sa.BigInteger, primary_key=True),
        sa.Column("knowledge_time", sa.BigInteger, nullable=False),
        sa.Column("assumed", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
