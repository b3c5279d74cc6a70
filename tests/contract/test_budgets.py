"""Request budgets: one suite for memory, SQLite and PostgreSQL, and real processes that share one venue."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters.clocks import WallClock
from tidemill.adapters.pacing import SharedBudget
from tidemill.adapters.sql.market.budgets import SqlBudgets
from tidemill.domain.budgets import BudgetRule
from tidemill.domain.errors import DataError, TransientError
from tidemill.memory.budgets import MemoryBudgets

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULE = BudgetRule(per_second=10, burst=5, block_seconds=1, grace_seconds=0.5)
FAST = BudgetRule(per_second=40, burst=4, block_seconds=0.25, grace_seconds=0.25)


@pytest.fixture
def budgets(backend: str, tmp_path, request) -> Iterator[object]:
    if backend == "memory":
        made = MemoryBudgets()
    elif backend == "sqlite":
        made = SqlBudgets(f"sqlite:///{tmp_path / 'market.db'}")
    else:
        made = SqlBudgets(request.getfixturevalue("postgres_database"))
    yield made
    made.close()


def test_leases_follow_one_another_and_begin_a_burst_earlier_after_a_pause(budgets) -> None:
    first = budgets.lease_block("KRAKEN", "a", RULE, 10, now=NOW)
    second = budgets.lease_block("KRAKEN", "b", RULE, 5, now=NOW)
    assert (first.start, first.owner) == (NOW - timedelta(seconds=0.5), "a")
    assert second.start == first.start + timedelta(seconds=1)
    other = budgets.lease_block("BYBIT", "a", RULE, 5, now=NOW)
    assert other.start == first.start, "each venue has a line of its own"
    later = NOW + timedelta(minutes=5)
    assert budgets.lease_block("KRAKEN", "a", RULE, 1, now=later).start == later - timedelta(seconds=0.5)


def test_nobody_begins_before_the_venue_s_pause_is_over(budgets) -> None:
    budgets.pause("KRAKEN", 30, now=NOW)
    budgets.pause("KRAKEN", 10, now=NOW)
    assert budgets.lease_block("KRAKEN", "a", RULE, 1, now=NOW).start == NOW + timedelta(seconds=30)


@given(
    asks=st.lists(st.tuples(st.floats(1, 30), st.floats(0, 3)), min_size=2, max_size=30),
    per_second=st.floats(0.5, 50),
    burst=st.floats(0.5, 20),
)
def test_no_two_leases_ever_overlap(asks, per_second, burst) -> None:
    budgets, rule, now, free = MemoryBudgets(), BudgetRule(per_second=per_second, burst=burst), NOW, None
    for units, passed in asks:
        now += timedelta(seconds=passed)
        block = budgets.lease_block("V", "a", rule, units, now=now)
        assert free is None or block.start >= free
        free = block.start + units * rule.unit
        assert block.start >= now - rule.tolerance


def test_a_turn_more_than_a_minute_away_is_refused_with_the_time_to_come_back() -> None:
    budgets = MemoryBudgets()
    budgets.pause("V", 100, now=WallClock().now())
    budget = SharedBudget(budgets, "V", RULE, owner="a", clock=WallClock())
    with pytest.raises(TransientError, match="the request budget of V is spent") as caught:
        asyncio.run(budget.spend(1))
    assert 95 < caught.value.retry_after_seconds <= 100


def test_a_rule_without_pace_is_refused() -> None:
    with pytest.raises(DataError, match="per_second"):
        BudgetRule(per_second=0)


SPENDER = """
import asyncio, os, signal, sys, time
from tidemill.adapters.pacing import SharedBudget
from tidemill.adapters.clocks import WallClock
from tidemill.memory.budgets import MemoryBudgets
from tidemill.adapters.sql.market.budgets import SqlBudgets
from tidemill.domain.budgets import BudgetRule

url, dies = sys.argv[1], sys.argv[2] == "dies"
rule = BudgetRule(per_second=40, burst=4, block_seconds=1.0 if dies else 0.25, grace_seconds=0.25)
budget = SharedBudget(SqlBudgets(url) if url else MemoryBudgets(), "V", rule, owner=str(os.getpid()), clock=WallClock())

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.time() + 2
    while time.time() < end:
        await budget.spend(1)
        print(time.time(), flush=True)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def spend_in_processes(url: str, count: int) -> list[float]:
    """Wall times at which ``count`` processes, started at once, spent units within two seconds."""
    command = [sys.executable, "-c", SPENDER, url, "lives"]
    made = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    for one in made:
        assert one.stdout.readline() == "ready\n"
    for one in made:
        one.stdin.write("go\n")
        one.stdin.flush()
    return sorted(float(line) for one in made for line in one.communicate(timeout=60)[0].split())


def most_in_a_second(times: list[float]) -> int:
    return max(sum(begin <= one < begin + 1 for one in times) for begin in times)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_three_processes_together_keep_one_venue_s_pace(kind: str, tmp_path, request) -> None:
    url = request.getfixturevalue("postgres_database") if kind == "postgres" else f"sqlite:///{tmp_path / 'market.db'}"
    SqlBudgets(url).close()
    times = spend_in_processes(url, 3)
    assert most_in_a_second(times) <= FAST.most_in(1)
    assert len(times) <= FAST.most_in(times[-1] - times[0])
    assert len(times) > 40, "and the pace is used"


def test_control_three_processes_with_budgets_of_their_own_do_not(tmp_path) -> None:
    assert most_in_a_second(spend_in_processes("", 3)) > FAST.most_in(1)


def test_what_a_killed_process_leased_lapses_with_its_block(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'market.db'}"
    budgets = SqlBudgets(url)
    done = subprocess.run(
        [sys.executable, "-c", SPENDER, url, "dies"],
        check=False,
        input="go\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == -9
    spent = float(done.stdout.split()[1])
    budget = SharedBudget(budgets, "V", FAST, owner="heir", clock=WallClock())
    asyncio.run(budget.spend(1))
    lapsed = time.time() - spent
    assert lapsed >= 0.85, "nobody spends what it had leased and might have spent"
    assert lapsed < 30, "and nobody waits for it longer"
    budgets.close()
