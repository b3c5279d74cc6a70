"""Leases and freezes on SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from tidemill.adapters.sql.engine import read, write
from tidemill.adapters.sql.ledger._tables import FREEZES, LEASES
from tidemill.domain.errors import LeaseLost, TradingStopped
from tidemill.domain.market import EPOCH, Stamp
from tidemill.domain.trading import Freeze

LOCK = 7302
LEASE = sa.select(LEASES).where(LEASES.c.name == sa.bindparam("lease"))
STANDING_FREEZE = (
    sa.select(FREEZES)
    .where(FREEZES.c.scope.in_([sa.bindparam(scope) for scope in ("everything", "account", "instrument")]))
    .where(FREEZES.c.resumed.is_(None))
)


class SqlStops:
    """The lease and freeze ports; the rest of the ledger builds on it."""

    _engine: Engine

    def acquire(self, name: str, owner: str, *, ttl_seconds: float, now: datetime) -> int | None:
        """One write transaction: of many who ask at once, one gets the lease."""
        with write(self._engine, lock=LOCK) as connection:
            lease = connection.execute(sa.select(LEASES).where(LEASES.c.name == name)).mappings().first()
            if lease and lease["owner"] != owner and lease["expires"] > now:
                return None
            epoch = lease["epoch"] + 1 if lease else 1
            values = {"owner": owner, "epoch": epoch, "expires": now + timedelta(seconds=ttl_seconds)}
            if lease:
                connection.execute(LEASES.update().where(LEASES.c.name == name).values(**values))
            else:
                connection.execute(LEASES.insert().values(name=name, **values))
            return int(epoch)

    def renew(self, name: str, owner: str, epoch: int, *, ttl_seconds: float, now: datetime) -> bool:
        """Move the expiry where owner and epoch still match."""
        return self._expire(name, owner, epoch, now + timedelta(seconds=ttl_seconds))

    def is_held(self, name: str, epoch: int, *, now: datetime) -> bool:
        """Whether the row has the epoch and has not expired; what sends an order checks it again as it writes."""
        with read(self._engine) as connection:
            return _is_held(connection, name, epoch, now)

    def release(self, name: str, owner: str, epoch: int) -> None:
        """Set the expiry to the past where owner and epoch still match; the epoch stays, so that the next is higher."""
        self._expire(name, owner, epoch, EPOCH)

    def _expire(self, name: str, owner: str, epoch: int, moment: datetime) -> bool:
        own = (LEASES.c.name == name) & (LEASES.c.owner == owner) & (LEASES.c.epoch == epoch)
        with write(self._engine, lock=LOCK) as connection:
            return connection.execute(LEASES.update().where(own).values(expires=moment)).rowcount == 1

    def freeze(self, scope: str, reason: str, *, stamp: Stamp) -> bool:
        """One write transaction: a freeze unless one stands for the scope."""
        with write(self._engine, lock=LOCK) as connection:
            standing = sa.select(FREEZES.c.freeze_id).where(FREEZES.c.scope == scope, FREEZES.c.resumed.is_(None))
            if connection.execute(standing).first():
                return False
            row = {"scope": scope, "reason": reason, "since": stamp.market, "since_wall": stamp.wall}
            connection.execute(FREEZES.insert().values(**row))
            return True

    def resume(self, scope: str, because: str, *, stamp: Stamp) -> bool:
        """End the freeze that stands for the scope, and keep the reason in its row."""
        standing = (FREEZES.c.scope == scope) & FREEZES.c.resumed.is_(None)
        with write(self._engine, lock=LOCK) as connection:
            lifted = FREEZES.update().where(standing).values(resumed=stamp.market, because=because)
            return connection.execute(lifted).rowcount > 0

    def load_freezes(self) -> Sequence[Freeze]:
        """Freezes without an end, oldest first."""
        query = sa.select(FREEZES).where(FREEZES.c.resumed.is_(None)).order_by(FREEZES.c.freeze_id)
        with read(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [Freeze(scope=row["scope"], reason=row["reason"], since=row["since"]) for row in rows]


def check_epoch(connection: Connection, account: str, epoch: int, wall: datetime) -> None:
    """Raise LeaseLost unless ``epoch`` holds the account's lease at ``wall``."""
    if not _is_held(connection, account, epoch, wall):
        raise LeaseLost(f"the lease of account '{account}' is no longer held under epoch {epoch}")


def _is_held(connection: Connection, name: str, epoch: int, wall: datetime) -> bool:
    lease = connection.execute(LEASE, {"lease": name}).mappings().first()
    return lease is not None and lease["epoch"] == epoch and bool(lease["expires"] > wall)


def check_stops(connection: Connection, account: str, instrument: str) -> None:
    """Raise TradingStopped when a freeze of either, or of everything, stands."""
    scopes = {"everything": "*", "account": account, "instrument": instrument}
    if freeze := connection.execute(STANDING_FREEZE, scopes).mappings().first():
        raise TradingStopped(f"{freeze['scope']} is stopped: {freeze['reason']}")
