"""Small values that refuse what cannot be: trials, gaps, listings, scores, and the tree of errors."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain import errors
from tidemill.domain.errors import DataError
from tidemill.domain.gaps import Cause, Gap
from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind
from tidemill.domain.sentiment import SentimentScore
from tidemill.domain.series import FOREVER, Listing, SeriesState, SeriesStatus
from tidemill.domain.trials import Trial, comparable_sharpes, distinct_trials

NOW = datetime(2021, 4, 19, tzinfo=UTC)
DAY = timedelta(days=1)
TRIAL = Trial(
    recorded_at=NOW,
    strategy="trend",
    parameters_hash="p",
    start=NOW,
    end=NOW + 100 * DAY,
    data_hash="d",
    sharpe=1.5,
    orders=7,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recorded_at": datetime(2021, 1, 1)}, "recorded_at .* has no time zone"),
        ({"strategy": ""}, "needs its strategy"),
        ({"parameters_hash": ""}, "needs its parameters_hash"),
        ({"data_hash": ""}, "needs its data_hash"),
        ({"end": NOW}, "not after"),
        ({"sharpe": float("nan")}, "a number or None, not nan"),
        ({"sharpe": float("inf")}, "a number or None, not inf"),
    ],
)
def test_a_trial_that_cannot_have_been_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        replace(TRIAL, **changes)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"recorded_at": NOW + DAY, "sharpe": None, "orders": 8}, True),
        ({"strategy": "reversion"}, False),
        ({"parameters_hash": "q"}, False),
        ({"data_hash": "e"}, False),
        ({"start": NOW + DAY}, False),
        ({"end": NOW + DAY}, False),
    ],
)
def test_the_same_run_again_is_no_new_chance_of_being_lucky(changes: dict[str, object], same: bool) -> None:
    again = replace(TRIAL, **changes)
    assert distinct_trials([TRIAL, again]) == ((again,) if same else (TRIAL, again))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=15))
def test_of_each_trial_the_newest_run_counts_where_it_was_first_made(runs: list[tuple[str, int]]) -> None:
    trials = distinct_trials(replace(TRIAL, strategy=name, orders=orders) for name, orders in runs)
    assert [trial.strategy for trial in trials] == list(dict.fromkeys(name for name, _ in runs))
    assert [trial.orders for trial in trials] == [dict(runs)[trial.strategy] for trial in trials]


@given(st.integers(1, 400), st.integers(1, 400))
def test_a_ratio_is_compared_with_those_of_half_to_twice_its_length(days: int, own: int) -> None:
    trial = replace(TRIAL, end=NOW + days * DAY)
    (ratio,) = comparable_sharpes([trial], start=NOW, end=NOW + own * DAY)
    assert (ratio is not None) == (own <= 2 * days and days <= 2 * own)


@given(st.integers(-3, 3), st.integers(-3, 3))
def test_a_gap_holds_a_bar_or_is_none(length: int, missing: int) -> None:
    values = {"instrument": "A-B.V", "timeframe": "1h", "start": NOW, "end": NOW + length * DAY, "missing": missing}
    if length > 0 and missing > 0:
        assert Gap(cause=Cause.UNKNOWN, **values).key == ("A-B.V", "1h", NOW)
        return
    with pytest.raises(DataError, match="holds no bar"):
        Gap(cause=Cause.UNKNOWN, **values)


@given(st.integers(-3, 3))
def test_a_listing_holds_a_bar_or_is_none(days: int) -> None:
    if days > 0:
        assert Listing(start=NOW, end=NOW + days * DAY).end > NOW
        return
    with pytest.raises(DataError, match="holds no bar"):
        Listing(start=NOW, end=NOW + days * DAY)


def test_a_listing_without_ends_is_for_ever() -> None:
    assert Listing().end == FOREVER > NOW > Listing().start


def test_a_series_says_something_only_when_not_all_is_fine() -> None:
    status = SeriesStatus(instrument="A-B.V", timeframe="1h")
    assert not status.is_news
    assert replace(status, listed_from=NOW).is_news
    assert all(replace(status, state=state).is_news == (state is not SeriesState.FINE) for state in SeriesState)
    with pytest.raises(DataError, match="'3h' is unknown"):
        replace(status, timeframe="3h")
    with pytest.raises(DataError, match="listed_until"):
        replace(status, listed_until=datetime(2021, 1, 1))


@given(st.floats())
def test_a_score_lies_between_minus_one_and_one_or_is_refused(score: float) -> None:
    values = {"source": "x", "post_id": "p", "scorer": "s", "event_time": NOW, "knowledge_time": NOW}
    if -1 <= score <= 1:
        assert SentimentScore(score=score, **values).score == score
        return
    with pytest.raises(DataError, match="outside"):
        SentimentScore(score=score, **values)


@pytest.mark.parametrize("kind", MarketEventKind)
def test_what_a_record_is_known_by_and_what_it_says_are_all_its_columns(kind: MarketEventKind) -> None:
    shape = MARKET_EVENT_SHAPES[kind]
    assert set(shape.key) <= {*shape.texts, *shape.numbers}
    assert {*shape.identity, *shape.content} == set(shape.columns) - {"knowledge_time", "assumed"}
    assert not set(shape.identity) & set(shape.content)
    assert shape.content, "a record that says nothing could never be revised"


def test_every_error_of_ours_is_of_the_one_tree() -> None:
    own = {value for value in vars(errors).values() if isinstance(value, type)}
    assert all(issubclass(kind, errors.TidemillError) for kind in own)
    assert errors.TransientError("m").retry_after_seconds is None
    assert not issubclass(errors.TransientError, DataError)
    assert {kind.__name__ for kind in own if issubclass(kind, errors.TradingError)} == {
        "TradingError",
        "LeaseLost",
        "OrderExpired",
        "TradingStopped",
    }
