"""The settings file that `init` writes, the options of the venue alone, and the steps that stored bars tell."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.operations.init import MODES, settings_text, write_initial_files
from tidemill.operations.venue import VenueCommand, infer_instrument
from tidemill.pages.output_files import make_folder, need_writable, write_text
from tidemill.settings import FILE_NAME, Settings


def without_marks(text: str) -> str:
    """The file with every default switched on, and no comment."""
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    return "\n".join(line for line in lines if " = " in line.split("#")[0] or line.startswith("["))


@pytest.mark.parametrize("mode", MODES)
def test_a_settings_file_changes_nothing_but_the_mode(mode: str) -> None:
    assert tomllib.loads(settings_text(mode)) == {"mode": mode}


def test_every_setting_stands_in_the_file_with_its_default() -> None:
    values = tomllib.loads(without_marks(settings_text("paper")))
    defaults = Settings()
    for name in Settings.model_fields:
        default = getattr(defaults, name)
        if not isinstance(default, BaseModel):
            assert name in values, name
            continue
        public = {key for key in type(default).model_fields if not isinstance(getattr(default, key), SecretStr)}
        assert public <= set(values[name]), name


def test_the_defaults_of_the_file_are_taken_back_as_they_are() -> None:
    values = tomllib.loads(without_marks(settings_text("paper")))
    empty = {"recording"}
    groups = {
        name: {key: value for key, value in group.items() if value != "" or key == "name"}
        for name, group in values.items()
        if isinstance(group, dict)
    }
    plain = {name: value for name, value in values.items() if name not in groups and name not in empty}
    settings = Settings(**plain, **groups)
    defaults = Settings()
    for name in Settings.model_fields:
        assert getattr(settings, name) == getattr(defaults, name), name


def test_no_secret_has_a_place_in_the_file() -> None:
    text = settings_text("paper")
    for name, key in (("venue", "secret"), ("x", "bearer_token"), ("influx", "token")):
        assert f"# {key}: set TIDEMILL_{name.upper()}__{key.upper()} in the environment" in text
        assert f"# {key} =" not in text


def test_files_that_are_there_are_left_unless_force_is_given(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="is there already; move it away or add --force"):
        write_initial_files(tmp_path, "paper", force=False)
    assert (tmp_path / FILE_NAME).read_text(encoding="utf-8") == "mine"
    assert write_initial_files(tmp_path, "paper", force=True) == [tmp_path / FILE_NAME]
    assert (tmp_path / FILE_NAME).read_text(encoding="utf-8") == settings_text("paper")


def test_one_file_in_the_way_and_none_is_written(tmp_path: Path) -> None:
    (tmp_path / "prefect-sandbox.yaml").mkdir()
    with pytest.raises(ConfigurationError, match="is a folder"):
        write_initial_files(tmp_path, "sandbox", force=True)
    assert not (tmp_path / FILE_NAME).exists()


def test_another_mode_brings_its_deployments(tmp_path: Path) -> None:
    files = write_initial_files(tmp_path, "sandbox", force=False)
    assert [path.name for path in files] == [FILE_NAME, "prefect-sandbox.yaml"]
    text = files[1].read_text(encoding="utf-8")
    assert "sandbox" in text
    assert "paper" not in text
    with pytest.raises(DataError, match="mode 'demo' is unknown; use one of paper, sandbox, live"):
        write_initial_files(tmp_path, "demo", force=True)


RECORDED = VenueCommand(recording=Path("x.toml"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recording": None}, "name one source of prices"),
        ({"live": "binance"}, "name one source of prices"),
        ({"store": "sqlite:///x.db"}, "name one source of prices"),
        ({"live_url": "http://127.0.0.1:1"}, "--live-url needs --live EXCHANGE"),
        ({"port": -1}, "--port is from 0"),
        ({"port": 65_536}, "--port is from 0"),
        ({"certificate": Path("c.pem")}, "needs both --tls-cert and --tls-key"),
        ({"certificate_key": Path("k.pem")}, "needs both --tls-cert and --tls-key"),
        ({"protocol": "kraken"}, "--protocol 'kraken' is unknown; use binance or bybit"),
        ({"clock": "wall"}, "--clock 'wall' is unknown; use real or recorded"),
        ({"recording": None, "live": "binance", "clock": "recorded"}, "--live runs on the real clock only"),
    ],
)
def test_options_that_do_not_fit_one_another_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        replace(RECORDED, **changes).check()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"port": 65_535, "clock": "recorded", "protocol": "bybit"},
        {"recording": None, "store": "sqlite:///x.db"},
        {"recording": None, "live": "binance", "live_url": "http://127.0.0.1:1"},
        {"certificate": Path("c.pem"), "certificate_key": Path("k.pem")},
    ],
)
def test_options_that_fit_are_taken(changes: dict[str, object]) -> None:
    replace(RECORDED, **changes).check()


@given(st.lists(st.decimals("0.01", 1000, places=4), min_size=1, max_size=8), st.integers(0, 8))
def test_the_steps_of_stored_bars_hold_every_price_of_theirs(prices: list[Decimal], digits: int) -> None:
    values = [float(price) for price in prices]
    volume = [float(Decimal(1).scaleb(-digits))] * len(values)
    bars = pd.DataFrame({"open": values, "high": values, "low": values, "close": values, "volume": volume})
    instrument = infer_instrument("AAA-USD.T", bars)
    assert all(price % instrument.price_step == 0 for price in prices)
    assert instrument.price_step == 1 or any(price % (10 * instrument.price_step) for price in prices)
    assert instrument.lot_step == Decimal(1).scaleb(-digits)
    assert instrument.min_notional == 0


def test_a_step_is_never_finer_than_a_hundred_millionth_nor_coarser_than_one() -> None:
    def steps(value: float) -> Decimal:
        bars = pd.DataFrame({name: [value] for name in ("open", "high", "low", "close", "volume")})
        return infer_instrument("AAA-USD.T", bars).price_step

    assert steps(1e-12) == Decimal("1e-8")
    assert steps(5000.0) == 1


def test_a_place_that_cannot_be_written_is_told_before_anything_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no folder .*absent; make it first"):
        need_writable(tmp_path / "absent" / "page.html", "page")
    with pytest.raises(ConfigurationError, match="is a folder; name a file in it"):
        need_writable(tmp_path, "page")
    path = need_writable(tmp_path / "page.html", "page")
    assert not path.exists()
    write_text(path, "text", "page")
    assert need_writable(path, "page").read_text(encoding="utf-8") == "text"
    with pytest.raises(ConfigurationError, match=r"the page .* cannot be written: Is a directory"):
        write_text(tmp_path, "text", "page")


def test_a_folder_is_made_with_those_above_it_or_refused(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="set TIDEMILL_HOME to a folder of yours"):
        make_folder(tmp_path / "file" / "home")
