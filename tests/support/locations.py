"""The one place that knows where the optional test data lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TEST_DATA = Path(os.environ.get("TIDEMILL_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
# the definition of the workloads P1 and P2: make_data.py and workloads.py
BENCH = Path(os.environ.get("TIDEMILL_BENCH", TEST_DATA.parent / "bench"))


def need(relative: str) -> Path:
    """A path below the test data; the calling test skips visibly when it is absent."""
    path = TEST_DATA / relative
    if not path.exists():
        pytest.skip(f"test data absent: {relative} (set TIDEMILL_TEST_DATA)")
    return path


def need_bench(name: str) -> Path:
    """A file of the workloads' definition; the calling test skips visibly when it is absent."""
    path = BENCH / name
    if not path.exists():
        pytest.skip(f"workload definition absent: {name} (set TIDEMILL_BENCH to its folder)")
    return path
