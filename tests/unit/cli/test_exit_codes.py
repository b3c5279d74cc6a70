"""Exit codes as a script sees them: 0 done, 1 failed or a difference, 2 bad input, 3 interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.bootstrap import Services, using
from tidemill.cli import main
from tidemill.settings import load_settings


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    with using(Services(load_settings())):
        yield


def code_of(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_done_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("init") == 0
    assert code_of("doctor") == 0
    assert "settings" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("--version") == 0
    assert capsys.readouterr().out.startswith("tidemill 0.")


def test_something_missing_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    """What a command ends with reaches the shell: a difference that ended with 0 would pass for none."""
    assert code_of("doctor", "--live") == 1
    assert "TIDEMILL_LIVE is off" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("explain", "nope"), "nope"),
        (("rerun", "nope"), "nope"),
        (("backtest", "--data", "absent.toml"), "absent.toml"),
        (("backtest", "--from", "yesterday"), "--from"),
        (("backtest", "--speed", "warp"), "--speed"),
        (("halt",), "--because"),
        (("no-such-command",), "no-such-command"),
        (("data", "export", "--out", "x.parquet"), "--instrument"),
    ],
)
def test_bad_input_is_2_and_names_the_thing(
    arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(*arguments) == 2
    told = capsys.readouterr()
    assert named in told.err
    assert "Traceback" not in told.err


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Children of a process that was told to ignore interrupts, as one in the background is, would ignore them too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_3_and_no_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "bars.csv"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "tidemill", "data", "import", str(pipe)]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with pipe.open("w"):  # waits until the command reads
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 3
    assert "Traceback" not in told
