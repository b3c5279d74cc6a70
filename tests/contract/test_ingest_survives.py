"""A backfill that is killed, and a disk that is full: nothing torn, and a rerun completes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.binance_wire import klines, spot
from support.wire_double import serving

from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.ingest import PART_BARS

pytestmark = pytest.mark.wire
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


CHILD = """
import os, resource, sys
from datetime import UTC, datetime, timedelta
from tidemill.adapters.ccxt.market import CcxtMarket
from tidemill.memory.clocks import ManualClock
from tidemill.adapters.sql.market.gaps import SqlGapLedger
from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.ingest import BarFeed, SeriesJob, ingest_bars

url, home, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
now = datetime(2026, 1, 1, tzinfo=UTC)
store, gaps = SqlMarketStore(f"sqlite:///{home}/market.db"), SqlGapLedger(f"sqlite:///{home}/market.db")
source = CcxtMarket("binance", venue="BINANCE", rest_url=url, market_clock=ManualClock(now))
instruments = {one.id: one for one in source.fetch_instruments()}
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
feed = BarFeed(source=source, store=store, ledger=gaps)
print("ready", flush=True)
for name in sorted(instruments):
    try:
        job = SeriesJob(instrument=instruments[name], timeframe="1m")
        done = ingest_bars(feed, job, now=now, history=timedelta(minutes=30000))
        print(name, done.stored, flush=True)
    except Exception as error:
        print(name, type(error).__name__, str(error).splitlines()[0], flush=True)
source.close()
"""


BIG = 30_000
SPOT = {"exchangeInfo": {"symbols": [spot("BTC"), spot("ETH")]}}


def varied(query: dict[str, str]) -> list[list[Any]]:
    """Bars that differ from one another."""
    return [[row[0], *row[1:5], str(10 + row[0] // 60000 % 997), *row[6:]] for row in klines(query)]


def child(url: str, home: Path, limit: int = 0) -> subprocess.Popen:
    command = [sys.executable, "-c", CHILD, url, str(home), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def stored_opens(home: Path, name: str) -> list[pd.Timestamp]:
    store = SqlMarketStore(f"sqlite:///{home / 'market.db'}")
    found = store.read_bars([name], "1m", NOW - BIG * MINUTE, NOW)
    store.close()
    return list(found["open_time"])


def test_a_backfill_that_was_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    served = 0

    def slowly(query: dict[str, str]) -> list[list[Any]]:
        nonlocal served
        served += 1
        if served == 25:
            os.kill(running.pid, signal.SIGKILL)
            time.sleep(0.2)
        return varied(query)

    with serving({**SPOT, "klines": slowly}) as double:
        running = child(double.url, tmp_path)
        running.communicate(timeout=60)
        assert running.returncode == -9
        kept = stored_opens(tmp_path, "BTC-USDT.BINANCE")
        assert 0 < len(kept) < BIG, "whole parts are stored, and nothing but whole parts"
        assert len(kept) % PART_BARS == 0
        before = len(double.asked)
        told = child(double.url, tmp_path).communicate(timeout=60)[0]
        asked = [query for path, query in double.asked[before:] if "klines" in path and query["symbol"] == "BTCUSDT"]
    assert min(int(one["startTime"]) for one in asked) == (kept[-1] + pd.Timedelta(minutes=1)).timestamp() * 1000
    assert f"BTC-USDT.BINANCE {BIG - len(kept)}" in told
    for name in ("BTC-USDT.BINANCE", "ETH-USDT.BINANCE"):
        assert stored_opens(tmp_path, name) == list(pd.date_range(NOW - BIG * MINUTE, periods=BIG, freq="min"))
    store = SqlMarketStore(f"sqlite:///{tmp_path / 'market.db'}")
    bars = store.read_bars(["BTC-USDT.BINANCE"], "1m", NOW - BIG * MINUTE, NOW)
    assert bars["assumed"].all(), "what was taken on belongs to the past as much as what was there"
    store.close()


def test_a_full_disk_fails_the_series_that_meets_it_and_a_rerun_completes_it(tmp_path: Path) -> None:
    import sqlite3

    with serving({**SPOT, "klines": varied}) as double:
        lines = child(double.url, tmp_path, limit=3_000_000).communicate(timeout=60)[0].splitlines()
        assert lines[0] == "ready"
        assert len(lines) == 3, lines
        assert any("TransientError the store" in one for one in lines), lines
        with sqlite3.connect(tmp_path / "market.db") as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for name in ("BTC-USDT.BINANCE", "ETH-USDT.BINANCE"):
            assert len(stored_opens(tmp_path, name)) % PART_BARS in {0, BIG % PART_BARS}, "no part is torn"
        again = child(double.url, tmp_path).communicate(timeout=60)[0]
        assert "Error" not in again
    for name in ("BTC-USDT.BINANCE", "ETH-USDT.BINANCE"):
        assert len(stored_opens(tmp_path, name)) == BIG
