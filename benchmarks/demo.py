"""The whole demo, once, as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.timing import Options, Row

TITLE = "Demo"


def rows(_options: Options) -> list[Row]:
    demo = whole_demo()
    return [
        Row(f"`tidemill demo`, {demo['steps']} steps, installed", f"{demo['seconds']:.0f} s", "120 s"),
        Row("peak memory of the demo's flow process", f"{demo['megabytes']:.0f} MB", "700 MB"),
    ]


def whole_demo() -> dict[str, float]:
    """Seconds of the demo's 12 steps, and peak memory of its flow process in MB."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, "-m", "tidemill", "demo", "--json", str(out)]
        began = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        summary = json.loads(out.read_text())
        return {
            "seconds": time.perf_counter() - began,
            "steps": summary["steps"],
            "megabytes": used.ru_maxrss / 1024,
        }
