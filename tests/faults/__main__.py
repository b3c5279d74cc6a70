"""Kill it, cut it, double it, and count orders: `python tests/faults --help`."""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

# Imported here once, so that every forked case finds them warm: the broker itself imports ccxt when it is made.
import ccxt.async_support  # noqa: F401
from case import Verdict, run_case
from plan import CONTROLS, Case, coverage, draw_cases, draw_one, legal_cells
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rig import PostgresStore, SqliteStore, Venue

import tidemill.adapters.ccxt_broker  # noqa: F401

console = Console(stderr=True)
PRODUCTION_FAULTS = ("drop_after", "drop_before", "no_answer_after", "error_1007_before", "zombie")


def main() -> int:
    """Run the cases asked for; 0 when the protections held (or, with a control, when its damage was found)."""
    asked = _arguments()
    logging.disable(logging.ERROR)  # hundreds of cases warn; what matters is judged
    if asked.naive:
        return _show_naive(asked)
    if asked.flows:
        verdicts = _run_flows(asked)
    else:
        cases = _cases(asked)
        with _database(asked.db) as url:
            verdicts = _run_all(cases, asked, url)
    found = [one for one in verdicts if not one.is_clean]
    report = _report(verdicts, asked)
    _show(report, found)
    if asked.json:
        _write(asked, verdicts)
    if asked.control:
        return 0 if found else 1
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--cases", type=int, default=0, help="how many (default: every legal cell once)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="one case by its number")
    parser.add_argument("--db", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--control", choices=CONTROLS, default="", help="take one protection out and find the damage")
    parser.add_argument("--production", type=int, default=0, help="add so many cases with Binance's own waits")
    parser.add_argument("--flows", type=int, default=0, help="only this: so many cases of whole flows under a runner")
    parser.add_argument("--naive", type=int, default=0, help="only this: so many cases against a plain retrying client")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--json", help="write the report here")
    return parser.parse_args()


def _cases(asked: argparse.Namespace) -> list[Case]:
    if asked.case is not None:
        return [draw_one(asked.case, asked.db, asked.control)]
    count = asked.cases or (20 if asked.control else len(legal_cells(asked.db)))
    cases = draw_cases(count, asked.seed, asked.db, asked.control)
    return cases + _production_cases(asked)


def _production_cases(asked: argparse.Namespace) -> list[Case]:
    """Cases with the waits that Binance's row asks for: a lost answer costs 17 seconds there."""
    return [
        Case(
            number=(asked.seed + 1000) * 1_000_000 + number,
            instant="none",
            fault=PRODUCTION_FAULTS[number % len(PRODUCTION_FAULTS)],
            combination="none",
            target="order",
            count=1,
            nth=1,
            delay=0.0,
            production=True,
        )
        for number in range(asked.production)
    ]


@contextmanager
def _database(kind: str) -> Iterator[str]:
    """URL of a PostgreSQL server of our own, or nothing for SQLite."""
    if kind == "sqlite":
        yield ""
        return
    from postgres import running_postgres

    with running_postgres() as url:
        if not url:
            console.print("no PostgreSQL here; install the package postgresql")
            raise SystemExit(2)
        yield url


def _run_all(cases: Sequence[Case], asked: argparse.Namespace, url: str) -> list[Verdict]:
    """Share the cases among processes, each with a venue of its own."""
    context = multiprocessing.get_context("fork")
    todo: Any = context.Queue()
    done: Any = context.Queue()
    jobs = max(1, min(asked.jobs, len(cases)))
    for case in cases:
        todo.put(case)
    for _ in range(jobs):
        todo.put(None)
    workers = [context.Process(target=_work, args=(todo, done, asked, url, number)) for number in range(jobs)]
    for one in workers:
        one.start()
    verdicts = []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("cases", total=len(cases))
        while len(verdicts) < len(cases):
            verdict = done.get(timeout=600)
            verdicts.append(verdict)
            if asked.json and len(verdicts) % 50 == 0:  # a long run that is cut off leaves what it saw
                _write(asked, verdicts)
            progress.advance(bar)
    for one in workers:
        one.join()
    return verdicts


def _write(asked: argparse.Namespace, verdicts: Sequence[Verdict]) -> None:
    Path(asked.json).write_text(json.dumps(_report(verdicts, asked), indent=1) + "\n")


def _show_naive(asked: argparse.Namespace) -> int:
    from naive import draw_naive_cases, run_naive_cases

    cases = draw_naive_cases(asked.naive, asked.seed)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("plain client", total=len(cases))
        found = run_naive_cases(cases, Path(tempfile.mkdtemp(prefix="tidemill-naive-")), lambda: progress.advance(bar))
    table = Table("what", "how many", title="a plain retrying client under the same faults")
    for name, count in found.items():
        table.add_row(name, str(count))
    console.print(table)
    if asked.json:
        Path(asked.json).write_text(json.dumps(found, indent=1) + "\n")
    return 0


def _run_flows(asked: argparse.Namespace) -> list[Verdict]:
    """Whole flows: slower by a hundred times, and nothing replaced in them."""
    from flow_cases import draw_flow_cases, run_flow_cases

    cases = draw_flow_cases(asked.flows, asked.seed)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("flows", total=len(cases))
        folder = Path(tempfile.mkdtemp(prefix="tidemill-flow-faults-"))
        return run_flow_cases(cases, folder, min(asked.jobs, len(cases)), lambda: progress.advance(bar))


def _work(todo: Any, done: Any, asked: argparse.Namespace, url: str, number: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix=f"tidemill-faults-{number}-"))
    venue = Venue(folder)
    venue.admin("POST", "clock", {"now": "2013-02-13T00:00:45Z"})
    store = PostgresStore(url, f"w{number}") if asked.db == "postgres" else SqliteStore(folder)
    try:
        while (case := todo.get()) is not None:
            done.put(run_case(case, venue, store, folder))
    finally:
        venue.stop()


def _report(verdicts: Sequence[Verdict], asked: argparse.Namespace) -> dict[str, Any]:
    waits = sorted(one.recovery_seconds for one in verdicts if one.recovery_seconds is not None and one.struck)
    cases = [one.case for one in verdicts]
    return {
        "cases": len(verdicts),
        "duplicates": sum(len(one.duplicates) for one in verdicts),
        "lost": sum(len(one.lost) for one in verdicts),
        "unexplained": sum(len(one.unexplained) for one in verdicts),
        "frozen": sum(one.frozen for one in verdicts),
        "recovery_seconds": {
            "median": round(statistics.median(waits), 3) if waits else None,
            "p99": round(waits[min(len(waits) - 1, int(len(waits) * 0.99))], 3) if waits else None,
        },
        "killed": sum(one.struck for one in verdicts),
        "faults_struck": sum(one.fault_struck for one in verdicts),
        "control": asked.control,
        "database": asked.db,
        "seed": asked.seed,
        "coverage": coverage(cases, asked.db),
        "found": [
            {"case": one.case.number, "cell": one.case.cell, "told": [*one.duplicates, *one.lost, *one.unexplained]}
            for one in verdicts
            if not one.is_clean
        ],
    }


def _show(report: dict[str, Any], found: Sequence[Verdict]) -> None:
    table = Table(title="orders under faults")
    table.add_column("what")
    table.add_column("how many", justify="right")
    for name in ("cases", "killed", "faults_struck", "duplicates", "lost", "unexplained", "frozen"):
        table.add_row(name.replace("_", " "), str(report[name]))
    table.add_row("recovery, median", f"{report['recovery_seconds']['median']} s")
    table.add_row("recovery, p99", f"{report['recovery_seconds']['p99']} s")
    cover = report["coverage"]
    table.add_row("cells of the matrix", f"{cover['cells']} of {cover['legal_cells']}")
    console.print(table)
    for one in found[:20]:
        told = "; ".join([*one.duplicates, *one.lost, *one.unexplained])
        console.print(f"case {one.case.number} {one.case.cell} on {one.case.target}: {told}")


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    console.print(f"{time.monotonic() - began:.0f} s")
    raise SystemExit(code)
