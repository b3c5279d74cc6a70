"""Flows, wire and paper venue do what the backtest does, to the last unit; and what differs is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.locations import need
from support.offline import run_offline

from tidemill.backtest import BacktestPlan, fees_in_currency, run_backtest
from tidemill.bootstrap import Overrides, Services, make_backtest_plan
from tidemill.domain.market import parse_time
from tidemill.memory.clocks import ManualClock
from tidemill.pages import rerun_rows, review_page
from tidemill.replay.parity import compare_with
from tidemill.replay.plan import ReplayOptions, ReplayPlan, make_plan, stored_settings
from tidemill.settings import load_settings

pytestmark = pytest.mark.flow_run

FROM, TO, EVERY = "2021-04-19T00:00:00Z", "2021-04-21T00:00:00Z", "4h"
OWN = """
def decide(view):
    newest = view.bars.groupby("instrument")["close"].last()
    mean = view.bars.groupby("instrument")["close"].mean()
    free = float(view.portfolio.cash / view.portfolio.equity)
    return {name: free if newest[name] > mean[name] else 0.0 for name in view.features.index}
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two days of real bars and posts with an outage inside, through everything; a few seconds a step."""
    recording = need("recordings/crypto-1h-2021-reddit.toml")
    folder = tmp_path_factory.mktemp("parity")
    part = ("--from", FROM, "--to", TO, "--every", EVERY)
    done = run_offline(folder, "parity", "--json", "out.json", "--data", str(recording), *part)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads((folder / "out.json").read_text())


@pytest.fixture(scope="module")
def beside(ran: dict[str, Any]) -> Iterator[tuple[Services, ReplayPlan, BacktestPlan]]:
    """The replay's stores, and the plan of the backtest that was compared with it."""
    data = need("recordings/crypto-1h-2021-reddit.toml")
    options = ReplayOptions(data=data, start=parse_time(FROM, "from"), end=parse_time(TO, "to"), every=EVERY)
    base = load_settings()
    plan = make_plan(options, base, folder=Path(ran["replay"]["folder"]))
    settings = stored_settings(plan, base)
    services = Services(settings, Overrides(grid=plan.grid, instruments=plan.recording.instruments))
    yield services, plan, make_backtest_plan(settings, plan.recording, plan.grid, start=plan.start, end=plan.end)
    services.close()


def test_two_days_with_an_outage_are_equal_to_the_last_unit(ran: dict[str, Any]) -> None:
    assert ran["intents"]["same"] > 20
    assert ran["fills"]["same"] > 20
    assert ran["decisions"] == {"same": 12, "different": 0}
    assert [ran[kind]["different"] for kind in ("intents", "fills")] == [0, 0]
    assert (ran["fees_difference"], ran["equity_difference"], ran["first_difference"]) == ("0", "0", None)


def test_the_replay_went_through_everything(ran: dict[str, Any]) -> None:
    summary = ran["replay"]
    orders = summary["orders"]
    assert sum(count for name, count in orders.items() if name != "intended") == orders["intended"]
    assert (summary["ledger_venue_difference"], summary["failures"]) == ("0", [])
    assert summary["steps"] == 12
    assert summary["gaps"] > 0
    assert [one["as_of"] for one in summary["refusals"]] == ["2021-04-20T04:01:30Z"]
    assert summary["orders"]["filled"] > 0
    assert summary["posts"] > 300
    assert summary["model"]["verdict"] == "unproven"


def test_the_review_makes_every_decision_again_and_splits_what_each_order_cost(
    beside: tuple[Services, ReplayPlan, BacktestPlan],
) -> None:
    services, replayed, plan = beside
    clock = ManualClock(plan.rules.grid.as_of(replayed.points[-1]))
    known = Services(services.settings, replace(services.overrides, market_clock=clock))
    reruns = [again.to_json() for again in known.trading.reviewer.rerun_recent(clock.now() - timedelta(days=3), 100)]
    assert len(reruns) == 11
    assert all(one["same"] for one in reruns)
    assert {one["promise"] for one in reruns} == {"bit for bit"}
    found = known.trading.reviewer.measure_shortfalls(clock.now() - timedelta(days=3), clock.now())
    last = [one for one in services.stores.ledger.load_orders() if one.intent.expires_at > clock.now()]
    assert len(found) == len(services.stores.ledger.load_orders()) - len(last) > 0
    fills = [one for order in found for one in services.stores.ledger.load_fills("main", intent_id=order.intent_id)]
    assert sum(one.fees for one in found) == fees_in_currency(fills)
    # sent 90 s after a close and filled at the open of the bar that began there: execution is slippage and rounding
    assert all(one.arrival_price is not None and one.final_price is not None for one in found)
    assert all(one.execution > 0 for one in found if one.filled)
    rows = rerun_rows(reruns)
    assert {row["came out"] for row in rows} == {"the same"}
    assert sum(row["intents"] for row in rows) == len(services.stores.ledger.load_orders())
    page = review_page(reruns, found)
    assert "11 of 11 decisions came out the same" in page
    assert "| all |" in page


def test_a_changed_fill_rule_is_found(beside: tuple[Services, ReplayPlan, BacktestPlan]) -> None:
    services, replayed, plan = beside
    dearer = replace(plan, fills=replace(plan.fills, slippage=plan.fills.slippage + Decimal("0.0001")))
    result = compare_with(services, replayed, run_backtest(replayed.recording, dearer))
    assert not result.is_equal
    first = result.first_difference
    assert first is not None
    assert first.kind == "fills"
    assert first.at == "2021-04-19T00:01:30Z"
    assert first.name.partition(" ")[0] in replayed.universe
    assert first.replay != first.backtest


def test_a_changed_post_is_found(beside: tuple[Services, ReplayPlan, BacktestPlan]) -> None:
    services, replayed, plan = beside
    posts = replayed.recording.posts.copy()
    day = (posts["event_time"] > "2021-04-18T12:00:00Z") & (posts["event_time"] < "2021-04-18T18:00:00Z")
    chosen = posts.index[day & posts["title"].str.contains("BTC|Bitcoin")][0]
    posts.loc[chosen, ["title", "text"]] = ["Bitcoin crash", "Bitcoin is a terrible, horrible scam and crashes."]
    changed = replace(replayed.recording, posts=posts)
    result = compare_with(services, replayed, run_backtest(changed, plan))
    assert not result.is_equal
    assert result.first_difference is not None
    assert result.first_difference.at >= "2021-04-19T00:01:30Z"
    assert result.first_difference.kind in {"decisions", "intents", "fills"}


def test_a_strategy_of_ones_own_is_equal_too(tmp_path: Path) -> None:
    """On the bundled prices, with the bars and the portfolio that it sees."""
    (tmp_path / "mine.py").write_text(OWN)
    part = ("--strategy", "mine.py", "--from", "2013-02-27T00:00:00Z")
    done = run_offline(tmp_path, "parity", "--json", "out.json", *part)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["intents"]["same"] > 0
    assert result["first_difference"] is None
