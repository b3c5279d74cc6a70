"""Holding the account's lease for as long as a run trades."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tidemill.domain.errors import LeaseLost, TransientError
from tidemill.ports import Clock, LeaseStore

log = logging.getLogger(__name__)


@contextmanager
def hold_lease(leases: LeaseStore, name: str, owner: str, *, ttl_seconds: float, clock: Clock) -> Iterator[int]:
    """Hold the lease ``name`` and yield its epoch; a thread renews it every third of its time to live.

    ``owner`` names the run, ``ttl_seconds`` is the time to live on ``clock`` (wall time). LeaseLost when another run
    holds it. A renewal that fails is not an error here: every write that sends an order checks the epoch and the
    expiry again, in its own transaction.
    """
    epoch = leases.acquire(name, owner, ttl_seconds=ttl_seconds, now=clock.now())
    if epoch is None:
        raise LeaseLost(f"another run trades account '{name}' now; this one stands back")
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(ttl_seconds / 3):
            try:
                if not leases.renew(name, owner, epoch, ttl_seconds=ttl_seconds, now=clock.now()):
                    log.warning("the lease of account %s is no longer ours", name)
                    return
            except TransientError as error:
                log.warning("the lease of account %s was not renewed: %s", name, error)

    renewal = threading.Thread(target=renew, name=f"lease {name}", daemon=True)
    renewal.start()
    try:
        yield epoch
    finally:
        ended.set()
        renewal.join()
        leases.release(name, owner, epoch)
