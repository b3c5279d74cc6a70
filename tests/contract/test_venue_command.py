"""`tidemill venue` as a command: bars of a store, the first line, and one sentence for what cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
import requests
from typer.testing import CliRunner

from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.cli import app
from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.operations.venue import infer_instrument

pytestmark = pytest.mark.wire
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def stored_bars(count: int) -> pd.DataFrame:
    opens = pd.date_range(FIRST, periods=count, freq="h").as_unit("us")
    prices = {"open": 100.25, "high": 101.5, "low": 99.0, "close": 100.5, "volume": 12.345}
    known = opens + pd.Timedelta(hours=1, seconds=1)
    return pd.DataFrame(
        {"instrument": "BTC-USDT.T", "open_time": opens, **prices, "knowledge_time": known, "assumed": True}
    )


def test_the_bars_of_a_store_are_served_with_steps_that_fit_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/market.db"
    store = SqlMarketStore(url)
    store.write_bars("1h", stored_bars(30), now=FIRST)
    store.close()
    command = [sys.executable, "-m", "tidemill", "venue", "--store", url, "--clock", "recorded"]
    chosen = os.environ | {"TIDEMILL_UNIVERSE": '["BTC-USDT.T"]', "TIDEMILL_TIMEFRAME": "1h"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=chosen)
    try:
        assert child.stdout is not None
        line = json.loads(child.stdout.readline())
        assert set(line) == {"rest", "ws", "ws_api", "admin", "token", "pid"}
        assert line["pid"] == child.pid
        head = {"X-Admin-Token": line["token"]}
        assert requests.get(f"{line['admin']}/clock", timeout=10).json() == {"now": "2026-01-01T00:00:00Z"}
        moved = requests.post(f"{line['admin']}/clock", json={"now": "2026-01-01T10:00:30Z"}, headers=head, timeout=10)
        assert moved.ok
        asked = {"symbol": "BTCUSDT", "interval": "1h", "limit": "3"}
        bars = requests.get(f"{line['rest']}/api/v3/klines", params=asked, timeout=10).json()
        assert [one[4] for one in bars] == ["100.50", "100.50", "100.25"]  # the running bar shows its open
        (symbol,) = requests.get(f"{line['rest']}/api/v3/exchangeInfo", timeout=10).json()["symbols"]
        steps = {one["filterType"]: one for one in symbol["filters"]}
        assert steps["PRICE_FILTER"]["tickSize"] == "0.01000000"
        assert steps["LOT_SIZE"]["stepSize"] == "0.00100000"
    finally:
        child.terminate()
        assert child.wait(20) == 0


def test_steps_are_inferred_from_the_bars() -> None:
    found = infer_instrument("BTC-USDT.T", stored_bars(2))
    assert (found.price_step, found.lot_step, found.id) == (Decimal("0.01"), Decimal("0.001"), "BTC-USDT.T")
    whole = stored_bars(2).assign(open=100.0, high=102.0, close=101.0, volume=5.0)
    assert infer_instrument("BTC-USDT.T", whole).price_step == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "name one source of prices"),
        (["--recording", "bundled", "--live", "binance"], "name one source of prices"),
        (["--recording", "nowhere.toml"], "there is no recording nowhere.toml"),
        (["--store", "sqlite:////nowhere/market.db"], "there is no store /nowhere/market.db"),
        (["--live", "no-such-exchange"], "no exchange 'no-such-exchange'"),
        (["--live-url", "http://127.0.0.1:1"], "--live-url needs --live"),
        (["--recording", "bundled", "--clock", "odd"], "--clock 'odd' is unknown; use real or recorded"),
        (["--recording", "bundled", "--protocol", "kraken"], "--protocol 'kraken' is unknown; use binance or bybit"),
        (["--recording", "bundled", "--port", "99999"], "--port is from 0"),
        (["--recording", "bundled", "--host", "0.0.0.0"], "--beyond-loopback lets other machines in"),
        (["--recording", "bundled", "--tls-cert", "a.pem"], "TLS needs both"),
        (["--recording", "bundled", "--tls-cert", "a.pem", "--tls-key", "b.pem"], "the certificate a.pem"),
        (["--recording", "bundled", "--db", "."], "cannot be opened"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(
    options: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["venue", *options])
    assert isinstance(done.exception, (DataError, ConfigurationError))  # the command line makes exit code 2 of these
    assert text in str(done.exception)
    assert "\n" not in str(done.exception)


def test_help_tells_a_stranger_how_to_begin() -> None:
    told = CliRunner().invoke(app, ["venue", "--help"], env={"COLUMNS": "160", "TERM": "dumb"}).output
    for part in (
        "--recording bundled --clock recorded",
        "X-Admin-Token",
        "POST /accounts",
        "--beyond-loopback",
        "--live",
    ):
        assert part in " ".join(told.split())
