"""`tidemill parity`: one period through flows and wire, and through the backtest, compared to the last unit."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tidemill.backtest import BacktestResult, run_backtest
from tidemill.bootstrap import Services, make_backtest_plan
from tidemill.pages.output_files import write_text
from tidemill.replay.compare import RunComparison, RunTrace, compare_runs, plain
from tidemill.replay.demo import replay_recording
from tidemill.replay.plan import ReplayOptions, ReplayPlan, make_plan
from tidemill.replay.summary import final_equity
from tidemill.settings import Settings


def run_parity(options: ReplayOptions, base: Settings, *, console: Console, json_path: Path | None) -> int:
    """Run both and compare; the exit code (1 on any difference or a failed step)."""
    plan = make_plan(options, base)
    with ExitStack() as stack:
        services, summary = replay_recording(plan, base, console=console, stack=stack)
        rules = make_backtest_plan(services.settings, plan.recording, plan.grid, start=plan.start, end=plan.end)
        result = compare_with(services, plan, run_backtest(plan.recording, rules))
    result = replace(result, failures=tuple(summary.log.failures))
    if json_path is not None:
        answer = {**result.to_json(), "replay": summary.to_json()}
        write_text(json_path, json.dumps(answer, indent=2, default=str) + "\n", "JSON file")
    _show(console, result)
    return 0 if result.is_equal else 1


def compare_with(services: Services, plan: ReplayPlan, backtest: BacktestResult) -> RunComparison:
    """The ledger of a replay beside a backtest of the same days."""
    account = services.settings.account
    replayed = RunTrace(
        decisions=services.stores.ledger.load_decisions(account),
        orders=services.stores.ledger.load_orders(account=account),
        fills=services.stores.ledger.load_fills(account),
        equity_end=final_equity(services, plan),
    )
    tested = RunTrace(
        decisions=backtest.decisions,
        orders=backtest.orders,
        fills=backtest.fills,
        equity_end=backtest.equity[-1][1],
    )
    return compare_runs(replayed, tested)


def _show(console: Console, result: RunComparison) -> None:
    for kind, counts in (("decisions", result.decisions), ("intents", result.intents), ("fills", result.fills)):
        console.print(f"{kind}: {counts.same} the same, {counts.different} different")
    console.print(f"fees differ by {plain(result.fees_difference)}, equity by {plain(result.equity_difference)}")
    if first := result.first_difference:
        console.print(f"first difference at {first.at}, {first.kind} {first.name}:")
        for side, entries in (("replay", first.replay), ("backtest", first.backtest)):
            console.print(f"  {side}: {'; '.join(entries) or 'has none'}")
