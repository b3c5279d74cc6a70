"""Table of request budgets, as the migrations make it; it lives in the market store's database."""

import sqlalchemy as sa

METADATA = sa.MetaData()

BUDGETS = sa.Table(
    "budgets",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("free_at", sa.BigInteger),
    sa.Column("owner", sa.Text),
    sa.Column("units", sa.Double),
)
