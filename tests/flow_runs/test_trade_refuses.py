"""A strategy that fails in `trade`: the sentence is recorded as a refusal, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness
from support.exact_runs import BARS, HOUR, START, make_recording

from tidemill.bootstrap import Overrides, Services, build_fill_rules, using
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import Account
from tidemill.matching import Exchange
from tidemill.memory.broker import MemoryBroker
from tidemill.memory.clocks import ManualClock
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.ledger import MemoryLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.memory.registry import MemoryRegistry
from tidemill.settings import load_settings

pytestmark = pytest.mark.flow_run
NOW = START + (BARS - 10) * HOUR + timedelta(seconds=90)
FAILS = """
def decide(view):
    return {name: 1 / (view.as_of.hour - HOUR) for name in view.features.index}
HOUR = {hour}
"""


@pytest.fixture(scope="module", autouse=True)
def prefect_api() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


def make_services(folder: Path, strategy: Path) -> Services:
    recording = make_recording(3)
    settings = load_settings(
        home=folder,
        mode="replay",
        universe=tuple(recording.instruments),
        strategy=str(strategy),
        venue={"name": "TEST"},
        fill_wait_seconds=0,
    )
    clock = ManualClock(NOW)
    exchange = Exchange(recording.instruments, build_fill_rules(settings, 90), recording.tape(), start=START)
    exchange.open_account("main", {"USD": Decimal(100_000)})
    ledger, store = MemoryLedger(), MemoryMarketStore()
    opened = Account(account="main", venue="TEST", currency="USD", opened_at=START)
    ledger.open_account(opened, {"USD": Decimal(100_000)}, stamp=Stamp(market=START, wall=START))
    store.write_bars("1h", recording.as_bars(None, START, NOW - HOUR), now=START)
    return Services(
        settings,
        Overrides(
            instruments=recording.instruments,
            market_clock=clock,
            wall_clock=clock,
            ledger=ledger,
            market_store=store,
            gaps=MemoryGapLedger(),
            models=MemoryRegistry(),
            broker=MemoryBroker(exchange, "main", clock, clock),
        ),
    )


@pytest.mark.parametrize(("hour", "outcome"), [(NOW.hour, "refused"), (NOW.hour - 2, "decided")])
def test_a_strategy_that_raises_is_a_refusal_with_time_and_reason(tmp_path: Path, hour: int, outcome: str) -> None:
    from flows.trade import trade

    path = tmp_path / "fails.py"
    path.write_text(FAILS.replace("{hour}", str(hour)))
    known = make_services(tmp_path, path)
    with using(known):
        told = trade(as_of=NOW, mode="replay")
    (decision,) = known.stores.ledger.load_decisions("main")
    assert (told["outcome"], decision.outcome, decision.strategy) == (outcome, outcome, "fails")
    sent = known.stores.ledger.load_orders(account="main")
    if outcome == "decided":
        assert sent
        source = known.stores.market.find_payloads("strategy", stored_until=10**18)
        assert known.stores.market.read_payload(source[0].digest) == path.read_bytes()
        assert source[0].digest == decision.record["strategy_code"]
    else:
        assert not sent
        assert decision.reason.startswith("strategy 'fails' at 2021-04-10T04:01:30Z raised ZeroDivisionError")
