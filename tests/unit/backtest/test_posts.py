"""Posts are scored for the rules that read them, and for no others; what is decided is the same."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from support.exact_runs import BARS, HOUR, START, make_recording, plan_of, told

from tidemill.backtest import BacktestPlan, BacktestResult, run_backtest
from tidemill.backtest.history import History
from tidemill.features import SENTIMENT_FEATURES
from tidemill.forecasting import find_shipped
from tidemill.recording import Recording

WORDS = ("a great rally, bullish", "a terrible crash, bearish")


def with_posts(tone: int = 0) -> Recording:
    """A post every second hour, all good (``tone`` 0) or all bad (1)."""
    times = pd.DatetimeIndex([START + 2 * number * HOUR for number in range(BARS // 2)]).as_unit("us")
    posts = pd.DataFrame(
        {
            "source": "reddit",
            "post_id": [f"p{number}" for number in range(len(times))],
            "channel": "talk",
            "title": "",
            "text": [f"AAA {number}: {WORDS[tone]}" for number in range(len(times))],
            "event_time": times,
            "knowledge_time": times + pd.Timedelta(seconds=30),
            "assumed": True,
        }
    )
    return replace(make_recording(3), posts=posts)


def plan_for(recording: Recording, strategy: str, *, own: bool) -> BacktestPlan:
    """``own``: the same rule as one of the user's, of which nothing is known, so that posts are scored for it."""
    plan = plan_of(recording, strategy)
    return replace(plan, rules=replace(plan.rules, own=find_shipped(strategy))) if own else plan


def history_of(recording: Recording, plan: BacktestPlan) -> History:
    return History(recording, plan, list(plan.rules.grid.points(plan.start, plan.end)), recording.tape())


def without_posts(result: BacktestResult) -> list[dict[str, object]]:
    """What is on record of each decision, but for the features that are made of posts."""
    rows = []
    for one in result.decisions:
        features = one.record.get("features", {})
        kept = {name: {k: v for k, v in row.items() if k not in SENTIMENT_FEATURES} for name, row in features.items()}
        rows.append({**one.record, "features": kept})
    return rows


@pytest.mark.parametrize("strategy", ["trend", "reversion"])
def test_leaving_posts_unscored_changes_nothing_that_is_decided(strategy: str) -> None:
    recording = with_posts()
    quick, whole = (run_backtest(recording, plan_for(recording, strategy, own=own)) for own in (False, True))
    assert told(quick) == told(whole)
    assert quick.orders
    assert (quick.fills, quick.equity, quick.closing) == (whole.fills, whole.equity, whole.closing)
    assert without_posts(quick) == without_posts(whole)
    assert (quick.posts, quick.scores) == (whole.posts, whole.scores)
    assert quick.posts > 0


def test_only_rules_that_read_prices_alone_go_without_scores() -> None:
    recording = with_posts()
    for strategy, own, made in (("trend", False, False), ("trend", True, True), ("model", False, True)):
        plan = plan_for(recording, strategy, own=own)
        history = history_of(recording, plan)
        scores = history.store.read_scores(plan.rules.scorer, START, plan.end)
        assert bool(len(scores)) is made, (strategy, own)
        point = plan.start
        assert set(SENTIMENT_FEATURES) <= set(history.features.at(point).columns) or not made


def test_a_rule_that_reads_posts_sees_them() -> None:
    """The control: were scores left out for it, good and bad news would be the same to it."""
    seen = []
    for tone in (0, 1):
        recording = with_posts(tone)
        history = history_of(recording, plan_for(recording, "trend", own=True))
        seen.append(history.features.at(plan_of(recording).start).record()["AAA-USD.TEST"]["market_sent_mean_24h"])
    assert seen[0] is not None
    assert seen[1] is not None
    assert seen[0] > 0 > seen[1]
