"""Funding from files to commands: settled where it can be, refused by name where it cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.exact_runs import (
    BARS,
    HOUR,
    INSTRUMENTS,
    START,
    golden_recording,
    make_recording,
    plan_of,
)
from support.funded_runs import (
    BTC,
    EIGHT,
    OWN,
    RATES,
    D,
    funded,
    funding_of,
    random_funding,
)
from typer.testing import CliRunner

from tidemill.backtest import run_backtest
from tidemill.bootstrap import Services, using
from tidemill.cli import app
from tidemill.domain.errors import DataError
from tidemill.domain.market_events import MarketEventKind
from tidemill.recording import SPOT_ONLY, hash_recording
from tidemill.research.fast_backtest import run_fast_backtest
from tidemill.settings import load_settings


# -- what cannot settle it, says so
def test_an_asset_of_two_instruments_is_refused() -> None:
    recording = make_recording(1)
    twin = replace(recording.series[0], instrument=replace(INSTRUMENTS[0], venue="FUTURES"))
    both = replace(recording, series=(*recording.series, twin), funding=(funding_of(twin.instrument.id, RATES),))
    with pytest.raises(DataError, match=r"AAA-USD\.FUTURES has funding rates, and AAA-USD\.TEST holds AAA as well"):
        run_backtest(both, plan_of(both))


def test_the_fast_speed_and_the_wire_refuse_it_by_name() -> None:
    recording = funded(1)
    with pytest.raises(DataError) as caught:
        run_fast_backtest(recording, plan_of(recording))
    assert str(caught.value) == (
        "the fast speed settles no funding, and the recording 'random' has funding rates of AAA-USD.TEST, "
        "BBB-USD.TEST; use tidemill backtest at speed exact, or leave [[funding]] out"
    )
    with pytest.raises(DataError, match="the paper venue speaks a spot protocol, which settles no funding"):
        recording.need_no_funding(SPOT_ONLY)
    plain = make_recording(1)
    assert plain.need_no_funding(SPOT_ONLY) is plain


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    """The golden prices with two rates, as files."""
    recording = golden_recording()
    recording.series[0].bars.to_parquet(tmp_path / "bars.parquet")
    (tmp_path / "rates.csv").write_text("time,rate\n2021-04-10T08:30:00Z,0.0001\n2021-04-10T11:00:00Z,-0.01\n")
    named = 'venue = "TEST"\ninstrument = "BTC-USDT"\n'
    steps = 'price_step = "0.01"\nlot_step = "0.001"\nmin_notional = "5"\n'
    path = tmp_path / "perpetual.toml"
    path.write_text(
        f'title = "perpetual"\ncalendar = "24x7"\n[[bars]]\n{named}timeframe = "1h"\nfile = "bars.parquet"\n{steps}'
        f'[[funding]]\n{named}file = "rates.csv"\nrename = {{ time = "event_time" }}\n'
    )
    return path


def typed(*words: str, code: int) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output + repr(done.exception)
    return str(done.exception or "")


@pytest.mark.parametrize(
    "words",
    [("demo", "--data"), ("parity", "--data"), ("venue", "--recording"), ("backtest", "--speed", "fast", "--data")],
)
def test_commands_that_cannot_settle_say_so_in_one_sentence(
    on_disk: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(on_disk.parent / "home"))
    said = typed(*words, str(on_disk), code=1)
    assert said.endswith(
        "settles no funding, and the recording 'perpetual' has funding rates of BTC-USDT.TEST; "
        "use tidemill backtest at speed exact, or leave [[funding]] out"
    )


def test_backtest_settles_from_files_and_import_keeps_the_rates(on_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, out = on_disk.parent / "home", on_disk.parent / "out.json"
    monkeypatch.setenv("TIDEMILL_HOME", str(home))
    (on_disk.parent / "own.py").write_text(OWN)
    span = ("--from", "2021-04-10T08:00:00Z", "--to", "2021-04-10T12:00:00Z")
    with using(Services(load_settings(home=home))) as known:
        typed(
            "backtest",
            "--data",
            str(on_disk),
            "--strategy",
            str(on_disk.parent / "own.py"),
            *span,
            "--json",
            str(out),
            code=0,
        )
        told_of = json.loads(out.read_text())
        assert D(told_of["funding"]) != 0
        assert D(told_of["statistics"]["costs"]["funding"]) == D(told_of["funding"])
        typed("data", "import", str(on_disk), "--json", str(out), code=0)
        imported = json.loads(out.read_text())
        assert (imported["series"][0]["stored"], imported["posts"], imported["funding"]) == (BARS, 0, 2)
        kept = known.stores.market_events.read_market_events(MarketEventKind.FUNDING, [BTC], START, START + BARS * HOUR)
        assert list(kept["rate"]) == [0.0001, -0.01]
        typed("data", "import", str(on_disk), "--json", str(out), code=0)
        assert json.loads(out.read_text())["funding"] == 0
        known.close()


def test_other_rates_are_other_data() -> None:
    plain, one = make_recording(1), funded(1)
    other = replace(one, funding=random_funding(2))
    assert len({hash_recording(some) for some in (plain, one, other)}) == 3
    assert hash_recording(one) == hash_recording(replace(one, funding=one.funding[::-1]))


def test_rates_in_code_are_checked_as_those_in_files() -> None:
    for rates, words in (
        ({}, "has no funding rate"),
        ({EIGHT + HOUR: 0.1, EIGHT: 0.1}, "must ascend"),
        ({EIGHT: 1.0}, "no fraction"),
        ({EIGHT: np.nan}, "no fraction"),
    ):
        with pytest.raises(DataError, match=words):
            funding_of(BTC, rates)
