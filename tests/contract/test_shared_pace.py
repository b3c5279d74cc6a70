"""Sources that draw from one budget: real processes that ask one venue, and shares like venues."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.binance_wire import klines, spot
from support.shares_wire import NAME, NOW, answers
from support.wire_double import WireDouble, serving

from tidemill.adapters.clocks import WallClock
from tidemill.adapters.equities.alpha_vantage import AlphaVantageBars
from tidemill.adapters.equities.yfinance import YfinanceBars
from tidemill.adapters.pacing import BlockingBudget
from tidemill.adapters.sql.market.budgets import SqlBudgets
from tidemill.bootstrap import Overrides, Services
from tidemill.domain.budgets import BudgetRule
from tidemill.domain.errors import TransientError
from tidemill.memory.budgets import MemoryBudgets
from tidemill.memory.clocks import ManualClock
from tidemill.settings import MarketSettings, Settings

pytestmark = pytest.mark.wire
RULE = BudgetRule(per_second=12, burst=2, block_seconds=0.25, grace_seconds=0.25)
SLOW = BudgetRule(per_second=4, burst=1, block_seconds=0.5, grace_seconds=0.25)
"""So slow that even a machine with much else to do asks more often by itself."""

ASKER = """
import os, sys, time
from datetime import UTC, datetime, timedelta
from tidemill.adapters.ccxt.client import MarketAccess, SharedPace
from tidemill.adapters.ccxt.market import CcxtMarket
from tidemill.adapters.clocks import WallClock
from tidemill.memory.budgets import MemoryBudgets
from tidemill.adapters.sql.market.budgets import SqlBudgets
from tidemill.domain.budgets import BudgetRule

rest, url = sys.argv[1:]
rule = BudgetRule(per_second=4, burst=1, block_seconds=0.5, grace_seconds=0.25)
until = datetime(2026, 1, 1, tzinfo=UTC)
for budgets in (SqlBudgets(url), MemoryBudgets()):
    pace = SharedPace(budgets=budgets, owner=str(os.getpid()), clock=WallClock(), rule=rule)
    market = CcxtMarket("binance", venue="V", rest_url=rest, market_clock=WallClock(), access=MarketAccess(pace=pace))
    market.fetch_instruments()
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.time() + 2
    while time.time() < end:
        assert len(market.fetch_bars("BTC-USDT.V", "1m", until - timedelta(minutes=5), until)) == 5
    market.close()
    print("done", flush=True)
"""


@dataclass
class Asked:
    """Wall times at which a double was asked for bars."""

    times: list[float] = field(default_factory=list)

    def klines(self, query: dict[str, str]) -> list[list[Any]]:
        self.times.append(time.time())
        return klines(query)

    def most_in_a_second(self) -> int:
        return max(sum(begin <= one < begin + 1 for one in self.times) for begin in self.times)


def test_two_processes_that_ask_one_venue_keep_its_pace_and_with_budgets_of_their_own_they_do_not(tmp_path) -> None:
    import ccxt

    cost = float(ccxt.binance().api["public"]["get"]["klines"]["cost"])
    url, asked = f"sqlite:///{tmp_path / 'market.db'}", Asked()
    SqlBudgets(url).close()
    with serving({"exchangeInfo": {"symbols": [spot("BTC")]}, "klines": asked.klines}) as double, ExitStack() as stack:
        command = [sys.executable, "-c", ASKER, double.url, url]
        run = partial(subprocess.Popen, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        made = [stack.enter_context(run()) for _ in range(2)]
        shared = _phase(made, asked)
        alone = _phase(made, asked)
        assert [one.wait(30) for one in made] == [0, 0]
    assert shared.most_in_a_second() * cost <= SLOW.most_in(1)
    assert len(shared.times) * cost > 3, "and the pace is used"
    assert alone.most_in_a_second() * cost > SLOW.most_in(1), "the control"


def _phase(made: list[subprocess.Popen[str]], asked: Asked) -> Asked:
    """Let all ask at once; when they did."""
    assert [one.stdout.readline() for one in made] == ["ready\n"] * len(made)
    asked.times.clear()
    for one in made:
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [one.stdout.readline() for one in made] == ["done\n"] * len(made)
    return Asked(sorted(asked.times))


# -- shares


@dataclass
class Desk:
    """A source of shares with a budget of its name in one shared store."""

    kind: str
    double: WireDouble
    budgets: MemoryBudgets
    folder: Path
    waits: list[float] = field(default_factory=list)

    def budget(self, rule: BudgetRule = RULE) -> BlockingBudget:
        clock = WallClock()
        return BlockingBudget(self.budgets, self.kind, rule, owner="a", clock=clock, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        time.sleep(seconds)

    def source(self, rule: BudgetRule = RULE) -> Any:
        clock, url, budget = ManualClock(NOW), self.double.url, self.budget(rule)
        if self.kind == "yfinance":
            return YfinanceBars([NAME], market_clock=clock, base_url=url, cache=self.folder, budget=budget)
        return AlphaVantageBars("key", [NAME], market_clock=clock, base_url=url, budget=budget)

    def fetch(self, source: Any) -> int:
        begin = datetime(2026, 1, 5, tzinfo=UTC)
        return len(source.fetch_bars(NAME, "1d", begin, begin + timedelta(days=20)))


@pytest.fixture(params=["yfinance", "alpha_vantage"])
def desk(request: pytest.FixtureRequest, tmp_path) -> Iterator[Desk]:
    with serving(answers()) as double:
        yield Desk(request.param, double, MemoryBudgets(), tmp_path)


def test_every_request_for_shares_is_spent_whoever_asks(desk: Desk) -> None:
    sources = [desk.source(), desk.source()]
    begun = time.monotonic()
    for source in sources * 4:
        assert desk.fetch(source) == 7
    passed = time.monotonic() - begun
    for source in sources:
        source.close()
    asked = len(desk.double.asked)
    assert asked >= 8
    assert asked <= RULE.most_in(passed)
    assert desk.waits, "they waited for their turns"


def test_a_spent_budget_of_shares_is_told_and_nothing_is_asked(desk: Desk) -> None:
    source = desk.source()
    desk.budgets.pause(desk.kind, 300, now=WallClock().now())
    with pytest.raises(TransientError, match=f"the request budget of {desk.kind} is spent") as caught:
        desk.fetch(source)
    assert caught.value.retry_after_seconds > 290
    assert not desk.double.asked
    source.close()


def test_a_refusal_for_too_many_requests_holds_back_every_process(desk: Desk) -> None:
    source = desk.source()
    desk.double.answers["chart/"] = (429, {"Retry-After": "90"}, b"Too Many Requests")
    desk.double.answers["query"] = {"Information": "Please consider spreading out requests (1 request per second)"}
    with pytest.raises(TransientError):
        desk.fetch(source)
    source.close()
    other = desk.budget()
    if desk.kind == "yfinance":
        with pytest.raises(TransientError, match="spent for"):
            other.spend()
    else:
        assert other._lease(1).start > WallClock().now() + timedelta(seconds=50), "it said a minute, not a day"


def test_the_settings_give_each_source_of_shares_one_budget(tmp_path) -> None:
    markets = tuple(
        MarketSettings(name=name, source="alpha_vantage", instruments=(f"AAPL-USD.{name}",), key_variable="PATH")
        for name in ("US", "XETRA")
    )
    budgets = MemoryBudgets()
    known = Services(
        Settings(home=tmp_path, markets=markets), Overrides(budgets=budgets, market_clock=ManualClock(NOW))
    )
    budgets.pause("alpha_vantage", 300, now=WallClock().now())
    for name in ("US", "XETRA"):
        with pytest.raises(TransientError, match="the request budget of alpha_vantage is spent"):
            known.markets.sources.bars(name).fetch_bars(f"AAPL-USD.{name}", "1d", NOW - timedelta(days=3), NOW)
    known.close()
