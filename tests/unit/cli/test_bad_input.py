"""Mistakes that people make, each told in one sentence that names the thing, before anything is done or written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.bootstrap import Services, services, using
from tidemill.cli import main
from tidemill.settings import load_settings

BAR = ("--instrument", "BTC-USDT.BINANCE", "--timeframe", "1h")
MARKET = '[[markets]]\nname = "FUTURES"\n'


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    known = Services(load_settings())
    with using(known):
        yield
    known.close()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that is to be refused tells: exit code 2, and one line."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    told = capsys.readouterr()
    assert ended.value.code == 2, told.out + told.err
    assert told.out == ""
    return told.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("account", "open", "--cash", "USDT"), "'USDT' is no amount"),
        (("account", "open", "--cash", "USDT=abc"), "'USDT=abc' is no amount"),
        (("account", "open", "--cash", "USDT=-5"), "'USDT=-5' is no amount"),
        (("account", "open", "--cash", "USDT=5", "--cash", "usdt=6"), "USDT is given twice"),
        (("halt", "--because", " "), "a halt needs a reason"),
        (("resume", "--because", ""), "a resume needs a reason"),
        (("data", "prune", "--older-than", "-3"), "--older-than"),
        (("data", "release", "2021-01-01T00:00:00Z", "--because", "x", *BAR), "no bar of BTC-USDT.BINANCE 1h"),
        (("data", "release", "2021-01-01T00:00:00Z", "--because", "", *BAR), "a release needs a reason"),
        (("up", "--port", "70000"), "--port is from 0"),
        (("up", "--port", "-1"), "--port is from 0"),
    ],
)
def test_a_mistake_on_the_command_line(
    arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert named in refused(capsys, *arguments)
    assert not services().stores.ledger.load_freezes()
    assert services().stores.ledger.load_account("main") is None


@pytest.mark.parametrize(
    "command",
    [
        ("backtest", "--json"),
        ("backtest", "--report"),
        ("sweep", "--json"),
        ("demo", "--json"),
        ("parity", "--json"),
        ("data", "gaps", "--json"),
        ("data", "export", "--out"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_the_work(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no folder" in refused(capsys, *command, str(tmp_path / "none" / "out.json"))
    assert "is a folder" in refused(capsys, *command, str(tmp_path))
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("command", ["demo", "up"])
def test_a_home_that_is_no_folder(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "home").write_text("in the way")
    assert "set TIDEMILL_HOME to a folder of yours" in refused(capsys, command)


def test_what_would_end_up_later_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tidemill.toml").write_text('strategy = "absent.py"')
    assert "absent.py cannot be read" in refused(capsys, "up", "--port", "0")
    (tmp_path / "tidemill.toml").write_text('mode = "sandbox"')
    assert "tidemill init --mode sandbox" in refused(capsys, "up", "--port", "0")
    assert not (tmp_path / "home").exists()


def test_a_recording_that_lacks_what_is_traded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every run would have failed, each for a reason of its own."""
    (tmp_path / "tidemill.toml").write_text('recording = "bundled"')
    told = refused(capsys, "up", "--port", "0")
    for part in ("universe to some of", "AAPL-USD.SAMPLE", "venue.name to SAMPLE", "timeframe to 1d", "as-recorded"):
        assert part in told
    assert not (tmp_path / "home").exists()
    (tmp_path / "tidemill.toml").write_text(
        'recording = "bundled"\nuniverse = ["AAPL-USD.SAMPLE"]\ntimeframe = "1d"\ncalendar = "as-recorded"\n'
        '[venue]\nname = "SAMPLE"\n'
    )
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    assert ended.value.code == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('stratgy = "trend"', "there is no setting 'stratgy'; did you mean 'strategy'?"),
        ("[sizing]\nbuffer = 1", "there is no setting 'sizing.buffer'; there are volatility_target_annual, "),
        (
            f'{MARKET}exchnge = "x"\ninstruments = []',
            "there is no setting 'markets.0.exchnge'; did you mean 'exchange'?",
        ),
        ('universe = "BTC-USDT.BINANCE"', "write a list"),
        ("universe = []", "name at least one instrument"),
        ('universe = ["A-B.C", "A-B.C"]', "named twice"),
        ('universe = ["BTC"]', "setting 'universe' is wrong: instrument 'BTC'"),
        ('fee_taker = "much"', "it is 'much'; write a number"),
        ('live = "perhaps"', "write true or false"),
        ("start_cash = -5", "it should be greater than 0"),
        (MARKET, "FUTURES has no instruments"),
        (f'{MARKET}instruments = ["A-B.FUTURES"]', "FUTURES has no exchange"),
        ('[ingest]\nrecords = ["bananas"]', "'trades', 'books'"),
    ],
)
def test_a_mistake_in_the_settings_file(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tidemill.toml").write_text(text)
    found = refused(capsys, "backtest")
    assert told in found
    assert "tidemill.toml" in found


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TIDEMILL_STRATGY", "TIDEMILL_STRATEGY"),
        ("TIDEMILL_VENUE_KEY", "TIDEMILL_VENUE__KEY"),
        ("TIDEMILL_RISK_MAX_DRAWDOWN", "TIDEMILL_RISK__MAX_DRAWDOWN"),
    ],
)
def test_a_variable_that_nearly_is_a_setting(
    variable: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would have been passed over, and the limit it was to set would not stand."""
    monkeypatch.setenv(variable, "secret-value")
    found = refused(capsys, "backtest")
    assert meant in found
    assert "secret-value" not in found


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an orchestrator sets for a service of that name, and what our own chores read."""
    for name in (
        "TIDEMILL_PORT",
        "TIDEMILL_SERVICE_HOST",
        "TIDEMILL_VENUE_PORT",
        "TIDEMILL_TEST_DATA",
        "TIDEMILL_FUZZ",
    ):
        monkeypatch.setenv(name, "x")
    load_settings()


def test_doctor_looks_at_what_the_settings_point_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    instruments = 'exchange = "absent"\ninstruments = ["BTC-USDT.FUTURES"]\n'
    (tmp_path / "tidemill.toml").write_text(
        f'mode = "sandbox"\nmlflow_url = "http://127.0.0.1:1"\n{MARKET}{instruments}'
    )
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    told = capsys.readouterr().out
    assert ended.value.code == 1
    for part in ("market FUTURES", "ccxt has no exchange 'absent'", "http://127.0.0.1:1 does not answer", "venue keys"):
        assert part in told


def test_a_halt_tells_what_it_could_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stop stands in any case; that nothing was sold or cancelled must not be read out of silence."""
    assert "nothing was sold: the venue's key is not set here" in refused(capsys, "halt", "--flatten", "--because", "x")
    assert [one.scope for one in services().stores.ledger.load_freezes()] == ["*"]
    for name, value in (("KEY", "k"), ("SECRET", "s"), ("REST_URL", "http://127.0.0.1:1")):
        monkeypatch.setenv(f"TIDEMILL_VENUE__{name}", value)
    unreachable = Services(load_settings())
    with using(unreachable), pytest.raises(SystemExit) as ended:
        main(["halt", "--because", "y"])
    unreachable.close()
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert "halted already, nothing is sent any more; but open orders were not cancelled: BINANCE" in told


def test_sweeps_tell_the_sentence_and_not_the_class(capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(capsys, "sweep", "--set", "buffer_fraction=5")
    assert told == ("tidemill: no parameter set could be tried: buffer_fraction 5.0 must lie between 0 and 1\n")
    assert "3027 days of train, gap and test do not fit into 17 days" in refused(
        capsys, "sweep", "--train-days", "3", "--test-days", "3000"
    )


def test_a_folder_without_rights_gets_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prefect-sandbox.yaml").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["init", "--mode", "sandbox", "--force"])
    assert ended.value.code == 2
    assert "prefect-sandbox.yaml is a folder" in capsys.readouterr().err
    assert not (tmp_path / "tidemill.toml").exists()


def test_a_strategy_that_does_not_pass_leaves_no_folder_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.py").write_text("def decide(view): return {name: 7.0 for name in view.features.index}\n")
    assert "strategy 'bad'" in refused(capsys, "demo", "--strategy", "bad.py")
    assert list((tmp_path / "home" / "runs").iterdir()) == []
