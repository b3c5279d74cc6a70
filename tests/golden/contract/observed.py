"""What is promised by what comes out: the JSON of every command, flows' summaries, artifacts, tables. Runs them all.

One demo of one step on the bundled prices makes the home in which everything else runs; no network is needed.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from declared import ROOT
from shapes import Shape, collapse, shape_of

HERE = Path(__file__).parent
START = "2013-02-28T00:00:00Z"
BACKTEST = ("backtest", "--from", "2013-02-11T00:00:00Z", "--strategy")
SWEEP = ("sweep", "--from", "2013-02-04T00:00:00Z")
WALK = ("--train-days", "10", "--test-days", "5", "--purge-bars", "1")
SECONDS = 900
STORED_WORDS = {
    "ops": (
        "decisions.mode",
        "decisions.outcome",
        "decisions.strategy",
        "freezes.scope",
        "intents.order_type",
        "intents.side",
        "intents.state",
        "intents.time_in_force",
        "leases.name",
        "order_events.state",
        "trials.strategy",
    ),
    "market": (
        "fetches.calendar",
        "gaps.cause",
        "holes.cause",
        "holes.state",
        "marks.state",
        "payloads.source",
        "posts.source",
        "quarantine.source",
        "scores.scorer",
    ),
}
# hourly bars with two missing, one of them doubled in price for an hour, one whose high is below its low
BARS = "open_time,open,high,low,close,volume\n" + "".join(
    f"2021-04-19T{hour:02d}:00:00Z,{price},{price + 1},{price - 1},{price},10\n"
    for hour, price in enumerate((100, 101, 102, 103, 250, 103, 102, 101, 100, 99, 98, 97))
    if hour not in {7, 8}
).replace(",98,99,97,98,", ",98,90,97,98,")


class Failed(Exception):
    """A command ended otherwise than it should; its output is the text."""


def run(folder: Path, *arguments: str, text: str = "", **environment: str) -> str:
    """Run Python in ``folder`` on this tree's code; what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEMILL_", "PREFECT_"))}
    code = os.pathsep.join(str(path) for path in (HERE, ROOT / "src", ROOT))
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": code, "NO_COLOR": "1", **environment},
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if ended.returncode:
        raise Failed(
            f"{' '.join(arguments)} ended with {ended.returncode}\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}"
        )
    return ended.stdout


def run_commands(folder: Path, *commands: Sequence[str]) -> dict[str, Any]:
    """Run commands in one process of its own, each of which must end with 0; what the flows in it returned."""
    out = folder / "watched.json"
    printed = run(folder, str(HERE / "watch.py"), str(out), text=json.dumps(commands))
    watched = json.loads(out.read_text(encoding="utf-8"))
    failed = [command for command, code in zip(commands, watched["exits"], strict=True) if code]
    if failed:
        raise Failed(f"{failed} failed:\n{printed[-3000:]}")
    return dict(watched["flows"])


def observe(folder: Path) -> dict[str, Any]:
    """Every golden file that needs a run, by its name."""
    for name in ("parity", "faults"):
        (folder / name).mkdir()
    with ThreadPoolExecutor(max_workers=1) as pool:
        faults = pool.submit(_break_orders, folder)
        command = ("parity", "--strategy", "model", "--from", START, "--json", "parity.json")
        flows = run_commands(folder / "parity", command)
        compared = _read(folder / "parity" / "parity.json")
        summary = compared["replay"]
        home = Path(summary["folder"])
        shown = _demo_artifacts(home)
        asked = _ask_commands(home, summary)
        more = _run_flows(home)
        # the summary of the replay inside parity is what demo writes
        replayed = {"demo": shape_of(summary), "parity": collapse(shape_of(compared), "replay")}
        outputs = {**replayed, **asked, **more.pop("venue"), **faults.result()}
    summaries = {
        name: shape_of(*flows.get(name, []), *more["flows"].get(name, [])) for name in {*flows, *more["flows"]}
    }
    return {
        "outputs": dict(sorted(outputs.items())),
        "summaries": dict(sorted(summaries.items())),
        "artifacts": dict(sorted({**more["artifacts"], **shown}.items())),
        "tables": {name: tables(home / f"{name}.db") for name in ("ops", "market")},
        "stored": {name: stored_words(home / f"{name}.db", STORED_WORDS[name]) for name in ("ops", "market")},
    }


def _break_orders(folder: Path) -> dict[str, Shape]:
    report = folder / "faults" / "faults.json"
    run(folder / "faults", str(ROOT / "tests" / "faults"), "--cases", "1", "--seed", "7", "--json", str(report))
    return {"faults": collapse(shape_of(_read(report)), "killed_at", "coverage.table")}


def _ask_commands(home: Path, summary: dict[str, Any]) -> dict[str, Shape]:
    """The JSON of the commands that look at a home, or work beside it."""
    order = summary["lineage"]["orders"][0]["order"]["intent_id"]
    decision = summary["lineage"]["decision"]["decision_id"]
    (home / "bars.csv").write_text(BARS, encoding="utf-8")
    series = ("--instrument", "BTC-USDT.BINANCE", "--timeframe", "1h")
    commands: dict[str, tuple[str, ...]] = {
        "explain order": ("explain", order),
        "explain decision": ("explain", decision),
        "rerun": ("rerun", decision),
        "data import": ("data", "import", "bars.csv", *series),
        "data gaps": ("data", "gaps"),
        "data gaps all": ("data", "gaps", "--all"),
        "data completeness": ("data", "completeness"),
        "data quarantine": ("data", "quarantine"),
        "data prune": ("data", "prune", "--older-than", "1"),
        "backtest exact": (*BACKTEST, "trend"),
        "backtest fast": (*BACKTEST, "reversion", "--speed", "fast"),
        "backtest model": (*BACKTEST, "model", "--report", "page.html"),
        "sweep sets": (*SWEEP, "--set", "buffer_fraction=0.05,9"),
        "sweep ranges": (*SWEEP, "--range", "buffer_fraction=0.05:0.1", "--trials", "2"),
        "sweep forward": (*SWEEP, "--set", "buffer_fraction=0.05,0.1", *WALK),
    }
    files = {name: f"{name.replace(' ', '-')}.json" for name in commands}
    out = (
        "data",
        "export",
        *series,
        "--from",
        "2021-04-19T00:00:00Z",
        "--to",
        "2021-04-20T00:00:00Z",
        "--out",
        "x.csv",
    )
    run_commands(home, *((*command, "--json", files[name]) for name, command in commands.items()), out, ("status",))
    shapes = {name: shape_of(_read(home / file)) for name, file in files.items()}
    return {
        **shapes,
        "data export": dict.fromkeys((home / "x.csv").read_text().splitlines()[0].split(","), "column"),
    }


def _run_flows(home: Path) -> dict[str, Any]:
    """All flows in the home of the demo, against a venue that knows nothing of it."""
    with running_venue(home, "--recording", "bundled", "--clock", "recorded") as venue:
        account = {"key": "k", "secret": "s", "balances": {"USD": "100000"}}
        venue_post(venue, "accounts", account)
        out = home / "flows.json"
        where = {
            "REST_URL": venue["rest"],
            "WS_URL": venue["ws"],
            "ADMIN_URL": venue["admin"],
            "KEY": "k",
            "SECRET": "s",
        }
        names = {f"TIDEMILL_VENUE__{name}": value for name, value in {**where, "NAME": "SAMPLE"}.items()}
        run(home, str(HERE / "every_flow.py"), str(out), venue["token"], **names)
        truth = Request(f"{venue['admin']}/truth", headers={"X-Admin-Token": venue["token"]})
        with urlopen(truth, timeout=30) as answer:
            said = {"venue truth": shape_of(json.load(answer)), "venue": shape_of(venue)}
    return {"venue": said, **_read(out)}


@contextmanager
def running_venue(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """A paper venue in a process of its own; its first line."""
    code = os.pathsep.join(str(path) for path in (ROOT / "src", ROOT))
    with subprocess.Popen(
        [sys.executable, "-m", "tidemill", "venue", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": code},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def venue_post(venue: dict[str, Any], path: str, body: dict[str, Any]) -> None:
    """Say something on the venue's admin URL."""
    headers = {"X-Admin-Token": venue["token"], "Content-Type": "application/json"}
    urlopen(Request(f"{venue['admin']}/{path}", json.dumps(body).encode(), headers), timeout=30).close()


def _demo_artifacts(home: Path) -> dict[str, Any]:
    """The key of every artifact of the demo, with its type and its description."""
    database = next((home / "prefect").rglob("*.db"))
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT key, type, description FROM artifact").fetchall()
    return {key: [kind, description] for key, kind, description in rows if key}


def tables(database: Path) -> dict[str, Any]:
    """Tables with their columns and types, indexes, and where the migrations stand."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        named = [row[1] for row in rows if row[0] == "table" and not row[1].startswith("sqlite_")]
        return {
            "columns": {name: _columns(connection, name) for name in named},
            "indexes": sorted(row[1] for row in rows if row[0] in {"index", "trigger", "view"} and row[3]),
            "version": [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")],
        }


def stored_words(database: Path, columns: Sequence[str]) -> dict[str, list[str]]:
    """The values that lie in columns of words."""
    with closing(sqlite3.connect(database)) as connection:
        return {
            name: sorted(row[0] for row in connection.execute("SELECT DISTINCT {1} FROM {0}".format(*name.split("."))))
            for name in columns
        }


def _columns(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    return {
        row[1]: row[2] + (" NOT NULL" if row[3] else "") + (" KEY" if row[5] else "")
        for row in connection.execute(f"PRAGMA table_info({table})")
    }


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
