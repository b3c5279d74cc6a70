"""Fewer trees to write for each commit of an order, on SQLite: there every dirtied page goes into the log.

A key that is SQLite's own row number needs no index beside its table, and a table kept by its text key needs none
either. The ledger's sequence goes on from the newest number in its tables, so its own table is no longer needed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Rebuild what an order writes to; every row, index and constraint stays."""
    op.drop_table("sequences")
    if op.get_bind().dialect.name != "sqlite":
        return
    for table in ("order_events", "fills", "cash_events"):
        with op.batch_alter_table(table, recreate="always") as batch:
            batch.alter_column("sequence", existing_type=sa.BigInteger, type_=sa.Integer)
    with op.batch_alter_table("intents", recreate="always", table_kwargs={"sqlite_with_rowid": False}):
        pass
