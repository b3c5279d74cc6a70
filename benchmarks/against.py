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


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Seconds of the whole workload, None where it was not run; ``told`` says how they were come by, or why not."""

    told: str
    engine: float | None = None
    total: float | None = None


def ask_peer(name: str, workload: str, arrays: Path, peers: Path | None) -> Peer:
    """What ``name`` takes for ``workload``, in the environment below ``peers``."""
    program, environment = PEERS[name]
    python = None if peers is None else peers / environment / "bin" / "python"
    if python is None or not python.exists():
        return Peer(told="not run (PEERS=1 runs the peers)" if peers is None else "cannot be installed here")
    try:
        done = subprocess.run(
            [python, PROGRAMS / program, arrays, workload],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Peer(told=f"not done after {PATIENCE} s")
    if done.returncode:
        sys.stderr.write(f"{name} failed on {workload}: {done.stderr[-2000:]}\n")
        return Peer(told="failed here")
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


def told_of(one: Peer) -> str:
    """A peer's seconds, where there are any, and how they were come by."""
    if one.engine is None or one.total is None:
        return one.told
    return f"{plainly(one.engine)} ({plainly(one.total)}); {one.told}"


def plainly(seconds: float) -> str:
    """Three digits, and no exponent."""
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"
