"""Requests spent from a budget that all processes share: one by one at their moments, by a loop or by a thread."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timedelta
from typing import Any

from tidemill.domain.budgets import Block, BudgetRule
from tidemill.domain.errors import TransientError
from tidemill.ports import Clock, RateBudgets, Sleep

LONGEST_WAIT_SECONDS = 60.0
"""A caller that would wait longer for its turn, or for the venue, is told to come back."""


class _Line:
    """Units of one budget, leased in blocks; which is next, and when it may be spent."""

    def __init__(self, budgets: RateBudgets, name: str, rule: BudgetRule, *, owner: str, clock: Clock) -> None:
        self._budgets = budgets
        self._name = name
        self._rule = rule
        self._owner = owner
        self._clock = clock
        self._next: datetime | None = None
        self._left = 0.0

    def pause(self, seconds: float) -> None:
        """Nobody spends anything until the venue's pause is over; what was leased before is given up."""
        self._left = 0.0
        self._budgets.pause(self._name, seconds, now=self._clock.now())

    @property
    def _slack(self) -> timedelta:
        return timedelta(seconds=self._rule.grace_seconds) + self._rule.tolerance

    def _lacks(self, cost: float) -> bool:
        """Whether a block must be leased for the next ``cost`` units."""
        return self._next is None or self._left < cost or self._next < self._clock.now() - self._slack

    def _lease(self, cost: float) -> Block:
        units = max(cost, self._rule.block_units)
        return self._budgets.lease_block(self._name, self._owner, self._rule, units, now=self._clock.now())

    def _take(self, cost: float, block: Block | None) -> datetime:
        """The moment of the next ``cost`` units, the first of ``block`` if one was leased."""
        if block is not None:
            self._next, self._left = block.start, block.units
        moment = self._next or self._clock.now()
        self._next = moment + cost * self._rule.unit
        self._left -= cost
        return moment

    def _wait_for(self, moment: datetime) -> float:
        """Seconds until then; TransientError when that is more than a minute."""
        wait = (moment - self._clock.now()).total_seconds()
        if wait > LONGEST_WAIT_SECONDS:
            self._left = 0.0
            raise TransientError(
                f"the request budget of {self._name} is spent for {wait:.0f} s; the rest of it comes later",
                retry_after_seconds=wait,
            )
        return max(0.0, wait)

    def _is_late(self, moment: datetime) -> bool:
        """Whether the units of ``moment`` have lapsed, after a sleep that took too long."""
        return self._clock.now() > moment + self._slack


class SharedBudget(_Line):
    """The budget as the coroutines of one loop spend it."""

    def __init__(self, budgets: RateBudgets, name: str, rule: BudgetRule, *, owner: str, clock: Clock) -> None:
        super().__init__(budgets, name, rule, owner=owner, clock=clock)
        self._lock = asyncio.Lock()

    async def spend(self, cost: float) -> None:
        """Wait for the moment of the next ``cost`` units; TransientError when that is more than a minute away."""
        async with self._lock:
            while True:
                block = await asyncio.to_thread(self._lease, cost) if self._lacks(cost) else None
                moment = self._take(cost, block)
                if wait := self._wait_for(moment):
                    await asyncio.sleep(wait)
                if not self._is_late(moment):
                    return


class BlockingBudget(_Line):
    """The budget as the threads of one process spend it."""

    def __init__(
        self, budgets: RateBudgets, name: str, rule: BudgetRule, *, owner: str, clock: Clock, sleep: Sleep
    ) -> None:
        super().__init__(budgets, name, rule, owner=owner, clock=clock)
        self._lock = threading.Lock()
        self._sleep = sleep

    def spend(self, cost: float = 1.0) -> None:
        """Wait for the moment of the next ``cost`` units; TransientError when that is more than a minute away."""
        with self._lock:
            while True:
                moment = self._take(cost, self._lease(cost) if self._lacks(cost) else None)
                if wait := self._wait_for(moment):
                    self._sleep(wait)
                if not self._is_late(moment):
                    return


def retry_after(headers: Any) -> float | None:
    """Seconds that a Retry-After header asks for, or None."""
    for name, value in dict(headers or {}).items():
        if str(name).lower() == "retry-after":
            try:
                return max(0.0, float(value))
            except ValueError:
                return None
    return None
