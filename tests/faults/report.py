"""What a run of the matrix saw: its verdicts on disk, and the report over all of them."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from case import Verdict
from plan import NONE, Case, coverage
from rich.console import Console
from rich.table import Table

BEGAN = time.monotonic()
console = Console(stderr=True)
Cell = tuple[str, str, str]


class Diary:
    """Verdicts as lines of a file, each written when its case is done: a run that was cut off is taken up again."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None

    def read(self) -> list[Verdict]:
        """Every verdict so far."""
        if self._path is None or not self._path.exists():
            return []
        told = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [Verdict(**{**one, "case": Case(**one["case"])}) for one in told]

    def write(self, verdict: Verdict) -> None:
        """Add one."""
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(verdict)) + "\n")


def make_report(
    verdicts: Sequence[Verdict], legal: Sequence[Cell], *, control: str, database: str, seed: int
) -> dict[str, Any]:
    waits = sorted(one.recovery_seconds for one in verdicts if one.recovery_seconds is not None and one.struck)
    ran = [one.case for one in verdicts]
    struck = {one.case.cell for one in verdicts if one.all_struck}
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
        "killed_at": dict(sorted(Counter(one.case.instant for one in verdicts if one.struck).items())),
        "faults_struck": sum(one.fault_struck for one in verdicts),
        "control": control,
        "database": database,
        "seed": seed,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seconds_of_cases": round(sum(one.seconds for one in verdicts)),
        "coverage": coverage(ran, struck, legal),
        "found": [
            {"case": one.case.number, "cell": one.case.cell, "told": [*one.duplicates, *one.lost, *one.unexplained]}
            for one in verdicts
            if not one.is_clean
        ],
    }


def show_report(report: dict[str, Any], found: Sequence[Verdict]) -> None:
    table = Table(title="orders under faults")
    table.add_column("what")
    table.add_column("how many", justify="right")
    for name in ("cases", "killed", "faults_struck", "duplicates", "lost", "unexplained", "frozen"):
        table.add_row(name.replace("_", " "), str(report[name]))
    table.add_row("recovery, median", f"{report['recovery_seconds']['median']} s")
    table.add_row("recovery, p99", f"{report['recovery_seconds']['p99']} s")
    cover = report["coverage"]
    table.add_row("cells of the matrix", f"{cover['cells']} of {cover['legal_cells']}")
    table.add_row("of these, all of it struck", str(cover["cells_struck"]))
    for instant, cases in cover["instant"].items():
        if instant != NONE:
            table.add_row(f"killed {instant}", f"{report['killed_at'].get(instant, 0)} of {cases}")
    console.print(table)
    for one in found[:20]:
        told = "; ".join([*one.duplicates, *one.lost, *one.unexplained])
        console.print(f"case {one.case.number} {one.case.cell} on {one.case.target}: {told}")
