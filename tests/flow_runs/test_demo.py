"""The demo as a user runs it, and the real recording, with every socket beyond loopback refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from locations import need

pytestmark = pytest.mark.flow_run

GUARD = """
import socket
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex

def _check(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"refused by the test: a connection to {address[0]}")

def connect(self, address):
    _check(self, address)
    return _connect(self, address)

def connect_ex(self, address):
    _check(self, address)
    return _connect_ex(self, address)

socket.socket.connect = connect
socket.socket.connect_ex = connect_ex
"""


def demo(folder: Path, *options: str) -> tuple[dict, str]:
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(GUARD)
    environment = {**os.environ, "PYTHONPATH": str(folder / "guard"), "NO_COLOR": "1"}
    for name in ("PREFECT_API_URL", "TIDEMILL_HOME"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "tidemill", "demo", "--json", "out.json", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads((folder / "out.json").read_text()), done.stdout


def check_counts(summary: dict) -> None:
    orders = summary["orders"]
    assert sum(count for name, count in orders.items() if name != "intended") == orders["intended"]
    assert summary["ledger_venue_difference"] == "0"
    assert summary["failures"] == []


def test_a_short_demo_fills_orders_and_needs_no_network(tmp_path: Path) -> None:
    summary, screen = demo(tmp_path, "--from", "2013-02-26T00:00:00Z")
    check_counts(summary)
    assert summary["steps"] == 3
    assert summary["bars"] == 12
    assert summary["posts"] > 0
    assert summary["skipped_sources"] == []
    assert summary["orders"]["filled"] > 0
    assert summary["model"]["verdict"] == "unproven"
    assert "prices are real, posts are generated" in screen
    order = summary["lineage"]["orders"][0]
    assert order["fills"]
    assert order["raw"]
    assert order["forecast"]
    assert (Path(summary["folder"]) / "equity.png").stat().st_size > 10_000


def test_two_days_of_the_real_recording_with_an_outage(tmp_path: Path) -> None:
    recording = need("recordings/crypto-1h-2021-reddit.toml")
    part = ("--from", "2021-04-19T00:00:00Z", "--to", "2021-04-21T00:00:00Z", "--every", "4h")
    summary, _ = demo(tmp_path, "--data", str(recording), *part)
    check_counts(summary)
    assert summary["steps"] == 12
    assert summary["gaps"] > 0
    assert [one["as_of"] for one in summary["refusals"]] == ["2021-04-20T04:01:30Z"]
    assert summary["orders"]["filled"] > 0
    assert summary["posts"] > 300
