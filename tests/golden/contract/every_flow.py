"""Run all flows in the home of a demo and write what they returned: every_flow.py OUT TOKEN."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness
from watch import returned, watch

DECIDED = datetime(2013, 2, 28, 0, 1, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def run_all() -> None:
    """Each at least once, in every form that a summary has; the venue is another than the demo's, and empty."""
    from flows.backfill import backfill
    from flows.backtest import backtest
    from flows.halt import halt
    from flows.ingest_market import ingest_market
    from flows.monitor import monitor
    from flows.prune import prune
    from flows.reconcile import reconcile
    from flows.repair import repair
    from flows.retrain import retrain
    from flows.shortfall import shortfall
    from flows.stream_market import stream_market
    from flows.sweep import sweep
    from flows.trade import trade

    move_clock(DECIDED + timedelta(seconds=30))
    trade(as_of=DECIDED, mode="replay")  # decided by the demo; done again
    trade(as_of=DECIDED - 3 * DAY, mode="replay")  # too late: skipped
    trade(as_of=DECIDED, mode="replay", attempt=1, because="the venue is another one")  # refused
    retrain(mode="replay")
    ingest_market(mode="replay", emit=True)
    monitor(mode="replay")
    reconcile(mode="replay")
    backfill(DECIDED - 9 * DAY, DECIDED - 6 * DAY, mode="replay", again=True)
    repair(DECIDED - 9 * DAY, DECIDED, mode="replay")
    prune(mode="replay")
    halt("to see what it returns", mode="replay")
    monitor(mode="replay")
    stream_market(mode="replay", seconds=1.0)
    backtest(mode="replay")
    sweep(mode="replay", values=["buffer_fraction=0.05,9"])
    move_clock(DECIDED + timedelta(days=1, minutes=5))
    shortfall(mode="replay", days=3)
    reconcile(mode="replay")  # no bar any more: the venue is down


def move_clock(now: datetime) -> None:
    """Move the venue's clock, which is the market's."""
    headers = {"X-Admin-Token": sys.argv[2], "Content-Type": "application/json"}
    body = json.dumps({"now": now.isoformat().replace("+00:00", "Z")}).encode()
    urlopen(Request(f"{os.environ['TIDEMILL_VENUE__ADMIN_URL']}/clock", body, headers), timeout=30).close()


def artifacts() -> dict[str, Any]:
    """The key of every artifact, with its type and its description."""
    with get_client(sync_client=True) as client:
        listed = client.read_artifacts()
    return {entry.key: [entry.type, entry.description] for entry in listed if entry.key}


if __name__ == "__main__":
    watch()
    with prefect_test_harness(server_startup_timeout=120):
        run_all()
        found = {"flows": returned, "artifacts": artifacts()}
    Path(sys.argv[1]).write_text(json.dumps(found, default=str), encoding="utf-8")
