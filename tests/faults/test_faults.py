"""A small draw of the fault matrix, and its controls: a matrix that cannot fail proves nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.wire
FOLDER = Path(__file__).parent


def run(tmp_path: Path, *options: str) -> tuple[int, dict]:
    report = tmp_path / "report.json"
    command = [sys.executable, str(FOLDER), "--json", str(report), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert report.exists(), done.stderr
    return done.returncode, json.loads(report.read_text())


def test_no_order_is_doubled_lost_or_left_unexplained(tmp_path: Path) -> None:
    code, report = run(tmp_path, "--cases", "60", "--seed", "7", "--jobs", "6")
    assert (report["duplicates"], report["lost"], report["unexplained"]) == (0, 0, 0), report["found"]
    assert code == 0
    assert report["faults_struck"] > 0
    assert report["cases"] == 60
    # an instant that nothing passes any more would be a hole in the matrix that looks like success
    named = {one for one, cases in report["coverage"]["instant"].items() if cases and one != "none"}
    assert len(named) == 8
    assert named <= set(report["killed_at"])
    assert set(report) >= {"cases", "duplicates", "lost", "unexplained", "frozen", "recovery_seconds", "coverage"}
    assert set(report["recovery_seconds"]) == {"median", "p99"}


def test_the_same_holds_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    code, report = run(tmp_path, "--cases", "6", "--seed", "8", "--jobs", "3", "--db", "postgres")
    assert code == 0, report["found"]
    assert report["killed"] > 0


@pytest.mark.parametrize("control", ["settle", "guard", "lease", "intent"])
def test_a_protection_taken_out_is_found_out(tmp_path: Path, control: str) -> None:
    code, report = run(tmp_path, "--control", control, "--cases", "6", "--jobs", "2")
    assert code == 0, f"no damage was found without {control}"
    assert report["found"]


@pytest.mark.flow_run
def test_whole_flows_under_a_runner_are_killed_and_lose_nothing(tmp_path: Path) -> None:
    """Prefect's runner and nothing replaced; `make faults FLOWS=60` runs more."""
    code, report = run(tmp_path, "--flows", "3", "--seed", "2", "--jobs", "2")
    assert (report["duplicates"], report["lost"], report["unexplained"]) == (0, 0, 0), report["found"]
    assert code == 0
    assert report["killed"] > 0


def test_a_plain_client_under_the_same_faults_doubles_orders(tmp_path: Path) -> None:
    """What is counted can be damaged: the venue's faults are no harmless ones."""
    _, found = run(tmp_path, "--naive", "12", "--seed", "1")
    assert found["cases with damage"] > 0
    assert found["duplicates"] > 0
