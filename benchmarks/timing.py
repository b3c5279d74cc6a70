"""What the parts of the bench share: rows of the page, options, medians, peak memory."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

RUNS = 5


class Row(NamedTuple):
    """One line of the page; ``wanted`` is empty where nothing is asked."""

    what: str
    measured: str
    wanted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``arrays``: folder with m1.npz, h1.npz, k1.npz (None: arrays of our own, made with a fixed seed).

    ``peers``: the interpreter of the environment in which the peers are installed, or None.
    """

    arrays: Path | None = None
    peers: Path | None = None


def median_seconds(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median of ``runs`` calls after one to warm up."""
    work()
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def medians_in_turn(*works: Callable[[], object], runs: int = 3 * RUNS) -> list[float]:
    """Median seconds of each, called in turn in every round: what else the machine does meets them alike."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(runs + 1):
        for work, seconds in zip(works, taken, strict=True):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return [statistics.median(seconds[1:]) for seconds in taken]


def peak_megabytes() -> float:
    """Largest resident size that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
