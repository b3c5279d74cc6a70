"""A wrong setting is told in one sentence: its name, what is wrong with it, and where to look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import TIMEFRAME_SECONDS
from tidemill.settings import FILE_NAME, Settings, load_settings
from tidemill.settings.errors import check_variables
from tidemill.settings.policies import build_fill_rules, build_grid, build_limits, build_training, quote_fee_rate


@contextmanager
def written(folder: Path, text: str = "", **variables: str) -> Iterator[None]:
    """A working directory with a settings file, and variables that are taken away again."""
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    before = dict(os.environ)
    os.environ.update({f"TIDEMILL_{name}": value for name, value in variables.items()})
    try:
        with chdir(folder):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def refusal(folder: Path, text: str = "", **variables: str) -> str:
    with written(folder, text, **variables), pytest.raises(ConfigurationError) as error:
        load_settings()
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'universse = ["BTC-USDT.BINANCE"]',
            ["no setting 'universse'", "did you mean 'universe'?", "TIDEMILL_UNIVERSSE"],
        ),
        ("[risk]\nmax_drawdwn = 0.1", ["no setting 'risk.max_drawdwn'", "did you mean 'max_drawdown'?"]),
        ("[influx]\nqqq = 1", ["no setting 'influx.qqq'", "; there are api, token, org, bucket"]),
        ('universe = "BTC-USDT.BINANCE"', ["'universe' is wrong", 'write a list, such as ["BTC-USDT.BINANCE"]']),
        ("universe = []", ["name at least one instrument"]),
        ('universe = ["BTCUSDT"]', ["BASE-QUOTE.VENUE", "BTCUSDT"]),
        ('universe = ["A-B.C", "A-B.C"]', ["named twice"]),
        ('timeframe = "3h"', ["'timeframe' is wrong", "'3h' is unknown", "1m, 5m"]),
        ('decide_every = "week"', ["'decide_every' is wrong", "'week' is unknown"]),
        ('live = "perhaps"', ["'live' is wrong", "'perhaps'", "write true or false"]),
        ('start_cash = "much"', ["'start_cash' is wrong", "write a number, such as 0.001"]),
        ("start_cash = 0", ["'start_cash' is wrong", "greater than 0"]),
        ("fee_taker = 1", ["'fee_taker' is wrong", "less than 1"]),
        ("participation = 1.5", ["'participation' is wrong", "less than or equal to 1"]),
        ('max_lag_seconds = "soon"', ["'max_lag_seconds' is wrong", "write a whole number"]),
        ('[risk]\nmax_drawdown = "none"', ["'risk.max_drawdown' is wrong", "TIDEMILL_RISK__MAX_DRAWDOWN"]),
        ("[sizing]\nbuffer_fraction = 2", ["'sizing.buffer_fraction' is wrong"]),
        ('mode = "real"', ["'mode' is wrong", "it should be", "'live'"]),
        ('[[markets]]\nname = "K"\nexchange = "kraken"', ["the market K has no instruments"]),
        ('[[markets]]\nname = "K"\ninstruments = ["A-B.K"]', ["the market K has no exchange", "such as kraken"]),
        ('[[markets]]\nname = "K"\nexchange = "x"\ninstruments = ["A-B.L"]', ["A-B.L is not of the venue K"]),
        ('[[markets]]\nname = "K"\nsource = "paper"', ["'markets.0.source' is wrong"]),
        ("x = [", ["tidemill.toml cannot be read"]),
    ],
)
def test_a_mistake_in_the_file_is_told_with_what_to_write(tmp_path: Path, text: str, words: list[str]) -> None:
    message = refusal(tmp_path, text)
    assert all(word in message for word in [*words, FILE_NAME]), message
    assert "\n" not in message.partition("cannot be read")[0]


def test_two_markets_of_one_name_are_refused(tmp_path: Path) -> None:
    market = '[[markets]]\nname = "K"\nexchange = "kraken"\ninstruments = ["A-B.K"]\n'
    assert "two markets have the same name" in refusal(tmp_path, market * 2)
    with written(tmp_path, market):
        assert [own.name for own in load_settings().markets] == ["K"]


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("TIMEFRAM", "write TIDEMILL_TIMEFRAME"),
        ("UNIVERS", "write TIDEMILL_UNIVERSE"),
        ("RISK_MAX_DRAWDOWN", "write TIDEMILL_RISK__MAX_DRAWDOWN"),
        ("INFLUX_TOKEN", "write TIDEMILL_INFLUX__TOKEN"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_not_passed_over(tmp_path: Path, variable: str, words: str) -> None:
    message = refusal(tmp_path, **{variable: "1"})
    assert f"there is no setting TIDEMILL_{variable}; {words}" in message


@pytest.mark.parametrize("name", ["TIDEMILL_TEST_POSTGRES_URL", "PATH", "TIDEMILL", "TIDEMILL_QQQQQQ"])
def test_a_variable_of_somebody_else_is_left_alone(name: str) -> None:
    check_variables([name], Settings)


@given(st.sampled_from(sorted(Settings.model_fields)))
def test_the_name_of_every_setting_is_taken(name: str) -> None:
    check_variables([f"TIDEMILL_{name.upper()}", f"tidemill_{name}", f"TIDEMILL_{name.upper()}__X"], Settings)


def test_an_argument_wins_over_a_variable_and_that_over_the_file(tmp_path: Path) -> None:
    with written(tmp_path, 'timeframe = "4h"\naccount = "file"\nstrategy = "trend"', TIMEFRAME="1d", ACCOUNT="env"):
        settings = load_settings(timeframe="30m")
    assert (settings.timeframe, settings.account, settings.strategy) == ("30m", "env", "trend")


def test_one_setting_of_a_group_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    with written(tmp_path, "[risk]\nmax_drawdown = 0.1", RISK__MAX_GROSS_FRACTION="0.5"):
        risk = load_settings().risk
    assert (risk.max_drawdown, risk.max_gross_fraction, risk.max_order_fraction) == (0.1, 0.5, 0.25)


def test_the_file_of_the_working_directory_wins_over_the_one_at_home(tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, work):
        folder.mkdir()
    (home / FILE_NAME).write_text('account = "home"', encoding="utf-8")
    with written(work, 'account = "work"', HOME=str(home)):
        assert load_settings().account == "work"
        (work / FILE_NAME).unlink()
        assert load_settings().account == "home"


def test_a_secret_is_never_printed() -> None:
    settings = load_settings(venue={"key": "open-sesame", "secret": "open-sesame"}, x={"bearer_token": "open-sesame"})
    assert "open-sesame" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.venue.key.get_secret_value() == "open-sesame"


def test_settings_are_not_changed_after_they_were_read() -> None:
    settings = load_settings()
    for part, name in ((settings, "account"), (settings.risk, "max_drawdown")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(part, name, "other")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me@host/db", "postgresql+psycopg://me@host/db"),
        ("postgresql+psycopg://me@host/db", "postgresql+psycopg://me@host/db"),
        ("sqlite:////var/x.db", "sqlite:////var/x.db"),
    ],
)
def test_a_database_is_reached_by_the_driver_that_is_there(url: str, expected: str) -> None:
    assert load_settings(ops_url=url).database_url("ops") == expected


def test_without_a_database_each_store_has_its_file_at_home(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    urls = [settings.database_url(name) for name in ("market", "ops", "mlflow")]
    assert urls == [f"sqlite:///{tmp_path}/{name}.db" for name in ("market", "ops", "mlflow")]


@pytest.mark.parametrize("timeframe", TIMEFRAME_SECONDS)
def test_the_delay_of_a_decision_is_that_of_its_timeframe_unless_it_is_set(timeframe: str) -> None:
    assert load_settings(timeframe=timeframe).delay_seconds == (30 if TIMEFRAME_SECONDS[timeframe] < 3600 else 90)
    assert load_settings(timeframe=timeframe, decision_delay_seconds=7).delay_seconds == 7
    assert build_training(load_settings(timeframe=timeframe)).horizon_bars == (5 if timeframe == "1d" else 24)


def test_a_grid_of_sessions_needs_a_recording() -> None:
    with pytest.raises(ConfigurationError, match="needs a recording; set TIDEMILL_RECORDING"):
        build_grid(load_settings(calendar="as-recorded"))
    assert build_grid(load_settings(timeframe="1h", decide_every="4h")).every_seconds == 4 * 3600


@given(st.sampled_from(["0.1", "0.3", "0.025", "0.95", "1e-7"]))
def test_a_limit_is_the_decimal_that_was_written(text: str) -> None:
    limits = build_limits(load_settings(risk={"max_order_fraction": float(text)}))
    assert limits.max_order_fraction == Decimal(text)


@pytest.mark.parametrize(("asset", "rate"), [("quote", Decimal("0.002")), ("received", Decimal(0))])
def test_a_buy_pays_its_fee_on_top_only_where_fees_are_taken_in_quote(asset: str, rate: Decimal) -> None:
    assert quote_fee_rate(load_settings(fee_asset=asset, fee_taker="0.002")) == rate


def test_latency_is_made_on_recorded_bars_only() -> None:
    settings = load_settings(latency_seconds=2.5)
    delays = [build_fill_rules(settings, 90, recorded=recorded).latency.total_seconds() for recorded in (True, False)]
    assert delays == [2.5, 0.0]
