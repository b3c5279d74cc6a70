"""Table of the trial ledger, as the migrations make it; it lives in the ledger's database."""

import sqlalchemy as sa

from tidemill.adapters.sql.column_types import Micros

METADATA = sa.MetaData()

TRIALS = sa.Table(
    "trials",
    METADATA,
    sa.Column("trial_id", sa.BigInteger, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("strategy", "parameters_hash", "data_hash")),
    *(sa.Column(name, Micros) for name in ("recorded_at", "start", "end")),
    sa.Column("sharpe", sa.Double),
    sa.Column("orders", sa.BigInteger),
)
