"""Leases and freezes in memory: who may act, and what may not be acted on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.domain.errors import LeaseLost, TradingStopped
from tidemill.domain.market import Stamp
from tidemill.domain.trading import Freeze


@dataclass(slots=True)
class _Lease:
    owner: str
    epoch: int
    expires: datetime


class MemoryStops:
    """Leases and freezes of the ledger in memory, and the lock that all its parts share."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._leases: dict[str, _Lease] = {}
        self._freezes: dict[str, Freeze] = {}

    def acquire(self, name: str, owner: str, *, ttl_seconds: float, now: datetime) -> int | None:
        """Take the lease unless another owner holds it unexpired; the epoch grows by one."""
        with self._lock:
            lease = self._leases.get(name)
            if lease and lease.owner != owner and lease.expires > now:
                return None
            epoch = lease.epoch + 1 if lease else 1
            self._leases[name] = _Lease(owner, epoch, now + timedelta(seconds=ttl_seconds))
            return epoch

    def renew(self, name: str, owner: str, epoch: int, *, ttl_seconds: float, now: datetime) -> bool:
        """Move the expiry, if owner and epoch still hold the lease."""
        with self._lock:
            lease = self._leases.get(name)
            if lease is None or (lease.owner, lease.epoch) != (owner, epoch):
                return False
            lease.expires = now + timedelta(seconds=ttl_seconds)
            return True

    def is_held(self, name: str, epoch: int, *, now: datetime) -> bool:
        """Whether the epoch is the newest and has not expired."""
        lease = self._leases.get(name)
        return lease is not None and lease.epoch == epoch and lease.expires > now

    def release(self, name: str, owner: str, epoch: int) -> None:
        """Expire the lease at once, if owner and epoch still hold it."""
        with self._lock:
            lease = self._leases.get(name)
            if lease and (lease.owner, lease.epoch) == (owner, epoch):
                lease.expires = datetime.min.replace(tzinfo=lease.expires.tzinfo)

    def freeze(self, scope: str, reason: str, *, stamp: Stamp) -> bool:
        """Stop the scope unless it is stopped."""
        with self._lock:
            if scope in self._freezes:
                return False
            self._freezes[scope] = Freeze(scope=scope, reason=reason, since=stamp.market)
            return True

    def resume(self, scope: str, because: str, *, stamp: Stamp) -> bool:
        """Lift the stop; the reason is kept by the SQL ledger alone."""
        del because, stamp
        with self._lock:
            return self._freezes.pop(scope, None) is not None

    def load_freezes(self) -> Sequence[Freeze]:
        """Stops that stand now."""
        return tuple(self._freezes.values())

    def _check_epoch(self, account: str, epoch: int, wall: datetime) -> None:
        if not self.is_held(account, epoch, now=wall):
            raise LeaseLost(f"the lease of account '{account}' is no longer held under epoch {epoch}")

    def _check_running(self, account: str, instrument: str) -> None:
        for scope in ("*", account, instrument):
            if scope in self._freezes:
                raise TradingStopped(f"{scope} is stopped: {self._freezes[scope].reason}")
