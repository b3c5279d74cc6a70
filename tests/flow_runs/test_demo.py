"""The demo as a user runs it, with every socket beyond loopback refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.offline import run_offline

pytestmark = pytest.mark.flow_run


def check_counts(summary: dict) -> None:
    orders = summary["orders"]
    assert sum(count for name, count in orders.items() if name != "intended") == orders["intended"]
    assert summary["ledger_venue_difference"] == "0"
    assert summary["failures"] == []


def test_a_short_demo_fills_orders_and_needs_no_network(tmp_path: Path) -> None:
    done = run_offline(tmp_path, "demo", "--json", "out.json", "--from", "2013-02-26T00:00:00Z")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    summary, screen = json.loads((tmp_path / "out.json").read_text()), done.stdout
    check_counts(summary)
    assert summary["steps"] == 3
    assert summary["bars"] == 12
    assert summary["posts"] > 0
    assert summary["skipped_sources"] == []
    assert summary["orders"]["filled"] > 0
    assert summary["model"]["verdict"] == "unproven"
    assert "prices are real, posts are generated" in screen
    assert summary["currency"] == "USD"
    assert f"-> {float(summary['equity_end']):,.2f} USD" in screen
    assert f"cd {summary['folder']} && tidemill explain s" in screen
    order = summary["lineage"]["orders"][0]
    assert order["fills"]
    assert order["raw"]
    assert order["forecast"]
    assert (Path(summary["folder"]) / "equity.png").stat().st_size > 10_000
    check_made_again(Path(summary["folder"]), summary["lineage"]["decision"]["decision_id"])


def check_made_again(folder: Path, decision: str) -> None:
    """The settings that the demo left suffice: no venue is there to be asked any more."""
    again = run_offline(folder, "rerun", decision)
    assert "the same, bit for bit" in again.stdout, again.stdout + again.stderr
    assert again.returncode == 0
