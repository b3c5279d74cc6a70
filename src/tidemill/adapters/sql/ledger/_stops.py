"""Leases and freezes on SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tidemill.adapters.sql._lines import Lines
from tidemill.adapters.sql._quick_sql import Quick, Session
from tidemill.adapters.sql.engine import read, write
from tidemill.adapters.sql.ledger._tables import FREEZES, LEASES
from tidemill.domain.errors import LeaseLost, TradingStopped
from tidemill.domain.market import EPOCH, Stamp
from tidemill.domain.trading import Freeze

LOCK = 7302
HELD = Quick(sa.select(LEASES).where(LEASES.c.name == sa.bindparam("wanted")))
STANDING = Quick(
    sa.select(FREEZES).where(
        FREEZES.c.scope.in_([sa.bindparam(one) for one in ("everything", "account", "instrument")]),
        FREEZES.c.resumed.is_(None),
    )
)


class SqlStops:
    """The lease and freeze ports; the rest of the ledger builds on it."""

    _engine: Engine

    @cached_property
    def _lines(self) -> Lines:
        """What every order waits for goes past SQLAlchemy's connection."""
        return Lines(self._engine)

    def acquire(self, name: str, owner: str, *, ttl_seconds: float, now: datetime) -> int | None:
        """See the port."""
        with write(self._engine, lock=LOCK) as connection:
            held = connection.execute(sa.select(LEASES).where(LEASES.c.name == name)).mappings().first()
            if held and held["owner"] != owner and held["expires"] > now:
                return None
            epoch = held["epoch"] + 1 if held else 1
            values = {"owner": owner, "epoch": epoch, "expires": now + timedelta(seconds=ttl_seconds)}
            if held:
                connection.execute(LEASES.update().where(LEASES.c.name == name).values(**values))
            else:
                connection.execute(LEASES.insert().values(name=name, **values))
            return int(epoch)

    def renew(self, name: str, owner: str, epoch: int, *, ttl_seconds: float, now: datetime) -> bool:
        """See the port."""
        return self._expire(name, owner, epoch, now + timedelta(seconds=ttl_seconds))

    def is_held(self, name: str, epoch: int, *, now: datetime) -> bool:
        """See the port."""
        with self._lines.read() as line:
            return _holds(HELD.first(line, wanted=name) or {}, epoch, now)

    def release(self, name: str, owner: str, epoch: int) -> None:
        """See the port."""
        self._expire(name, owner, epoch, EPOCH)

    def _expire(self, name: str, owner: str, epoch: int, moment: datetime) -> bool:
        ours = (LEASES.c.name == name) & (LEASES.c.owner == owner) & (LEASES.c.epoch == epoch)
        with write(self._engine, lock=LOCK) as connection:
            return connection.execute(LEASES.update().where(ours).values(expires=moment)).rowcount == 1

    def freeze(self, scope: str, reason: str, *, stamp: Stamp) -> bool:
        """See the port."""
        with write(self._engine, lock=LOCK) as connection:
            standing = sa.select(FREEZES.c.freeze_id).where(FREEZES.c.scope == scope, FREEZES.c.resumed.is_(None))
            if connection.execute(standing).first():
                return False
            row = {"scope": scope, "reason": reason, "since": stamp.market, "since_wall": stamp.wall}
            connection.execute(FREEZES.insert().values(**row))
            return True

    def resume(self, scope: str, because: str, *, stamp: Stamp) -> bool:
        """See the port."""
        standing = (FREEZES.c.scope == scope) & FREEZES.c.resumed.is_(None)
        with write(self._engine, lock=LOCK) as connection:
            lifted = FREEZES.update().where(standing).values(resumed=stamp.market, because=because)
            return connection.execute(lifted).rowcount > 0

    def load_freezes(self) -> Sequence[Freeze]:
        """See the port."""
        query = sa.select(FREEZES).where(FREEZES.c.resumed.is_(None)).order_by(FREEZES.c.freeze_id)
        with read(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [Freeze(scope=row["scope"], reason=row["reason"], since=row["since"]) for row in rows]


def check_epoch(session: Session, account: str, epoch: int, wall: datetime) -> None:
    """Raise LeaseLost unless ``epoch`` holds the account's lease at ``wall``."""
    check_held(HELD.first(session, wanted=account) or {}, account, epoch, wall)


def check_held(lease: Mapping[str, Any], account: str, epoch: int, wall: datetime) -> None:
    """The same for a lease that has been read; without one its ``epoch`` is None or lacking."""
    if not _holds(lease, epoch, wall):
        raise LeaseLost(f"the lease of account '{account}' is no longer held under epoch {epoch}")


def _holds(lease: Mapping[str, Any], epoch: int, wall: datetime) -> bool:
    return lease.get("epoch") == epoch and bool(lease["expires"] > wall)


def check_stops(session: Session, account: str, instrument: str) -> None:
    """Raise TradingStopped when a freeze of either, or of everything, stands."""
    if found := STANDING.first(session, everything="*", account=account, instrument=instrument):
        raise TradingStopped(f"{found['scope']} is stopped: {found['reason']}")
