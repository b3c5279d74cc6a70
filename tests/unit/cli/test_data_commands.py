"""`tidemill data` as a user types it: the messy vendor file, gaps, completeness, quarantine and release."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.locations import need
from typer.testing import CliRunner

from tidemill.bootstrap import Services, using
from tidemill.cli import app
from tidemill.settings import Settings

ROWS = [100.0, 101.0, 100.5, 99.0, 900.0, 101.5, 100.0, 99.5, 100.0, 101.0]
Command = Callable[..., dict[str, Any]]


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """Run ``tidemill data ...`` in a home of its own and return its JSON."""
    known = Services(Settings(home=tmp_path / "home"))

    def run(*words: str, code: int = 0) -> dict[str, Any]:
        out = tmp_path / "out.json"
        out.unlink(missing_ok=True)
        done = CliRunner().invoke(app, ["data", *words, *(["--json", str(out)] if words[0] != "release" else [])])
        assert done.exit_code == code, done.output + repr(done.exception)
        return json.loads(out.read_text()) if out.exists() else {"output": done.output}

    with using(known):
        yield run
    known.close()


def write_csv(path: Path, name: str, *, skip: tuple[int, ...] = ()) -> Path:
    lines = ["open_time,open,high,low,close,volume"]
    lines += [
        f"2021-04-19T{hour:02}:00:00Z,{price},{price + 1},{price - 1},{price},{hour + 1}"
        for hour, price in enumerate(ROWS)
        if hour not in skip
    ]
    file = path / f"{name}_1h.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_a_doubted_bar_is_listed_and_released_with_a_reason(command: Command, tmp_path: Path) -> None:
    imported = command("import", str(write_csv(tmp_path, "BTCUSDT")), "--venue", "V")
    (series,) = imported["series"]
    assert (series["stored"], series["rejected"], series["quarantined"], series["missing"]) == (9, 1, 1, 1)
    assert series["causes"] == {"quarantined": 1}
    found = command("quarantine")
    assert found["reasons"] == {"spike against its neighbours": 1}
    (bar,) = found["bars"]
    assert (bar["open_time"], bar["close"], bar["source"]) == ("2021-04-19T04:00:00Z", 900.0, "import")
    assert len(bar["payload_hash"]) == 64
    words = ("release", "2021-04-19T04:00:00Z", "--instrument", "BTC-USDT.V", "--timeframe", "1h")
    assert "released; 1 bars stored" in command(*words, "--because", "it was a squeeze")["output"]
    assert command("quarantine")["bars"] == []
    assert command("quarantine", "--all")["bars"][0]["because"] == "it was a squeeze"


def test_gaps_have_cause_state_and_history(command: Command, tmp_path: Path) -> None:
    command("import", str(write_csv(tmp_path, "BTCUSDT", skip=(1, 4))), "--venue", "V")
    assert {one["cause"] for one in command("gaps")["gaps"]} == {"unknown"}
    command("import", str(write_csv(tmp_path, "ETHUSDT", skip=(1, 4))), "--venue", "V")
    found = command("gaps")
    assert found["missing"] == 4
    assert {one["cause"] for one in found["gaps"]} == {"venue outage"}
    first = found["gaps"][0]
    assert (first["start"], first["end"], first["state"]) == ("2021-04-19T01:00:00Z", "2021-04-19T02:00:00Z", "open")
    assert [one["cause"] for one in first["history"]] == ["unknown", "venue outage"]
    measured = command("completeness")
    assert [(one["expected"], one["stored"], one["missing"]) for one in measured["series"]] == [(10, 8, 2), (10, 8, 2)]
    assert measured["series"][0]["causes"] == {"venue outage": 2}
    assert measured["days"] == [{"day": "2021-04-19", "expected": 20, "stored": 16, "complete": "80.0000%"}]


def test_a_file_that_brings_the_missing_bars_repairs_the_hole(command: Command, tmp_path: Path) -> None:
    command("import", str(write_csv(tmp_path, "BTCUSDT", skip=(1, 2))), "--venue", "V")
    command("import", str(write_csv(tmp_path, "BTCUSDT", skip=(4,))), "--venue", "V")
    states = {one["start"]: one["state"] for one in command("gaps", "--all")["gaps"]}
    assert states["2021-04-19T01:00:00Z"] == "repaired"
    assert command("completeness")["series"][0]["repaired"] == 2


def test_release_needs_to_know_which_series(command: Command) -> None:
    command("release", "2021-04-19T04:00:00Z", "--because", "x", code=1)


@pytest.mark.data
def test_the_messy_vendor_file_goes_in_with_every_defect_counted(command: Command) -> None:
    """The figures are those that the test data's own description names."""
    file = need("crypto_cryptodatadownload_raw/Binance_BTCUSDT_1h.csv.gz")
    result = command("import", str(file), "--venue", "VENDOR")
    assert result["layout"] == "cryptodatadownload"
    (series,) = result["series"]
    defects = series["defects"]
    assert series["rows"] == 36_062
    assert (defects["time_in_ms"], defects["time_in_s"]) == (7_478, 28_584)
    assert (defects["date_as_iso"], defects["date_as_hour_am_pm"]) == (7_478, 28_584)
    assert defects["rows_out_of_order"] == 33_412, "newest first, in two vintages"
    assert defects["trade_count_missing"] == 28_584
    assert defects["repeated_time"] == 2_649
    assert defects["repeated_time_differs"] == 1_442
    assert defects["repeated_volume_differs"] == 2_648
    assert defects["unix_differs_from_date"] == 91
    assert (defects["gaps"], defects["missing_bars"]) == (8, 16)
    assert defects["zero_volume"] == 117
    assert defects["open_far_from_close"] == 1
    quarantine = command("quarantine")
    reasons = quarantine["reasons"]
    assert reasons["spike against its neighbours"] == 1
    assert reasons["an earlier row of the same time differs in price"] == 1_442
    assert sum(reasons.values()) == series["quarantined"]
    (broken,) = [one for one in quarantine["bars"] if one["reason"].startswith("spike")]
    assert (broken["open"], broken["close"]) == (16_199.91, 4_308.83)
    cut = [one for one in quarantine["bars"] if one["open_time"] == "2020-11-20T07:00:00Z"]
    assert [one["close"] for one in cut] == [18_143.03], "the bar cut off before it closed; its whole twin stays"
    # the first bar is in quarantine: the series is told from the second on
    assert series["stored"] == 36_062 - 2_649 - 1
    found = command("gaps")
    assert (len(found["gaps"]), found["missing"]) == (8, 16)
    assert max(one["missing"] for one in found["gaps"]) == 4, "the longest: two bars five hours apart"
    (measured,) = command("completeness")["series"]
    assert measured["expected"] == measured["stored"] + 16


def test_a_file_whose_name_tells_nothing_goes_in_under_the_name_given(command: Command, tmp_path: Path) -> None:
    path = write_csv(tmp_path, "A-USD.T").rename(tmp_path / "prices.csv")
    told = command("import", str(path), "--instrument", "XBT-USD.KRAKEN", "--timeframe", "1h")
    assert told["series"][0]["name"] == "XBT-USD.KRAKEN 1h"


def test_pruning_needs_an_age_and_tells_what_it_did(command: Command) -> None:
    assert command("prune", "--older-than", "30") == {
        "deleted": 0,
        "bytes": 0,
        "kept": 0,
        "left": 0,
        "left_bytes": 0,
    }
