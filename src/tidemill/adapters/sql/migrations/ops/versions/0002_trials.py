"""The trial ledger: one row per backtest run, which nothing may change or take away."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
REFUSAL = "the trial ledger is append-only"


def upgrade() -> None:
    """Make the table, and let the database refuse updates and deletes."""
    op.create_table(
        "trials",
        sa.Column("trial_id", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("strategy", "parameters_hash", "data_hash")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("recorded_at", "start", "end")),
        sa.Column("sharpe", sa.Double),
        sa.Column("orders", sa.BigInteger, nullable=False),
        sa.Index("trials_of_data", "data_hash", "trial_id"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION keep_trials() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER trials_stay BEFORE UPDATE OR DELETE ON trials FOR EACH ROW EXECUTE FUNCTION keep_trials()"
        )
        return
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER trials_no_{event.lower()} BEFORE {event} ON trials "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
