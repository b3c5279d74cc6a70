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
    """The part of the ledger that says no, and the lock that all its parts share."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._leases: dict[str, _Lease] = {}
        self._freezes: dict[str, Freeze] = {}

    def acquire(self, name: str, owner: str, *, ttl_seconds: float, now: datetime) -> int | None:
        """See the port."""
        with self._lock:
            held = self._leases.get(name)
            if held and held.owner != owner and held.expires > now:
                return None
            epoch = held.epoch + 1 if held else 1
            self._leases[name] = _Lease(owner, epoch, now + timedelta(seconds=ttl_seconds))
            return epoch

    def renew(self, name: str, owner: str, epoch: int, *, ttl_seconds: float, now: datetime) -> bool:
        """See the port."""
        with self._lock:
            held = self._leases.get(name)
            if held is None or (held.owner, held.epoch) != (owner, epoch):
                return False
            held.expires = now + timedelta(seconds=ttl_seconds)
            return True

    def is_held(self, name: str, epoch: int, *, now: datetime) -> bool:
        """See the port."""
        held = self._leases.get(name)
        return held is not None and held.epoch == epoch and held.expires > now

    def release(self, name: str, owner: str, epoch: int) -> None:
        """See the port."""
        with self._lock:
            held = self._leases.get(name)
            if held and (held.owner, held.epoch) == (owner, epoch):
                held.expires = datetime.min.replace(tzinfo=held.expires.tzinfo)

    def freeze(self, scope: str, reason: str, *, stamp: Stamp) -> bool:
        """See the port."""
        with self._lock:
            if scope in self._freezes:
                return False
            self._freezes[scope] = Freeze(scope=scope, reason=reason, since=stamp.market)
            return True

    def resume(self, scope: str, because: str, *, stamp: Stamp) -> bool:
        """See the port."""
        del because, stamp
        with self._lock:
            return self._freezes.pop(scope, None) is not None

    def load_freezes(self) -> Sequence[Freeze]:
        """See the port."""
        return tuple(self._freezes.values())

    def _check_epoch(self, account: str, epoch: int, wall: datetime) -> None:
        if not self.is_held(account, epoch, now=wall):
            raise LeaseLost(f"the lease of account '{account}' is no longer held under epoch {epoch}")

    def _check_running(self, account: str, instrument: str) -> None:
        for scope in ("*", account, instrument):
            if scope in self._freezes:
                raise TradingStopped(f"{scope} is stopped: {self._freezes[scope].reason}")
