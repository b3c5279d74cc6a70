"""Kill it, cut it, double it, and count orders: `python tests/faults --help`."""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

# Imported here once, so that every forked case finds them warm: the broker itself imports ccxt when it is made.
import ccxt.async_support  # noqa: F401
from case import Verdict, run_case
from plan import CONTROLS, Case, draw_cases, draw_flow_cases, draw_one, flow_cells, legal_cells
from report import BEGAN, Diary, console, make_report, show_report
from rich.progress import Progress
from rich.table import Table
from rig import PostgresStore, SqliteStore, Venue

import tidemill.adapters.ccxt.broker  # noqa: F401

JOBS = 6 * (os.cpu_count() or 2)
"""Cases mostly wait, so many share a core."""
FLOW_JOBS = 2 * (os.cpu_count() or 2)
PRODUCTION_INSTANTS = ("none", "after SUBMITTING", "after the send", "after the answer")
PRODUCTION_FAULTS = ("drop_after", "drop_before", "no_answer_after", "error_1007_before", "zombie")


def main() -> int:
    """Run the cases asked for; 0 when the protections held (or, with a control, when its damage was found)."""
    options = _arguments()
    logging.disable(logging.ERROR)  # hundreds of cases warn; what matters is judged
    if options.naive:
        return _show_naive(options)
    diary = Diary(options.diary)
    verdicts = diary.read()
    judged = {verdict.case.number for verdict in verdicts}
    cases = [case for case in _cases(options) if case.number not in judged][: options.at_most]
    if options.flows:
        verdicts += _run_flows(cases, options, diary)
    else:
        with _database(options.db) as url:
            verdicts += _run_all(cases, options, url, diary)
    damaged = [verdict for verdict in verdicts if not verdict.is_clean]
    legal = flow_cells() if options.flows else legal_cells(options.db)
    report = make_report(verdicts, legal, control=options.control, database=options.db, seed=options.seed)
    show_report(report, damaged)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    if options.control:
        return 0 if damaged else 1
    return 1 if damaged else 0


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
    parser.add_argument("--jobs", type=int, help="how many at once")
    parser.add_argument("--diary", help="write each verdict here, and run no case again that it has")
    parser.add_argument("--at-most", type=int, help="run so many of the cases that the diary does not have yet")
    parser.add_argument("--json", help="write the report here")
    return parser.parse_args()


def _cases(options: argparse.Namespace) -> list[Case]:
    if options.flows:
        return draw_flow_cases(options.flows, options.seed)
    if options.case is not None:
        return [draw_one(options.case, options.db, options.control)]
    count = options.cases or (20 if options.control else len(legal_cells(options.db)))
    cases = draw_cases(count, options.seed, options.db, options.control)
    return cases + _production_cases(options)


def _production_cases(options: argparse.Namespace) -> list[Case]:
    """Cases with the waits that Binance's row asks for: a lost answer costs 17 seconds there."""
    return [
        Case(
            number=(options.seed + 1000) * 1_000_000 + number,
            instant=PRODUCTION_INSTANTS[number % len(PRODUCTION_INSTANTS)],
            fault=PRODUCTION_FAULTS[number % len(PRODUCTION_FAULTS)],
            combination="none",
            target="order",
            count=1,
            nth=1,
            delay=0.0,
            production=True,
        )
        for number in range(options.production)
    ]


@contextmanager
def _database(kind: str) -> Iterator[str]:
    """URL of a PostgreSQL server of our own, or nothing for SQLite."""
    if kind == "sqlite":
        yield ""
        return
    from support.postgres import running_postgres

    with running_postgres() as url:
        if not url:
            console.print("no PostgreSQL here; install the package postgresql")
            raise SystemExit(2)
        yield url


def _run_all(cases: Sequence[Case], options: argparse.Namespace, url: str, diary: Diary) -> list[Verdict]:
    """Share the cases among processes, each with a venue of its own."""
    context = multiprocessing.get_context("fork")
    todo: Any = context.Queue()
    done: Any = context.Queue()
    jobs = max(1, min(options.jobs or JOBS, len(cases)))
    for case in cases:
        todo.put(case)
    for _ in range(jobs):
        todo.put(None)
    workers = [
        context.Process(target=_work, args=(todo, done, options, url, number), daemon=True) for number in range(jobs)
    ]
    for worker in workers:
        worker.start()
    verdicts: list[Verdict] = []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("cases", total=len(cases))
        while len(verdicts) < len(cases):
            verdict = done.get(timeout=600)
            if isinstance(verdict, str):
                raise SystemExit(f"a worker failed:\n{verdict}")
            verdicts.append(verdict)
            diary.write(verdict)
            progress.advance(bar)
    for worker in workers:
        worker.join()
    return verdicts


def _show_naive(options: argparse.Namespace) -> int:
    from naive import draw_naive_cases, run_naive_cases

    cases = draw_naive_cases(options.naive, options.seed)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("plain client", total=len(cases))
        verdicts = run_naive_cases(
            cases, Path(tempfile.mkdtemp(prefix="tidemill-naive-")), lambda: progress.advance(bar)
        )
    table = Table("what", "how many", title="a plain retrying client under the same faults")
    for name, count in verdicts.items():
        table.add_row(name, str(count))
    console.print(table)
    if options.json:
        Path(options.json).write_text(json.dumps(verdicts, indent=1) + "\n")
    return 0


def _run_flows(cases: Sequence[Case], options: argparse.Namespace, diary: Diary) -> list[Verdict]:
    """Whole flows: slower by a hundred times, and nothing replaced in them."""
    from flow_cases import run_flow_cases

    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("flows", total=len(cases))

        def on_case(verdict: Verdict) -> None:
            diary.write(verdict)
            progress.advance(bar)

        folder = Path(tempfile.mkdtemp(prefix="tidemill-flow-faults-"))
        return run_flow_cases(cases, folder, min(options.jobs or FLOW_JOBS, len(cases)), on_case)


def _work(todo: Any, done: Any, options: argparse.Namespace, url: str, number: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that its venue ends with it
    try:
        _work_off(todo, done, options, url, number)
    except BaseException:
        done.put(traceback.format_exc())


def _work_off(todo: Any, done: Any, options: argparse.Namespace, url: str, number: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix=f"tidemill-faults-{number}-"))
    venue = Venue(folder)
    venue.admin("POST", "clock", {"now": "2013-02-13T00:00:45Z"})
    store = PostgresStore(url, f"w{number}") if options.db == "postgres" else SqliteStore(folder)
    try:
        while (case := todo.get()) is not None:
            done.put(run_case(case, venue, store, folder))
    finally:
        venue.stop()
    if not any(folder.glob("k*.db")):  # what a case left behind is evidence
        shutil.rmtree(folder)


if __name__ == "__main__":
    code = main()
    console.print(f"{time.monotonic() - BEGAN:.0f} s")
    raise SystemExit(code)
