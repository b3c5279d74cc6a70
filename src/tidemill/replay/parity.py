"""`tidemill parity`: one period through flows and wire, and through the backtest, compared to the last unit."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from tidemill.backtest import BacktestResult, run_backtest
from tidemill.bootstrap import Services, make_backtest_plan
from tidemill.pages.output_files import write_text
from tidemill.replay.compare import RunTold, compare_runs, is_equal
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
    result |= {"failures": summary["failures"], "replay": summary}
    if json_path is not None:
        write_text(json_path, json.dumps(result, indent=2, default=str) + "\n", "JSON file")
    _show(console, result)
    return 0 if is_equal(result) else 1


def compare_with(services: Services, plan: ReplayPlan, backtest: BacktestResult) -> dict[str, Any]:
    """The ledger of a replay beside a backtest of the same days."""
    account = services.settings.account
    replayed = RunTold(
        decisions=services.stores.ledger.load_decisions(account),
        orders=services.stores.ledger.load_orders(account=account),
        fills=services.stores.ledger.load_fills(account),
        equity_end=final_equity(services, plan),
    )
    tested = RunTold(
        decisions=backtest.decisions,
        orders=backtest.orders,
        fills=backtest.fills,
        equity_end=backtest.equity[-1][1],
    )
    return compare_runs(replayed, tested)


def _show(console: Console, result: dict[str, Any]) -> None:
    for kind in ("decisions", "intents", "fills"):
        console.print(f"{kind}: {result[kind]['same']} the same, {result[kind]['different']} different")
    console.print(f"fees differ by {result['fees_difference']}, equity by {result['equity_difference']}")
    if first := result["first_difference"]:
        console.print(f"first difference at {first['at']}, {first['kind']} {first['name']}:")
        for side in ("replay", "backtest"):
            console.print(f"  {side}: {'; '.join(first[side]) or 'has none'}")
