"""What a person sees of a replay: progress while it works, a summary at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.tree import Tree

from tidemill.pages import headline_rows, trial_sentence
from tidemill.replay.plan import ReplayPlan
from tidemill.replay.summary import DemoSummary
from tidemill.reports import table


class ReplayScreen:
    """Header and progress bar of one replay."""

    def __init__(self, console: Console, plan: ReplayPlan, ui: str) -> None:
        self._console = console
        self._plan = plan
        self._ui = ui
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description:<18}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task("starting", total=len(plan.points))

    def __enter__(self) -> Self:
        plan = self._plan
        console = self._console
        console.print(f"[bold]Tidemill[/bold] replays [cyan]{plan.recording.title}[/cyan]")
        if plan.generated_posts:
            console.print("prices are real, posts are generated (from past prices only); no adjustment for dividends")
        console.print(
            f"{len(plan.points)} decisions from {plan.start:%Y-%m-%d %H:%M} to {plan.points[-1]:%Y-%m-%d %H:%M} UTC, "
            f"strategy {plan.strategy}; data in {plan.folder}"
        )
        console.print(f"Prefect UI: [link={self._ui}]{self._ui}[/link]")
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(f"[dim]{text}[/dim]")

    def advance(self, done: int, what: str) -> None:
        """Show what runs now."""
        self._progress.update(self._task, completed=done, description=what or "done")

    def finish(self) -> None:
        """Stop the bar."""
        self._progress.stop()


def summary_rows(summary: DemoSummary) -> list[tuple[str, str]]:
    """Name and value of each line of the summary."""
    log = summary.log
    model = summary.model or {"name": "nothing", "version": "", "verdict": ""}
    named = f"{model['name']} {('version ' + model['version']) if model['version'] else ''} ({model['verdict']})"
    return [
        ("decided by", named.replace("  ", " ")),
        ("bars, missing", f"{log.bars:,}, {log.gaps:,}"),
        ("posts, scores", f"{log.posts:,}, {log.scores:,}"),
        ("forecasts", f"{log.forecasts:,}"),
        ("orders", _counts_text(summary.orders)),
        ("vetoed, dropped", f"{log.vetoed}, {log.dropped}"),
        ("fees", f"{float(summary.fees):,.2f} {summary.currency}"),
        ("equity", _equity_text(summary.equity_start, summary.equity_end, summary.currency)),
        ("largest drawdown", f"{float(summary.max_drawdown):.2%}"),
        ("ledger - venue", format(summary.ledger_venue_difference.normalize(), "f")),
        ("refused decisions", str(len(log.refusals))),
        ("seconds", str(round(summary.seconds, 1))),
    ]


def _counts_text(orders: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in orders.items() if count) or "none"


def _equity_text(start: Decimal | str, end: Decimal | str, currency: str) -> str:
    return f"{float(start):,.2f} -> {float(end):,.2f} {currency}"


def plain_table(rows: Sequence[Mapping[str, str]]) -> Table:
    """Rows under the names of their columns."""
    rows_table = Table(box=None)
    for name in rows[0]:
        rows_table.add_column(name, overflow="fold")
    for row in rows:
        rows_table.add_row(*row.values())
    return rows_table


def summary_page(summary: DemoSummary) -> str:
    """The summary as markdown."""
    rows = [{"what": name, "value": value} for name, value in summary_rows(summary)]
    return "# Replay\n\n" + table(rows, ("what", "value"))


def show_summary(console: Console, summary: DemoSummary, sentence: str, *, generated: bool) -> None:
    """Print the summary, refusals and failures with their reasons, and one order's lineage."""
    figures = Table(show_header=False, box=None, padding=(0, 2))
    for name, value in summary_rows(summary):
        figures.add_row(name, value)
    title = "prices are real, posts are generated" if generated else "recorded prices and posts"
    console.print(Panel(figures, title=title, expand=False))
    for refusal in summary.log.refusals:
        console.print(f"refused {refusal['as_of']}: {refusal['reason']}")
    for skipped in summary.log.skipped_sources:
        console.print(f"skipped {skipped['source']} at {skipped['as_of']}: {skipped['reason']}")
    for failure in summary.log.failures:
        console.print(f"[red]failed[/red] {failure}")
    if sentence:
        console.print(sentence)
    if summary.lineage:
        lineage = summary.lineage.to_json()
        console.print(lineage_tree(lineage))
        console.print(f"ask it why, and again: {_questions(summary.plan.folder, lineage)}", soft_wrap=True)
    console.print(f"plot: {summary.plot}")


def _questions(folder: Path, lineage: Mapping[str, Any]) -> str:
    """Commands about the decision that was shown, to be copied."""
    questions = [f"tidemill explain {lineage['orders'][0]['order']['intent_id']}"] if lineage["orders"] else []
    return " && ".join([f"cd {folder}", *questions, f"tidemill rerun {lineage['decision']['decision_id']}"])


def lineage_tree(lineage: dict[str, Any]) -> Tree:
    """Draw the lineage of a decision's orders."""
    decision = lineage["decision"]
    tree = Tree(f"[bold]decision {decision['decision_id']}[/bold] as of {decision['as_of']} ({decision['outcome']})")
    for order in lineage["orders"]:
        _add_order(tree, order)
    return tree


def _add_order(tree: Tree, traced: dict[str, Any]) -> None:
    order = traced["order"]
    what = f"{order['side']} {order['quantity']} {order['instrument']} limit {order['limit_price']}"
    head = f"order {order['intent_id']}: {what}"
    branch = tree.add(f"{head} [bold]{order['state']}[/bold] (venue order {order['venue_order_id']})")
    for fill in traced["fills"]:
        cost = f"fee {fill['fee']} {fill['fee_asset']}"
        branch.add(f"fill {fill['trade_id']}: {fill['quantity']} at {fill['price']}, {cost}")
    limits = traced["limits"]
    cut = "; ".join(f"{veto['limit']}: {veto['reason']}" for veto in limits["applied"]) or "none acted"
    branch.add(f"limits {limits['version']}: {cut}")
    if forecast := traced["forecast"]:
        branch.add(f"forecast {forecast['strength']:+.4f}, dead after {forecast['expires_at']}")
    present = sum(value is not None for value in traced["features"].values())
    branch.add(f"feature row: {present} of {len(traced['features'])} values known")
    model = traced["model"]
    named = f"rule {model['rule']}" if "rule" in model else f"model {model['name']} version {model['version']}"
    branch.add(f"{named}" + (f", {model['verdict']}, data {model['dataset_hash'][:12]}" if "verdict" in model else ""))
    data = traced["data"]
    branch.add(f"data up to {data['watermark']}: {data['bars_read']} bars, {data['scores_read']} scores")
    for raw in traced["raw"]:
        branch.add(f"raw {raw['source']}: sha256 {raw['digest'][:16]} ({raw['request'][:60]})")


def show_backtest(console: Console, result: dict[str, Any]) -> None:
    """Print a backtest's figures and refusals."""
    figures = Table(show_header=False, box=None, padding=(0, 2))
    figures.add_row("decisions", str(result["steps"]))
    figures.add_row("orders", _counts_text(result["orders"]))
    figures.add_row("vetoed, dropped", f"{result['vetoed']}, {result['dropped']}")
    figures.add_row("fees", f"{float(result['fees']):,.2f} {result['currency']}")
    if float(result["funding"]):
        figures.add_row("funding", f"{float(result['funding']):,.2f}")
    figures.add_row("equity", _equity_text(result["equity_start"], result["equity_end"], result["currency"]))
    figures.add_row("largest drawdown", f"{float(result['max_drawdown']):.2%}")
    if "near_threshold" in result:
        figures.add_row("close calls", f"{result['near_threshold']} (within 1e-9 of a threshold)")
    console.print(Panel(figures, title=f"{result['speed']} backtest of {result['strategy']}", expand=False))
    if "statistics" in result:
        _show_statistics(console, result["statistics"])
    for refusal in result["refusals"]:
        console.print(f"refused {refusal['as_of']}: {refusal['reason']}")


def _show_statistics(console: Console, statistics: dict[str, Any]) -> None:
    figures = Table("figure", "strategy", "buy and hold", box=None, padding=(0, 2))
    for row in headline_rows(statistics):
        figures.add_row(row["figure"], row["strategy"], row["buy and hold"])
    console.print(figures)
    console.print(trial_sentence(statistics))
    for warning in statistics["warnings"]:
        console.print(f"[yellow]warning[/yellow] {warning}", highlight=False)
