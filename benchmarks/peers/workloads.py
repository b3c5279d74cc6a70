"""P1 and P2 for a peer's process: arrays from the folder that the bench names, figures as one line of JSON."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

FAST, SLOW, STAKE, FEE, CASH = 20, 100, 1000.0, 0.001, 100_000.0
DAY, WEEK, INVESTED = 24, 168, 0.95


def load(name: str) -> dict[str, np.ndarray]:
    """One workload's arrays: ts int64 ms (T,); o, h, l, c, v float64 (T, S)."""
    with np.load(Path(sys.argv[1]) / f"{name}.npz") as stored:
        return {key: stored[key] for key in ("ts", "o", "h", "l", "c", "v")}


def crosses(close: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the short mean crosses above the long one, and below it; bool (T,)."""
    sums = np.concatenate([[0.0], np.cumsum(close)])
    means = []
    for window in (FAST, SLOW):
        mean = np.full(len(close), np.nan)
        mean[window - 1 :] = (sums[window:] - sums[:-window]) / window
        means.append(mean)
    above = means[0] > means[1]
    known = ~np.isnan(means[1])
    before = np.concatenate([[False], above[:-1]])
    known_before = np.concatenate([[False], known[:-1]])
    return above & ~before & known_before, ~above & before & known_before


def daily_weights(close: np.ndarray) -> np.ndarray:
    """Weights (D, S) inverse to the volatility of the week before each day, NaN in the first eight days."""
    moves = np.diff(np.log(close), axis=0, prepend=np.nan)
    days = len(moves) // DAY
    made = np.full((days, close.shape[1]), np.nan)
    for day in range(8, days):
        inverse = 1 / moves[day * DAY - WEEK : day * DAY].std(0)
        made[day] = INVESTED * inverse / inverse.sum()
    return made


def timed(work: Callable[[], object]) -> float:
    """Processor seconds of one call, which other programs on the machine change little."""
    began = time.process_time()
    work()
    return time.process_time() - began


def median(work: Callable[[], object], runs: int) -> float:
    """Median seconds of ``runs`` calls."""
    return statistics.median(timed(work) for _ in range(runs))


def peak_megabytes() -> float:
    """Largest resident size of this program; what getrusage tells begins with the size of the one that started it."""
    told = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(told.partition("VmHWM:")[2].split(maxsplit=1)[0]) / 1024


def tell(**figures: float | str) -> None:
    """Print what was measured, as the last line."""
    sys.stdout.write("\n" + json.dumps({**figures, "megabytes": peak_megabytes()}) + "\n")
