"""`python -m benchmarks.engines [--arrays DIR]`: the kernels on P1 and P2, and a sweep; medians of several runs.

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
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

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


def median_milliseconds(work: Callable[[], object]) -> float:
    work()
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


def first_call_seconds() -> float:
    """Seconds of the first engine call of a fresh process, its machine code already on disk; the import apart."""
    code = (
        "import time\n"
        "from benchmarks.engines import *\n"
        "m1 = walk(2000, 1, 1)\n"
        "began = time.perf_counter()\n"
        "cross_engine(m1, cross_signal(m1))\n"
        "print(time.perf_counter() - began)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


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


TITLE = "Backtest engines"


def rows(options: Options) -> list[Row]:
    """The compiled loops on P1 and P2."""
    found = measure(options.arrays)
    return [
        *(Row(f"fast, {name}, engine alone", f"{found[name]['engine_ms']:.2f} ms") for name in STATED),
        *(Row(f"fast, {name}, with its signals", f"{found[name]['with_signal_ms']:.2f} ms") for name in STATED),
        Row("first call of a fresh process, compiled code on disk", f"{found['first call']['seconds']:.2f} s", "1 s"),
    ]


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
