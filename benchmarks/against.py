"""The peers on the same arrays in the same run: each in an interpreter of its own, which prints one line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 900
PROGRAMS = Path(__file__).parent / "peers"
# the peer's program, and the environment below the peers' folder in which it is installed
PEERS = {
    "vectorbt": ("with_vectorbt.py", "requirements"),
    "freqtrade": ("with_freqtrade.py", "requirements"),
    "nautilus_trader": ("with_nautilus.py", "nautilus"),
}
# Seconds of a whole workload measured once on a reference machine, where a bare compiled loop took BARE seconds;
# for runs without the peers. (engine alone, all of it)
BARE = {"P1": 0.0027, "P2": 0.0012}
REFERENCE = {
    ("vectorbt", "P1"): (0.052, 0.152),
    ("vectorbt", "P2"): (0.28, 0.323),
    ("freqtrade", "P1"): (34.0, 44.7),
    ("freqtrade", "P2"): (580.0, 580.0),
    ("nautilus_trader", "P1"): (68.2, 68.2),
    ("nautilus_trader", "P2"): (72.0, 72.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Seconds of the whole workload, of which ``share`` was run; ``told`` says how they were come by."""

    engine: float
    total: float
    told: str


def ask_peer(name: str, workload: str, arrays: Path, peers: Path | None, *, bare: float) -> Peer:
    """What ``name`` takes; the reference ratio times our bare loop's ``bare`` seconds where it cannot be run."""
    program, environment = PEERS[name]
    python = None if peers is None else peers / environment / "bin" / "python"
    if python is None or not python.exists():
        return reference(name, workload, bare, "not run")
    try:
        done = subprocess.run(
            [python, PROGRAMS / program, arrays, workload],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return reference(name, workload, bare, f"not done after {PATIENCE} s")
    if done.returncode:
        sys.stderr.write(f"{name} failed on {workload}: {done.stderr[-2000:]}\n")
        return reference(name, workload, bare, "failed here")
    found = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    share = found["share"]
    part = "" if share == 1 else f", extrapolated from {share:.1%} of the bars"
    count = "orders" if workload == "P2" else "entries"
    result = f"; equity {found['equity']:,.2f}, {found['orders']:,} {count}" if share == 1 else ""
    first = f"; first call {found['first_seconds']:.1f} s" if "first_seconds" in found else ""
    runs = f", median of {found['runs']} runs" if "runs" in found else ", one run"
    told = f"{found['version']}{runs}{part}{result}{first}; {found['megabytes']:.0f} MB"
    return Peer(engine=found["engine_seconds"] / share, total=found["total_seconds"] / share, told=told)


def ask_download(rest: str, start: str, days: int, peers: Path | None) -> tuple[float, str] | None:
    """Seconds of freqtrade's own download of all klines of a small exchange, and what they are of; None: not run."""
    python = None if peers is None else peers / "requirements" / "bin" / "python"
    if python is None or not python.exists():
        return None
    command = [python, PROGRAMS / "with_freqtrade_download.py", rest, start, str(days)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        sys.stderr.write(f"freqtrade's download failed: {done.stderr[-2000:]}\n")
        return None
    found = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    return found["seconds"], f"{found['version']}, {found['bars']:,} bars kept, {found['megabytes']:.0f} MB"


def reference(name: str, workload: str, bare: float, why: str) -> Peer:
    """Seconds that the peer would take, by its ratio to a bare loop on the reference machine."""
    engine, total = (seconds / BARE[workload] * bare for seconds in REFERENCE[name, workload])
    return Peer(engine=engine, total=total, told=f"{why}: its reference ratio to a bare loop")
