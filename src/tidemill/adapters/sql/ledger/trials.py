"""The trial ledger on SQLite or PostgreSQL, in the ledger's database; the database itself refuses changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from tidemill.adapters.sql.engine import open_engine, read, upgrade, write
from tidemill.adapters.sql.ledger._trial_tables import TRIALS
from tidemill.domain.trials import Trial

LOCK = 7303


class SqlTrialLedger:
    """Trials on one database; opening it brings the tables up to date."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, durable=True)
        upgrade(self._engine, "ops")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def record_trial(self, trial: Trial) -> int:
        """One write transaction: the trial under the next number."""
        with write(self._engine, lock=LOCK) as connection:
            last = connection.execute(sa.select(sa.func.max(TRIALS.c.trial_id))).scalar_one()
            number = int(last or 0) + 1
            connection.execute(TRIALS.insert(), {"trial_id": number, **asdict(trial)})
        return number

    def load_trials(self, *, data_hash: str | None = None) -> Sequence[Trial]:
        """Trials by number, of one data hash or all."""
        query = sa.select(TRIALS).order_by(TRIALS.c.trial_id)
        if data_hash is not None:
            query = query.where(TRIALS.c.data_hash == data_hash)
        with read(self._engine) as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return [Trial(**{name: value for name, value in row.items() if name != "trial_id"}) for row in rows]
