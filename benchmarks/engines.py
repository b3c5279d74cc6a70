"""`python -m benchmarks.engines [--arrays DIR]`: both speeds on P1 and P2, beside the peers; medians of several runs.

Engines, all of one thread, are told and compared in processor seconds, ours and theirs: what else runs on the machine
changes these little. What a user waits for (first call, from the store to the figures) is told by the clock.

P1: one instrument, 525,600 bars, a cross of means over 20 and 100 closes, filled at the next open, a stake of
1,000, fee 0.1 %. P2: 50 instruments x 17,520 bars, rebalanced each day at the open to weights inverse to the
volatility of a week. With DIR (m1.npz, h1.npz) the figures that belong to those arrays are asserted; without,
random walks of a fixed seed are made.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.against import ask_peer, told_of
from benchmarks.timing import Options, Row
from tidemill.bootstrap import keep_compiled_code
from tidemill.settings import load_settings

keep_compiled_code(load_settings())

from tidemill.kernels import (  # noqa: E402
    Costs,
    Trail,
    inverse_volatility,
    run_cross,
    run_rebalance,
    sma_cross,
)

RUNS = 21
EXACT_RUNS = 3
CASH = 100_000.0
COSTS = Costs(0.0, np.inf, np.inf, 0.001, 0.001, 0.001, fee_in_quote=True, fee_step=0.0)
DAY, WEEK = 24, 168
STATED = {"P1": (92_734.36, 3_666), "P2": (97_873.93, 36_100)}
Arrays = dict[str, np.ndarray]


def walk(length: int, columns: int, seed: int) -> Arrays:
    """Opens and closes (T, S) of geometric random walks."""
    random = np.random.default_rng(seed)
    steps = random.standard_normal((length, columns)) * 0.001
    close = 100.0 * np.exp(np.cumsum(steps, axis=0))
    opened = np.concatenate([np.full((1, columns), 100.0), close[:-1]]) * np.exp(steps[::-1] * 0.1)
    return {"o": opened, "c": close}


def load(folder: Path | None, name: str, length: int, columns: int) -> Arrays:
    if folder is None:
        return walk(length, columns, seed=length)
    with np.load(folder / f"{name}.npz") as stored:
        return {key: stored[key] for key in ("o", "c")}


def cross_signal(m1: Arrays) -> np.ndarray:
    return sma_cross(np.ascontiguousarray(m1["c"][:, 0]), 20, 100)


def cross_engine(m1: Arrays, crosses: np.ndarray) -> Trail:
    steps = np.zeros((1, 3))
    return run_cross(crosses, m1["o"][:, 0], m1["c"][-1, 0], steps, COSTS, stake=1000.0, cash=CASH)


def rebalance_rows(h1: Arrays) -> np.ndarray:
    """First bar of each day from the ninth on."""
    return np.arange(8, len(h1["c"]) // DAY) * DAY


def weights_signal(h1: Arrays) -> np.ndarray:
    return inverse_volatility(h1["c"], rebalance_rows(h1), WEEK, 0.95)


def rebalance_engine(h1: Arrays, weights: np.ndarray) -> Trail:
    opens = np.ascontiguousarray(h1["o"][rebalance_rows(h1)])
    return run_rebalance(weights, opens, h1["c"][-1], np.zeros((opens.shape[1], 3)), COSTS, cash=CASH)


def median_milliseconds(work: Callable[[], object], runs: int = RUNS) -> float:
    work()
    taken = []
    for _ in range(runs):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken) * 1000


def first_call_seconds(processes: int = 5) -> float:
    """Median seconds of the first engine call of a fresh process, its machine code on disk; the import apart."""
    code = (
        "import time\n"
        "from benchmarks.engines import *\n"
        "m1 = walk(2000, 1, 1)\n"
        "began = time.perf_counter()\n"
        "cross_engine(m1, cross_signal(m1))\n"
        "print(time.perf_counter() - began)\n"
    )
    told = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(processes)
    ]
    return statistics.median(map(float, told))


def measure(folder: Path | None) -> dict[str, dict[str, float]]:
    m1, h1 = load(folder, "m1", 525_600, 1), load(folder, "h1", 17_520, 50)
    crosses, weights = cross_signal(m1), weights_signal(h1)
    p1, p2 = cross_engine(m1, crosses), rebalance_engine(h1, weights)
    return {
        "P1": {
            "equity": float(p1.equity[-1]),
            "orders": int((p1.filled > 0).sum()),
            "engine_ms": median_milliseconds(lambda: cross_engine(m1, crosses)),
            "with_signal_ms": median_milliseconds(lambda: cross_engine(m1, cross_signal(m1))),
        },
        "P2": {
            "equity": float(p2.equity[-1]),
            "orders": int((p2.filled != 0).sum()),
            "engine_ms": median_milliseconds(lambda: rebalance_engine(h1, weights)),
            "with_signal_ms": median_milliseconds(lambda: rebalance_engine(h1, weights_signal(h1))),
        },
        "first call": {"seconds": first_call_seconds()},
    }


TITLE = "Backtest engines (processor seconds; waits by the clock)"
COUNTED = {"P1": "entries", "P2": "orders"}
# (workload, speed, peer, whether the peer's signals count too, how many times as fast is wanted)
COMPARED = (
    ("P1", "fast", "vectorbt", False, 8),
    ("P1", "fast", "vectorbt", True, 0),
    ("P2", "fast", "vectorbt", False, 30),
    ("P2", "fast", "vectorbt", True, 3),
    ("P1", "exact", "freqtrade", False, 3),
    ("P1", "exact", "nautilus_trader", False, 0),
    ("P2", "exact", "freqtrade", False, 20),
    ("P2", "exact", "nautilus_trader", False, 2),
)


def rows(options: Options) -> list[Row]:
    """Both speeds on P1 and P2, and the peers on the same arrays: everything in one run."""
    from benchmarks.end_to_end import from_the_store

    with tempfile.TemporaryDirectory() as folder:
        arrays = options.arrays or write_arrays(Path(folder))
        found = measure(arrays)
        exact = {name: exactly(arrays, name) for name in STATED}
        told = [row for name in STATED for row in own_rows(name, found[name], exact[name], stated=bool(options.arrays))]
        told.append(
            Row(
                "first call of a fresh process, compiled code on disk", f"{found['first call']['seconds']:.2f} s", "1 s"
            )
        )
        told.append(
            Row("P1 from the store to all of the report's numbers, fast", f"{from_the_store(arrays):.2f} s", "1.5 s")
        )
        return told + compare(arrays, options.peers, found, exact)


def write_arrays(folder: Path) -> Path:
    """Our own m1.npz and h1.npz, with a fixed seed."""
    for name, length, columns, step in (("m1", 525_600, 1, 60_000), ("h1", 17_520, 50, 3_600_000)):
        made = walk(length, columns, seed=length)
        high, low = np.maximum(made["o"], made["c"]), np.minimum(made["o"], made["c"])
        ts = 1_704_067_200_000 + np.arange(length, dtype=np.int64) * step
        rounded = {key: np.round(value, 6) for key, value in {**made, "h": high, "l": low}.items()}
        np.savez(folder / f"{name}.npz", ts=ts, v=np.full(made["c"].shape, 1e6), **rounded)
    return folder


def exactly(arrays: Path, name: str) -> dict[str, float]:
    """The exact backtest: median seconds of EXACT_RUNS runs, equity, entries or orders."""
    from benchmarks.exact import equity_and_orders, prepare_p1, prepare_p2, run

    with np.load(arrays / ("m1.npz" if name == "P1" else "h1.npz")) as stored:
        given = {key: stored[key] for key in ("ts", "o", "h", "l", "c")}
    taken = []
    for _ in range(EXACT_RUNS):
        # prepared anew: a recording keeps what has been made of it
        prepared = (prepare_p1 if name == "P1" else prepare_p2)(given)
        began = time.process_time()
        made = run(prepared)
        taken.append(time.process_time() - began)
    equity, orders, buys = equity_and_orders(made)
    return {"seconds": statistics.median(taken), "equity": equity, "orders": buys if name == "P1" else orders}


def own_rows(name: str, fast: dict[str, float], exact: dict[str, float], *, stated: bool) -> list[Row]:
    """What both speeds take and come to; ``stated``: the results of these arrays are known."""
    wanted = f"{STATED[name][0]:,.2f}, {STATED[name][1]:,}" if stated else ""
    return [
        Row(f"{name}, fast, engine alone", f"{fast['engine_ms']:.2f} ms"),
        Row(f"{name}, fast, with its signals", f"{fast['with_signal_ms']:.2f} ms"),
        Row(f"{name}, fast: equity, {COUNTED[name]}", f"{fast['equity']:,.2f}, {fast['orders']:,}", wanted),
        Row(f"{name}, exact, median of {EXACT_RUNS} runs", f"{exact['seconds']:.1f} s"),
        Row(f"{name}, exact: equity, {COUNTED[name]}", f"{exact['equity']:,.2f}, {exact['orders']:,}", wanted),
    ]


def compare(
    arrays: Path, peers: Path | None, fast: dict[str, dict[str, float]], exact: dict[str, dict[str, float]]
) -> list[Row]:
    """How many times as fast as each peer that runs here, and how the peer's figure was come by."""
    asked = {(workload, peer) for workload, _, peer, _, _ in COMPARED}
    known = {(workload, peer): ask_peer(peer, workload, arrays, peers) for workload, peer in sorted(asked)}
    told = [Row(f"{peer} on {workload}, engine (all)", told_of(one)) for (workload, peer), one in known.items()]
    for workload, speed, peer, whole, wanted in COMPARED:
        theirs = known[workload, peer].total if whole else known[workload, peer].engine
        ours = exact[workload]["seconds"]
        if speed == "fast":
            ours = fast[workload]["with_signal_ms" if whole else "engine_ms"] / 1000
        what = f"{workload}, {speed}: times as fast as {peer}" + (", signals included" if whole else ", engines alone")
        times = "not compared" if theirs is None else f"{theirs / ours:,.1f}"
        told.append(Row(what, times, f"≥ {wanted}" if wanted else ""))
    return told


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--arrays", type=Path, help="folder with m1.npz and h1.npz")
    folder = options.parse_args().arrays
    figures = measure(folder)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    if folder is not None:
        for name, (equity, orders) in STATED.items():
            assert round(figures[name]["equity"], 2) == equity, (
                f"{name}: equity {figures[name]['equity']}, not {equity}"
            )
            assert figures[name]["orders"] == orders, f"{name}: {figures[name]['orders']} orders, not {orders}"
        sys.stdout.write("equities and counts are those stated for these arrays\n")


if __name__ == "__main__":
    main()
