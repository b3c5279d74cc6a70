"""A backtest becomes statistics, a trial and a page: from the command line, and again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tasks.backtest import make_backtest
from tidemill.bootstrap import Overrides, Services, SettingsPlanLoader, using
from tidemill.cli import app
from tidemill.domain.errors import ConfigurationError
from tidemill.memory.clocks import ManualClock
from tidemill.memory.trials import MemoryTrialLedger
from tidemill.recording import hash_recording, load_recording
from tidemill.reports import ORDER_COUNTS
from tidemill.research.report import Backtester
from tidemill.research.requests import BacktestRequest
from tidemill.settings import load_settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 24 * 20
FROM, TO = datetime(2021, 1, 12, tzinfo=UTC), datetime(2021, 1, 20, tzinfo=UTC)

RECORDING = """
title = "a made walk"
calendar = "24x7"

[[bars]]
venue = "TEST"
instrument = "BTC-USDT"
timeframe = "1h"
file = "bars.csv"
price_step = "0.01"
lot_step = "0.00001"
min_notional = "5"
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    random = np.random.default_rng(5)
    closes = np.round(100 * np.exp(np.cumsum(random.normal(0.001, 0.01, HOURS))), 2)
    opens = np.concatenate([[100.0], closes[:-1]])
    pd.DataFrame(
        {
            "open_time": pd.date_range("2021-01-01", periods=HOURS, freq="h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "open": opens,
            "high": np.maximum(opens, closes),
            "low": np.minimum(opens, closes),
            "close": closes,
            "volume": 1e6,
        }
    ).to_csv(tmp_path / "bars.csv", index=False)
    path = tmp_path / "recording.toml"
    path.write_text(RECORDING)
    return path


def report(trials: MemoryTrialLedger, data: Path, *, page: Path | None = None, **changes: object) -> dict:
    told = {"data": data, "start": FROM, "end": TO, "strategy": "trend", "every": "12h"}
    loader = SettingsPlanLoader.of(load_settings(**changes.pop("settings", {})))
    backtester = Backtester(plan_loader=loader, trials=trials, clock=changes.pop("clock", ManualClock(NOW)))
    on_step = changes.pop("on_step", None)
    return backtester.report(BacktestRequest(**{**told, **changes}), page=page, on_step=on_step).to_json()


def test_the_statistics_agree_with_the_run(data: Path, tmp_path: Path) -> None:
    trials = MemoryTrialLedger()
    page = tmp_path / "page.html"
    result = report(trials, data, page=page)
    statistics = result["statistics"]
    json.dumps(result, allow_nan=False)
    assert float(result["equity_end"]) == pytest.approx(statistics["strategy"]["end_equity"])
    profit = sum(float(one["profit"]) for one in statistics["instruments"])
    assert profit == pytest.approx(float(result["equity_end"]) - float(result["equity_start"]), abs=1e-6)
    assert float(statistics["costs"]["fees"]) == pytest.approx(float(result["fees"]))
    assert statistics["strategy"]["max_drawdown"] == pytest.approx(float(result["max_drawdown"]))
    assert result["orders"]["filled"] > 3
    assert "a made walk" in page.read_text(encoding="utf-8")
    assert str(tmp_path) not in page.read_text(encoding="utf-8")


def test_each_run_is_a_row_and_each_variant_a_trial(data: Path) -> None:
    trials = MemoryTrialLedger()
    first = report(trials, data)
    again = report(trials, data)
    other = report(trials, data, every="1d")
    dearer = report(trials, data, settings={"fee_taker": "0.002"})
    later = report(trials, data, start=datetime(2021, 1, 14, tzinfo=UTC))
    assert [one["trial"]["number"] for one in (first, again, other, dearer, later)] == [1, 2, 3, 4, 5]
    assert [one["statistics"]["trials"] for one in (first, again, other, dearer, later)] == [1, 1, 2, 3, 4]
    recorded = trials.load_trials()[0]
    assert (recorded.recorded_at, recorded.strategy, recorded.start, recorded.end) == (NOW, "trend", FROM, TO)
    assert recorded.sharpe == first["statistics"]["strategy"]["sharpe"]
    assert recorded.orders == first["orders"]["intended"]
    assert first["statistics"] == again["statistics"]
    assert first["trial"]["parameters_hash"] != dearer["trial"]["parameters_hash"]


def test_the_data_hash_tells_data_and_not_names(data: Path) -> None:
    recording = load_recording(data)
    assert hash_recording(recording) == hash_recording(replace(recording, title="another"))
    series = recording.series[0]
    changed = series.bars.copy()
    changed.loc[7, "close"] += 0.01
    assert hash_recording(recording) != hash_recording(replace(recording, series=(replace(series, bars=changed),)))


def test_a_page_without_a_folder_is_refused_before_anything_runs(data: Path, tmp_path: Path) -> None:
    """At both doors: the task, called as a function, and the command."""
    request = BacktestRequest(data=data, start=FROM, end=TO, strategy="trend", every="12h")
    page = str(tmp_path / "no" / "page.html")
    trials = MemoryTrialLedger()
    with (
        using(
            Services(
                load_settings(home=tmp_path),
                Overrides(
                    trials=trials,
                ),
            )
        ),
        pytest.raises(ConfigurationError, match="make it first"),
    ):
        make_backtest.fn(request, page)
    assert trials.load_trials() == []
    done = CliRunner().invoke(app, ["backtest", "--data", str(data), "--report", page])
    assert isinstance(done.exception, ConfigurationError)
    assert "make it first" in str(done.exception)


def test_the_command_writes_page_statistics_and_warnings(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    command = ["backtest", "--data", str(data), "--from", "2021-01-12T00:00:00Z", "--to", "2021-01-20T00:00:00Z"]
    command += ["--every", "12h", "--json", "out.json", "--report", "out.html"]
    for _ in range(2):
        told = CliRunner().invoke(app, command)
        assert told.exit_code == 0, told.output
    assert "warning" in told.output
    assert "buy and hold" in told.output
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["trial"]["number"] == 2
    assert written["statistics"]["trials"] == 1
    assert (tmp_path / "out.html").stat().st_size > 1_000_000


def with_hole_and_posts(data: Path) -> Path:
    """The recording without three bars, and with posts before the decisions, between them and after the last one."""
    rows = pd.read_csv(data.parent / "bars.csv")
    gone = rows["open_time"].isin([f"2021-01-14T{hour:02}:00:00Z" for hour in (3, 4, 5)])
    rows[~gone].to_csv(data.parent / "bars.csv", index=False)
    times = ("2021-01-05T00:00:00Z", "2021-01-13T00:00:00Z", "2021-01-13T01:00:00Z", "2021-01-19T13:00:00Z")
    posts = [f"{number},{made},bitcoin looks great {number},Bitcoin" for number, made in enumerate(times)]
    (data.parent / "posts.csv").write_text("\n".join(["id,created_at,text,channel", *posts]))
    data.write_text(RECORDING + '[[posts]]\nsource = "reddit"\nfile = "posts.csv"\n')
    return data


def test_it_has_the_keys_of_a_replay_and_counts_what_its_steps_would_fetch(data: Path) -> None:
    told = report(MemoryTrialLedger(), with_hole_and_posts(data))
    assert set(told) >= {
        *("steps", "seconds", "bars", "gaps", "posts", "scores", "model", "strategy", "forecasts", "orders", "vetoed"),
        *("dropped", "fees", "equity_start", "equity_end", "max_drawdown", "refusals"),
    }
    assert all(str(Decimal(told[name])) == told[name] for name in ("fees", "equity_start", "equity_end"))
    # hourly closes from the first decided one, 12 January 0 h, to the last, 19 January 12 h: 181, three of them missing
    assert (told["steps"], told["bars"], told["gaps"]) == (16, 178, 3)
    assert (told["posts"], told["scores"]) == (2, 2)
    counts = told["orders"]
    assert set(counts) == set(ORDER_COUNTS)
    assert sum(count for name, count in counts.items() if name != "intended") == counts["intended"]


def test_both_speeds_count_the_same_bars_and_both_are_timed(data: Path) -> None:
    made = with_hole_and_posts(data)
    for speed in ("exact", "fast"):
        clock = ManualClock(NOW)
        told = report(
            MemoryTrialLedger(),
            made,
            clock=clock,
            speed=speed,
            on_step=lambda done, every, clock=clock: clock.move_to(NOW + timedelta(seconds=2.5 * done / every)),
        )
        assert (told["speed"], told["bars"], told["gaps"], told["seconds"]) == (speed, 178, 3, 2.5)


def test_the_fast_speed_tells_the_statistics_of_the_exact_one(data: Path) -> None:
    """Both are measured by the same functions from their own fills; here they differ by less than a lot in all."""
    told = {}
    for speed in ("exact", "fast"):
        told[speed] = report(MemoryTrialLedger(), data, speed=speed, every="4h")["statistics"]
    exact, fast = told["exact"], told["fast"]
    assert fast.keys() == exact.keys()
    assert fast["trades"]["closed"] == exact["trades"]["closed"] > 0
    assert fast["period"] == exact["period"]
    for part in ("strategy", "benchmark", "exposure", "capacity"):
        assert {k: v for k, v in fast[part].items() if k != "name"} == pytest.approx(
            {k: v for k, v in exact[part].items() if k != "name"}, rel=1e-4, nan_ok=True
        ), part
    for name in ("fees", "shortfall", "slippage", "total", "traded"):
        assert float(fast["costs"][name]) == pytest.approx(float(exact["costs"][name]), rel=1e-4), name
    assert fast["intervals"]["max_drawdown"]["high"] == pytest.approx(
        exact["intervals"]["max_drawdown"]["high"], rel=1e-3
    )
    assert fast["beta"] == pytest.approx(exact["beta"], rel=1e-3)
