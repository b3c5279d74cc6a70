"""A real Prefect server: prepared twice, deployed to, and a schedule that really fires."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tidemill.operations.prefect_server import PrefectServer

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.flow_run
FLOWS = {
    "backfill",
    "backtest",
    "halt",
    "ingest_market",
    "ingest_sentiment",
    "monitor",
    "prune",
    "reconcile",
    "repair",
    "retrain",
    "shortfall",
    "stream_market",
    "sweep",
    "trade",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[PrefectServer]:
    made = PrefectServer(tmp_path_factory.mktemp("prefect"))
    made.start()
    try:
        made.wait()
        yield made
    finally:
        made.stop()


def run(server: PrefectServer, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **server.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(server: PrefectServer, path: str, body: dict | None = None) -> list[dict]:
    answer = requests.post(f"{server.ui_url}/api/{path}/filter", json=body or {}, timeout=30)
    answer.raise_for_status()
    return answer.json()


@pytest.fixture(scope="module")
def deployed(server: PrefectServer) -> PrefectServer:
    first = run(server, "deployments/prepare.py")
    assert "made" in first
    again = run(server, "deployments/prepare.py")
    assert "made" not in again
    run(server, "-m", "prefect", "deploy", "--all", "--no-prompt")
    return server


def test_every_flow_has_a_deployment_with_a_described_form(deployed: PrefectServer) -> None:
    found = ask(deployed, "deployments")
    flows = {one["id"]: one["name"] for one in ask(deployed, "flows")}
    assert {flows[one["flow_id"]] for one in found} == FLOWS
    assert {one["name"] for one in found} == {"paper"}
    trade = next(one for one in found if flows[one["flow_id"]] == "trade")
    assert trade["parameters"]["live"] is False
    form = trade["parameter_openapi_schema"]["properties"]
    assert all(form[name].get("description") for name in ("as_of", "mode", "attempt", "because", "live"))
    assert form["mode"]["enum"] == ["replay", "paper", "sandbox", "live"]


def test_trade_starts_on_the_event_and_zombies_are_crashed(deployed: PrefectServer) -> None:
    names = {one["name"] for one in ask(deployed, "automations")}
    assert any("silent" in name for name in names)
    expected = [one["trigger"].get("expect") for one in ask(deployed, "automations")]
    assert ["bars.ingested"] in expected


def test_the_schedule_really_makes_runs(deployed: PrefectServer) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        runs = ask(deployed, "flow_runs", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}})
        emitting = [one for one in runs if one["parameters"].get("emit") is True]
        if emitting:
            return
        time.sleep(1)
    pytest.fail("the server scheduled no run of ingest_market in two minutes")
