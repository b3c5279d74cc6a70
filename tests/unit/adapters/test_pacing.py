"""Requests are spent at their moments and never faster than the venue allows, however late a caller wakes up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters.pacing import LONGEST_WAIT_SECONDS, BlockingBudget, retry_after
from tidemill.domain.budgets import Block, BudgetRule
from tidemill.domain.errors import DataError, TransientError
from tidemill.memory.budgets import MemoryBudgets
from tidemill.memory.clocks import ManualClock

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
RULE = BudgetRule(per_second=2, burst=3, block_seconds=2, grace_seconds=0.5)


class Caller:
    """A budget, a clock that moves when its owner sleeps, and the moments at which something was spent."""

    def __init__(
        self,
        rule: BudgetRule = RULE,
        *,
        budgets: MemoryBudgets | None = None,
        clock: ManualClock | None = None,
        overslept: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.clock = clock or ManualClock(NOW)
        self.slept: list[float] = []
        self.spent: list[tuple[datetime, float]] = []
        self._overslept = overslept
        self.budget = BlockingBudget(
            budgets or MemoryBudgets(), "V", rule, owner="me", clock=self.clock, sleep=self._sleep
        )

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.move_to(self.clock.now() + timedelta(seconds=seconds + self._overslept()))

    def spend(self, cost: float = 1.0) -> None:
        self.budget.spend(cost)
        self.spent.append((self.clock.now(), cost))


def units_within(spent: list[tuple[datetime, float]], seconds: float) -> float:
    """The largest sum of units in a window of that length."""
    span = timedelta(seconds=seconds)
    return max(
        (sum(cost for moment, cost in spent if start <= moment < start + span) for start, _ in spent), default=0.0
    )


callers = st.lists(st.tuples(st.floats(0, 4), st.sampled_from([1.0, 2.0, 5.0])), min_size=1, max_size=40)


@given(callers, st.lists(st.floats(0, 3), min_size=40, max_size=40))
def test_no_window_spends_more_than_the_rule_allows(asks: list[tuple[float, float]], late: list[float]) -> None:
    naps = iter(late * 50)
    caller = Caller(overslept=lambda: next(naps))
    for pause, cost in asks:
        caller.clock.move_to(caller.clock.now() + timedelta(seconds=pause))
        caller.spend(cost)
    for seconds in (1, 5, 30):
        assert units_within(caller.spent, seconds) <= RULE.most_in(seconds) + 5


@given(callers)
def test_two_callers_of_one_budget_share_its_pace(asks: list[tuple[float, float]]) -> None:
    budgets, clock = MemoryBudgets(), ManualClock(NOW)
    pair = [Caller(budgets=budgets, clock=clock) for _ in range(2)]
    for number, (pause, cost) in enumerate(asks):
        clock.move_to(clock.now() + timedelta(seconds=pause))
        pair[number % 2].spend(cost)
    together = sorted(pair[0].spent + pair[1].spent)
    assert units_within(together, 10) <= RULE.most_in(10) + 5


def test_two_callers_with_a_budget_each_would_be_caught() -> None:
    clock = ManualClock(NOW)
    pair = [Caller(clock=clock) for _ in range(2)]
    for number in range(400):
        pair[number % 2].spend()
    assert units_within(sorted(pair[0].spent + pair[1].spent), 30) > RULE.most_in(30) + 5


def test_who_never_paused_waits_one_unit_s_time_for_each() -> None:
    caller = Caller()
    for _ in range(13):
        caller.spend()
    took = (caller.spent[-1][0] - NOW).total_seconds()
    assert took == pytest.approx((13 - 1 - RULE.burst) / RULE.per_second)
    assert all(wait > 0 for wait in caller.slept)


def test_a_dearer_request_keeps_the_next_one_waiting_longer() -> None:
    cheap, dear = Caller(), Caller()
    for caller, cost in ((cheap, 1.0), (dear, 10.0)):
        caller.spend(cost)
        caller.spend()
    assert dear.clock.now() - cheap.clock.now() > timedelta(seconds=3)


def test_nothing_is_spent_before_the_venue_s_pause_is_over() -> None:
    caller = Caller()
    caller.spend()
    caller.budget.pause(20)
    caller.spend()
    assert caller.clock.now() >= NOW + timedelta(seconds=20)


def test_a_pause_holds_back_the_other_caller_too() -> None:
    budgets, clock = MemoryBudgets(), ManualClock(NOW)
    first, second = (Caller(budgets=budgets, clock=clock) for _ in range(2))
    first.budget.pause(20)
    second.spend()
    assert clock.now() >= NOW + timedelta(seconds=20)


def test_who_would_wait_more_than_a_minute_is_sent_away_with_the_time_and_leases_anew() -> None:
    caller = Caller()
    caller.budget.pause(LONGEST_WAIT_SECONDS + 30)
    with pytest.raises(TransientError, match="the request budget of V is spent for 90 s") as error:
        caller.spend()
    assert error.value.retry_after_seconds == pytest.approx(90)
    assert not caller.slept
    caller.clock.move_to(NOW + timedelta(seconds=95))
    caller.spend()
    assert (caller.spent[0][0] - NOW).total_seconds() <= 97


def test_units_whose_moment_has_lapsed_are_leased_again() -> None:
    class Counting(MemoryBudgets):
        leases = 0

        def lease_block(self, name: str, owner: str, rule: BudgetRule, units: float, *, now: datetime) -> Block:
            self.leases += 1
            return super().lease_block(name, owner, rule, units, now=now)

    budgets = Counting()
    caller = Caller(budgets=budgets)
    for _ in range(4):
        caller.spend()
    assert budgets.leases == 1
    caller.clock.move_to(caller.clock.now() + timedelta(minutes=5))
    caller.spend()
    assert budgets.leases == 2


def test_who_overslept_the_moment_of_its_units_leases_others() -> None:
    class Counting(MemoryBudgets):
        leases = 0

        def lease_block(self, name: str, owner: str, rule: BudgetRule, units: float, *, now: datetime) -> Block:
            self.leases += 1
            return super().lease_block(name, owner, rule, units, now=now)

    naps = iter([10.0, *[0.0] * 9])
    budgets = Counting()
    caller = Caller(budgets=budgets, overslept=lambda: next(naps))
    for _ in range(4):
        caller.spend()
    assert (budgets.leases, caller.slept) == (1, [])
    caller.spend()
    assert budgets.leases == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"RETRY-AFTER": "-3"}, 0.0),
        ({"Retry-After": "Mon, 04 May 2026 12:30:00 GMT"}, None),
        ({"Other": "7"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_how_long_an_answer_asks_to_wait(headers: dict[str, str] | None, seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize("name", ["per_second", "burst", "block_seconds", "grace_seconds"])
def test_a_pace_below_nothing_is_refused_by_name(name: str) -> None:
    with pytest.raises(DataError, match=f"{name} of a budget"):
        BudgetRule(**{"per_second": 1.0, name: -1.0})
