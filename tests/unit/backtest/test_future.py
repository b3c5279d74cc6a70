"""Everything after a moment is altered: prices, volumes and posts. What was decided up to it must stay as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from support.exact_runs import HOUR, INSTRUMENTS, START

from tidemill.backtest import BacktestPlan, BacktestResult, run_backtest
from tidemill.bootstrap import make_backtest_plan, recorded_settings
from tidemill.forecasting import View
from tidemill.recording import RecordedSeries, Recording
from tidemill.recording.traded import make_grid
from tidemill.settings import load_settings

HOURS = 330
FIRST, LAST = START + 262 * HOUR, START + 322 * HOUR
MOMENT = START + 290 * HOUR
STRATEGIES = ["trend", "reversion", "model"]
WORDS = ("a great rally, bullish", "a terrible crash, bearish", "nothing new")


def bars_of(number: int) -> pd.DataFrame:
    """A wild walk on steps of a cent, traded as much in one hour as in the next."""
    random = np.random.default_rng([17, number])
    prices = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.01, HOURS + 1))), 2)
    opens, closes = prices[:-1], prices[1:]
    return pd.DataFrame(
        {
            "open_time": pd.DatetimeIndex([START + HOUR * hour for hour in range(HOURS)]).as_unit("us"),
            "open": opens,
            "high": np.maximum(opens, closes),
            "low": np.minimum(opens, closes),
            "close": closes,
            "volume": np.round(random.uniform(1000, 5000, HOURS), 3),
        }
    )


def alter_bars(bars: pd.DataFrame, moment: datetime, number: int) -> pd.DataFrame:
    """Every bar that opens at ``moment`` or later has other prices and other volumes."""
    later = bars["open_time"] >= moment
    factors = np.random.default_rng(number).uniform(0.6, 1.6, len(bars))
    altered = bars.copy()
    for name in ("open", "close"):
        altered.loc[later, name] = np.round(bars[name] * factors, 2)[later]
    altered["high"] = bars["high"].where(~later, altered[["open", "close"]].max(axis=1))
    altered["low"] = bars["low"].where(~later, altered[["open", "close"]].min(axis=1))
    altered.loc[later, "volume"] = 7 * bars["volume"]
    return altered


def posts_of(moment: datetime | None = None) -> pd.DataFrame:
    """A post every second hour; those made at ``moment`` or later are about a catastrophe."""
    times = pd.DatetimeIndex([START + 2 * number * HOUR for number in range(HOURS // 2)]).as_unit("us")
    texts = [f"AAA {number}: {WORDS[number * number % 3]}" for number in range(len(times))]
    if moment is not None:
        texts = [
            "horrible crash, bankruptcy, panic" if time >= moment else text
            for time, text in zip(times, texts, strict=True)
        ]
    return pd.DataFrame(
        {
            "source": "reddit",
            "post_id": [f"p{number}" for number in range(len(times))],
            "channel": "talk",
            "title": "",
            "text": texts,
            "event_time": times,
            "knowledge_time": times + pd.Timedelta(seconds=30),
            "assumed": True,
        }
    )


def make_recording(*, bars_from: datetime | None = None, posts_from: datetime | None = None) -> Recording:
    """The same past each time; bars and posts differ from the moments given on."""
    series = []
    for number, instrument in enumerate(INSTRUMENTS[:2]):
        cents = replace(instrument, price_step=Decimal("0.01"))
        bars = bars_of(number)
        if bars_from is not None:
            bars = alter_bars(bars, bars_from, number)
        series.append(RecordedSeries(instrument=cents, timeframe="1h", bars=bars))
    return Recording(title="future", calendar="24x7", series=tuple(series), posts=posts_of(posts_from))


def plan_of(recording: Recording, strategy: str) -> BacktestPlan:
    settings = recorded_settings(
        load_settings(training={"horizon_bars": 3, "retrain_every_days": 1}, risk={"max_drawdown": 1}),
        recording,
        strategy,
    )
    grid = make_grid(recording, "2h", settings.decision_delay_seconds)
    return make_backtest_plan(settings, recording, grid, start=FIRST, end=LAST)


def run(recording: Recording, strategy: str) -> BacktestResult:
    return run_backtest(recording, plan_of(recording, strategy))


PAST = make_recording()


@pytest.fixture(scope="module")
def usual() -> dict[str, BacktestResult]:
    """What each strategy decides in the recording as it is."""
    return {strategy: run(PAST, strategy) for strategy in STRATEGIES}


def records(result: BacktestResult, *, until: datetime = LAST) -> list[tuple[object, ...]]:
    """All of each decision at a point up to ``until``, its id and its place in the ledger too."""
    return [
        (decision.as_of, decision.outcome, decision.reason, decision.model_version, decision.record, decision)
        for decision in result.decisions
        if decision.as_of <= until + HOUR / 2
    ]


def fills(result: BacktestResult, *, until: datetime) -> list[object]:
    return [fill for fill in result.fills if fill.traded_at < until]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_other_prices_volumes_and_posts_later_on_change_no_decision_before(
    usual: dict[str, BacktestResult], strategy: str
) -> None:
    other = run(make_recording(bars_from=MOMENT, posts_from=MOMENT), strategy)
    before = records(usual[strategy], until=MOMENT)
    assert len(before) == 15
    assert records(other, until=MOMENT) == before
    assert fills(other, until=MOMENT) == fills(usual[strategy], until=MOMENT)
    assert records(other) != records(usual[strategy])


def test_a_catastrophe_in_later_posts_reaches_the_decisions_after_it_and_none_before(
    usual: dict[str, BacktestResult],
) -> None:
    """If posts were left out altogether, the test before would say nothing of them."""
    other = run(make_recording(posts_from=MOMENT), "model")
    assert records(other, until=MOMENT) == records(usual["model"], until=MOMENT)
    assert records(other) != records(usual["model"])


def test_the_model_is_trained_more_than_once_on_the_way(usual: dict[str, BacktestResult]) -> None:
    """The champions after the first one are made of the past that the moment divides."""
    trained = {decision.model_version for decision in usual["model"].decisions}
    assert len(trained - {""}) >= 2


def test_there_is_something_to_change(usual: dict[str, BacktestResult]) -> None:
    for strategy in STRATEGIES:
        assert {decision.outcome for decision in usual[strategy].decisions} == {"decided"}
        assert len(fills(usual[strategy], until=MOMENT)) >= 3


@pytest.mark.parametrize("hours", [-8, -1, 7])
def test_wherever_the_moment_lies_the_past_stays(usual: dict[str, BacktestResult], hours: int) -> None:
    moment = MOMENT + hours * HOUR
    other = run(make_recording(bars_from=moment, posts_from=moment), "trend")
    latest = moment - HOUR if hours % 2 else moment
    assert records(other, until=latest) == records(usual["trend"], until=latest)


class Prophet:
    """A control: it holds the recording itself, and buys what will have risen three hours on."""

    name, code_hash, source = "prophet", "", ""

    def __init__(self, recording: Recording, hours: int) -> None:
        self._closes = {name: recording.bars_of(name).set_index("open_time")["close"] for name in recording.instruments}
        self._hours = hours

    def needs(self, grid: object, champion: object) -> tuple[str, ...]:
        return ()

    def horizon_bars(self, grid: object, champion: object) -> int:
        return 3

    def decide(self, view: View) -> dict[str, float]:
        decided = pd.Timestamp(view.as_of).floor("h") - HOUR
        return {
            str(name): float(np.tanh(50 * np.log(closes[decided + self._hours * HOUR] / closes[decided])))
            for name, closes in self._closes.items()
        }


def run_prophet(recording: Recording, hours: int) -> BacktestResult:
    plan = plan_of(recording, "trend")
    rules = replace(plan.rules, strategy="prophet", own=Prophet(recording, hours))
    return run_backtest(recording, replace(plan, rules=rules))


def test_a_rule_that_peeks_is_caught() -> None:
    usual, other = (run_prophet(recording, 3) for recording in (PAST, make_recording(bars_from=MOMENT)))
    assert records(other, until=MOMENT) != records(usual, until=MOMENT)
    early = MOMENT - 4 * HOUR
    assert records(other, until=early) == records(usual, until=early)


def test_the_same_rule_that_looks_back_instead_passes() -> None:
    usual, other = (run_prophet(recording, -3) for recording in (PAST, make_recording(bars_from=MOMENT)))
    assert records(other, until=MOMENT) == records(usual, until=MOMENT)


def test_an_alteration_that_begins_a_bar_too_early_is_caught(usual: dict[str, BacktestResult]) -> None:
    """The comparison reaches the newest bar that is decided on: one hour earlier, and it would be seen."""
    other = run(make_recording(bars_from=MOMENT - HOUR), "trend")
    assert records(other, until=MOMENT) != records(usual["trend"], until=MOMENT)
