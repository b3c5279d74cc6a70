"""Since when an instrument is listed, beside until when."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; nobody knew before."""
    op.add_column("marks", sa.Column("listed_from", sa.BigInteger))
