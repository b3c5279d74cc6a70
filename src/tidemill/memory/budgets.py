"""Request budgets of one process, for tests and for threads that share a venue."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from tidemill.domain.budgets import Block, BudgetRule


class MemoryBudgets:
    """The budget port in memory.

    A lock makes each lease whole among threads. Processes do not see each other here; for them the SQL one is used.
    """

    def __init__(self) -> None:
        self._free: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def lease_block(self, name: str, owner: str, rule: BudgetRule, units: float, *, now: datetime) -> Block:
        """The next free ``units`` of the line, for ``owner`` alone: no other lease ever overlaps them.

        After a pause the line restarts at most one burst behind ``now``: that is what may be caught up at once.
        """
        with self._lock:
            # what a pause saved up is bounded by the burst, or a night's rest would be spent in one go
            start = max(self._free.get(name, now - rule.tolerance), now - rule.tolerance)
            self._free[name] = start + units * rule.unit
        return Block(start=start, units=units, owner=owner)

    def pause(self, name: str, seconds: float, *, now: datetime) -> None:
        """Begin no lease sooner than ``seconds`` from ``now``: the venue asked for it.

        The later of the line's own moment and the end of the pause counts.
        """
        with self._lock:
            self._free[name] = max(self._free.get(name, now), now + timedelta(seconds=seconds))

    def close(self) -> None:
        """Nothing is open."""
