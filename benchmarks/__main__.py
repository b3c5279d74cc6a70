"""Measure, print, and write docs/performance.md: `python -m benchmarks [--only NAME ...] [--arrays DIR]`.

A part is a module of this package with ``TITLE`` and ``rows(options: Options) -> list[Row]``; its name stands in
PARTS. Each runs in a process of its own and writes its own section of the page, so that one can be measured anew
without the others. A part that fails keeps its old section, is named, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.page import section, write_page
from benchmarks.timing import Options, Row, peak_megabytes

PARTS = ("deciding", "engines", "sweeps", "venue", "matching", "orders", "market", "demo")


def main() -> int:
    options = read_options()
    if options.part:
        return measure_here(options)
    made: dict[str, str] = {}
    failed = []
    for part in options.only or [one for one in PARTS if options.all or one != "demo"]:
        if importlib.util.find_spec(f"benchmarks.{part}") is None:
            continue
        told = measure_apart(part, options)
        if told is None:
            failed.append(part)
            continue
        made[part] = section(part, told["title"], machine(), [Row(*row) for row in told["rows"]])
        sys.stdout.write(made[part])
        sys.stdout.flush()
    write_page(made, PARTS)
    for part in failed:
        sys.stderr.write(f"the part '{part}' failed; its section of the page is the old one\n")
    return 1 if failed else 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts alone")
    parser.add_argument("--arrays", type=Path, help="folder with m1.npz, h1.npz, k1.npz; default: made here")
    parser.add_argument("--peers", type=Path, help="interpreter of the environment in which the peers are installed")
    parser.add_argument("--quick", dest="all", action="store_false", help="leave the demo out")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_here(options: argparse.Namespace) -> int:
    """Measure one part in this process; its rows are the last line printed, as JSON."""
    module = importlib.import_module(f"benchmarks.{options.part}")
    rows = [*module.rows(Options(arrays=options.arrays, peers=options.peers))]
    rows.append(Row("peak memory of the measuring process", f"{peak_megabytes():.0f} MB"))
    sys.stdout.write("\n" + json.dumps({"title": module.TITLE, "rows": rows}) + "\n")
    return 0


def measure_apart(part: str, options: argparse.Namespace) -> dict[str, list[list[str]] | str] | None:
    """Measure one part in a process of its own, or None when it failed; what it prints beside its rows is shown."""
    command = [sys.executable, "-m", "benchmarks", "--part", part]
    command += ["--arrays", str(options.arrays)] if options.arrays else []
    command += ["--peers", str(options.peers)] if options.peers else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.stdout.write(done.stdout)
        return None
    return json.loads(done.stdout.rstrip().rpartition("\n")[2])


def machine() -> str:
    """When and on what."""
    found = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{datetime.now(UTC):%Y-%m-%d}; {found}; load of the last 15 minutes {os.getloadavg()[2]:.1f}."


sys.exit(main())
