"""Python's collector of cycles, held back while a backtest makes what stays until its end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

COLLECT_AFTER = 200_000


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Let the collector of cycles come by less often: what a backtest makes stays until its end, in no cycles."""
    usual = gc.get_threshold()
    # another thread's backtest may have seen to it
    if usual[0] < COLLECT_AFTER:
        gc.set_threshold(COLLECT_AFTER, *usual[1:])
    try:
        yield
    finally:
        if usual[0] < COLLECT_AFTER:
            gc.set_threshold(*usual)
