"""Strategies of one's own: loaded, examined, asked; what cannot be used is named with time and instrument."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from support.exact_runs import BARS, HOUR, START, make_recording, plan_of
from support.views import make_view

from tidemill.backtest import BacktestPlan, BacktestResult, run_backtest
from tidemill.bootstrap import examine_setting, recorded_settings, require_sound
from tidemill.domain.errors import ConfigurationError, DataError, StrategyError
from tidemill.domain.market import DecisionGrid
from tidemill.domain.trading import LedgerOrder
from tidemill.forecasting import Reversion, Strategy, Targets, find_shipped, make_forecasts
from tidemill.lineage import Rerun, StoredInputs, rerun
from tidemill.memory.market import MemoryMarketStore
from tidemill.recording.traded import make_grid
from tidemill.settings import load_settings
from tidemill.strategies import load_strategy

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "strategies.md"
GRID = DecisionGrid(timeframe="1h", delay_seconds=90)
POINT = datetime(2021, 4, 20, 8, tzinfo=UTC)
NAMES = ["AAA-USD.T", "BBB-USD.T"]
TABLE = pd.DataFrame(
    {"ret_24": [-0.1, 0.2], "ret_72": [0.1, 0.2], "ret_168": [0.2, 0.4], "vol_72": [0.01, 0.02], "close": [10.0, 20.0]},
    index=NAMES,
)
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(text)
        return path

    return write_file


def ask(path: Path) -> object:
    return make_forecasts(load_strategy(path), make_view(TABLE, GRID, POINT))


def examine(path: Path | str) -> tuple[str, ...]:
    recording = make_recording(3)
    chosen = recorded_settings(load_settings(), recording, str(path))
    return examine_setting(chosen, recording, make_grid(recording, None)).problems


def guide_strategy() -> str:
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found
    return found[1]


# -- the example of the guide


def test_the_guides_example_passes_and_trades(tmp_path: Path) -> None:
    path = tmp_path / "pullback.py"
    path.write_text(guide_strategy())
    assert examine(path) == ()
    result = run_backtest(make_recording(3), plan_of(make_recording(3), str(path), points=48))
    decided = [one for one in result.decisions if one.outcome == "decided"]
    assert {one.strategy for one in decided} == {"pullback"}
    assert {one.record["strategy_code"] for one in decided} == {load_strategy(path).code_hash}
    assert result.fills


@pytest.mark.parametrize("name", ["trend", "reversion", "model"])
def test_what_ships_passes(name: str) -> None:
    assert examine(name) == ()


# -- what a strategy may say


def test_strengths_become_forecasts_and_silence_a_reason(write: Write) -> None:
    made = ask(write("HORIZON_BARS = 6\ndef decide(view):\n    return {'AAA-USD.T': 0.25}\n"))
    assert [(one.instrument, one.strength, one.horizon_seconds) for one in made.forecasts] == [
        ("AAA-USD.T", 0.25, 21600)
    ]
    assert [(one.instrument, one.reason) for one in made.without] == [("BBB-USD.T", "mine gives none")]


def test_an_object_serves_as_well_as_a_function(write: Write) -> None:
    text = "from tidemill.forecasting import Reversion\nstrategy = Reversion(long_only=False)\n"
    made = ask(write(text))
    assert [one.strength for one in made.forecasts] == [0.5, -0.5]


def test_reversion_is_long_only_unless_told_otherwise() -> None:
    view = make_view(TABLE, GRID, POINT)
    assert dict(Reversion().decide(view)) == {"AAA-USD.T": 0.5, "BBB-USD.T": 0.0}
    assert dict(Reversion(long_only=False).decide(view)) == {"AAA-USD.T": 0.5, "BBB-USD.T": -0.5}


def test_targets_are_traded_as_they_are(write: Write) -> None:
    text = """
from decimal import Decimal
from tidemill.forecasting import Targets
def decide(view):
    return Targets(quantities={"AAA-USD.TEST": Decimal("12.3456"), "BBB-USD.TEST": Decimal(-3)})
"""
    path = write(text)
    recording = make_recording(4)
    result = run_backtest(recording, plan_of(recording, str(path), points=2, start_cash=Decimal(10**6)))
    first = result.decisions[0].record
    assert [(one["instrument"], one["quantity"]) for one in first["wanted"]] == [
        ("AAA-USD.TEST", "12.345"),
        ("BBB-USD.TEST", "0"),
    ]
    assert first["wanted"][1]["reason"].startswith("spot cannot be short")
    assert first["forecasts"] == []
    assert [one.intent.instrument for one in result.orders] == ["AAA-USD.TEST"]


def test_a_strategy_sees_its_portfolio_and_no_bar_of_the_future(write: Write) -> None:
    text = """
seen = []
def decide(view):
    seen.append((view.as_of, view.bars["open_time"].max(), view.portfolio))
    return {name: 1.0 for name in view.features.index}
"""
    path = write(text)
    recording = make_recording(5)
    plan = plan_of(recording, "trend", points=3)
    own = load_strategy(path)
    run_backtest(recording, replace(plan, rules=replace(plan.rules, strategy="mine", own=own)))
    seen = own.function.__globals__["seen"]
    assert [newest + HOUR + GRID.delay for _, newest, _ in seen] == [as_of for as_of, _, _ in seen]
    assert seen[0][2].cash == 100_000
    assert seen[-1][2].cash < 100_000
    assert any(seen[-1][2].held.values())


# -- what it may not: named, with time and instrument


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return 1 / 0", "strategy 'mine' at 2021-04-20T08:01:30Z raised ZeroDivisionError: division by zero"),
        ("return {'AAA-USD.T': float('nan')}", "strategy 'mine' at 2021-04-20T08:01:30Z gave NaN for AAA-USD.T"),
        ("return {'BBB-USD.T': 1.5}", "gave 1.5 for BBB-USD.T; a strength lies within [-1, +1]"),
        ("return {'BBB-USD.T': 'up'}", "gave 'up' for BBB-USD.T; a strength is a number"),
        ("return {'DOGE-USD.T': 1.0}", "wants DOGE-USD.T, which it was not given; it was given AAA-USD.T, BBB-USD.T"),
        ("return [1.0, 2.0]", "gave list; give strengths by instrument, or Targets"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
    ],
)
def test_what_cannot_be_used_is_named(write: Write, body: str, told: str) -> None:
    with pytest.raises(StrategyError, match=re.escape(told)):
        ask(write(f"def decide(view):\n    {body}\n"))


@pytest.mark.parametrize("value", [Decimal("NaN"), 1.5, Decimal("Infinity")])
def test_a_target_is_a_finite_decimal(value: object) -> None:
    class Wrong:
        name, code_hash, source = "wrong", "", ""

        def needs(self, _grid: object, _champion: object) -> tuple[str, ...]:
            return ()

        def horizon_bars(self, _grid: object, _champion: object) -> int:
            return 1

        def decide(self, _view: object) -> Targets:
            return Targets(quantities={"AAA-USD.T": value})  # type: ignore[dict-item]

    with pytest.raises(StrategyError, match=r"of AAA-USD\.T; a target is a finite Decimal"):
        make_forecasts(Wrong(), make_view(TABLE, GRID, POINT))


def test_a_backtest_ends_with_the_sentence(write: Write) -> None:
    path = write("def decide(view):\n    return {'AAA-USD.TEST': 0.0} if view.as_of.hour else {'XXX-USD.TEST': 1.0}\n")
    with pytest.raises(StrategyError, match=r"'mine' at 2021-04-10T00:01:30Z wants XXX-USD\.TEST, which"):
        run_backtest(make_recording(6), plan_of(make_recording(6), str(path), points=24))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\n", "has neither a function decide"),
        ("def decide(view:\n", "does not run: SyntaxError"),
        ("raise ValueError('no')\n", "does not run: ValueError: no"),
        ("FEATURES = ('ret_25h',)\ndef decide(view):\n    return {}\n", "needs ret_25h, no feature of ours"),
        ("FEATURES = 'ret_24'\ndef decide(view):\n    return {}\n", "FEATURES must be a tuple"),
        ("HORIZON_BARS = 0\ndef decide(view):\n    return {}\n", "HORIZON_BARS must be a whole number above 0"),
    ],
)
def test_a_file_that_is_no_strategy_is_refused(write: Write, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        load_strategy(write(text))


@pytest.mark.parametrize("setting", ["momentum", "nowhere.py", "Bad-Name.py"])
def test_a_setting_that_names_nothing_is_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(setting)):
        plan_of(make_recording(1), setting)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(Exception, match="trend, reversion, model"):
        find_shipped("momentum")


# -- the examination: each fault is found, and named


PEEKS = """
def decide(view):
    # around the view: everything that the closure behind it holds
    bars = view.load_bars.args[2].history()
    last = bars.groupby("instrument")["close"].last()
    return {name: 1.0 if last[name] > row["close"] else 0.0 for name, row in view.features.iterrows()}
"""
REMEMBERS = """
count = 0
def decide(view):
    global count
    count += 1
    return {name: (count % 7) / 7 for name in view.features.index}
"""
REMEMBERS_FIRST = """
first = []
def decide(view):
    first.append(view.as_of)
    return {name: 1.0 if view.as_of > first[0] else 0.0 for name in view.features.index}
"""
CLOCK = """
from datetime import datetime
def decide(view):
    return {name: 0.5 if datetime.now().year > 2000 else 0.0 for name in view.features.index}
"""
HIDDEN_CLOCK = """
read = getattr(__import__("ti" + "me"), "ti" + "me")
def decide(view):
    return {name: 0.5 if read() > 0 else 0.0 for name in view.features.index}
"""
CHANCE = """
import random
def decide(view):
    return {name: random.random() for name in view.features.index}
"""
FILE = """
def decide(view):
    with open(__file__) as file:
        return {name: 0.5 if file.read() else 0.0 for name in view.features.index}
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (PEEKS, r"taken away, so it looks ahead: at 2021-04-\d\dT\d\d:00:00Z (AAA|BBB|CCC)-USD.TEST gets"),
        (REMEMBERS, r"'mine' answers otherwise when asked again: at 2021-04"),
        (REMEMBERS_FIRST, r"answers otherwise when asked in another order: at 2021-04"),
        (CLOCK, r"must not read clock, chance, file or network: line 4 calls now\(\)"),
        (HIDDEN_CLOCK, r"must not read clock, chance, file or network: line 4 calls time.time\(\)"),
        (CHANCE, r"must not read clock, chance, file or network: line 2 imports random"),
        (FILE, r"must not read clock, chance, file or network: line 3 calls open\(\)"),
        ("def decide(view):\n    return 1 / 0\n", r"at 2021-04-\d\dT\d\d:01:30Z raised ZeroDivisionError"),
    ],
    ids=["peeks", "remembers", "remembers the first", "clock", "hidden clock", "chance", "file", "raises"],
)
def test_each_fault_is_found_and_named(write: Write, text: str, told: str) -> None:
    problems = examine(write(text))
    assert any(re.search(told, one) for one in problems), problems


def test_a_backtest_refuses_a_strategy_that_peeks(write: Write) -> None:
    recording = make_recording(3)
    chosen = recorded_settings(load_settings(), recording, str(write(PEEKS)))
    with pytest.raises(StrategyError, match="looks ahead"):
        require_sound(chosen, recording, make_grid(recording, None))


def test_every_load_starts_anew(write: Write) -> None:
    path = write(REMEMBERS)
    first, second = load_strategy(path), load_strategy(path)
    first.decide(make_view(TABLE, GRID, POINT))
    assert dict(second.decide(make_view(TABLE, GRID, POINT))) == dict.fromkeys(NAMES, 1 / 7)
    assert first.code_hash == second.code_hash


def test_the_recordings_of_these_tests_are_long_enough() -> None:
    assert datetime(2021, 4, 10, tzinfo=UTC) < START + HOUR * BARS
    strategy: Strategy = find_shipped("trend")
    assert strategy.source == ""


# -- run again


class Orders:
    """The part of a ledger that a re-run reads."""

    def __init__(self, result: BacktestResult) -> None:
        self.orders = result.orders

    def load_orders(self, *, decision_id: str, **_: object) -> list[LedgerOrder]:
        return [one for one in self.orders if one.intent.decision_id == decision_id]


def run_again(result: BacktestResult, plan: BacktestPlan, own: Strategy | None) -> Rerun:
    recording = make_recording(3)
    store = MemoryMarketStore()
    store.write_bars("1h", recording.as_bars(None, START, plan.end), now=START)
    return rerun(
        next(one for one in result.decisions if one.record["intents"]),
        StoredInputs(bars=store, posts=store, ledger=Orders(result)),  # type: ignore[arg-type]
        grid=plan.rules.grid,
        environment=plan.environment,
        own=own,
    )


def test_a_rerun_knows_whether_it_is_the_same_code(write: Write) -> None:
    text = "def decide(view):\n    return dict.fromkeys(view.features.index, 0.8)\n"
    path = write(text)
    plan = plan_of(make_recording(3), str(path), points=6)
    result = run_backtest(make_recording(3), plan)
    same = run_again(result, plan, load_strategy(path))
    assert (same.promise, same.same, same.intents > 0) == ("bit for bit", True, True)
    path.write_text(text.replace("0.8", "0.4"))
    other = run_again(result, plan, load_strategy(path))
    assert other.promise == "none: the strategy's file is another"
    assert other.differences[0].startswith("the file of strategy 'mine': was sha256 ")
    assert any(one.startswith("forecast strength of AAA-USD.TEST: was 0.8, is 0.4") for one in other.differences)
    with pytest.raises(DataError, match=r"was made by the strategy file mine\.py; name it in TIDEMILL_STRATEGY"):
        run_again(result, plan, None)
