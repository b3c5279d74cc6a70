"""No future in the past: feature rows depend on what was known at their own as_of, bit for bit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.views import make_view

from tidemill.domain.market import DecisionGrid
from tidemill.features import FEATURE_NAMES, LOOKBACK, build_features, find_leaks
from tidemill.forecasting import find_shipped, make_forecasts, model_strengths, reversion_strengths, trend_strengths
from tidemill.ports import BAR_COLUMNS
from tidemill.training import TrainingParams, build_labels, judge_candidate, train_model

START = datetime(2021, 1, 1, tzinfo=UTC)
HOUR = pd.Timedelta(hours=1)
GRID = DecisionGrid(timeframe="1h", delay_seconds=90)
UNIVERSE = ("AAA-USD.T", "BBB-USD.T")


def make_bars(count: int = 400, seed: int = 0) -> pd.DataFrame:
    parts = []
    for index, name in enumerate(UNIVERSE):
        random = np.random.default_rng(seed * 10 + index)
        close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
        opened = np.concatenate([[100.0], close[:-1]])
        times = pd.DatetimeIndex([START + hour * HOUR for hour in range(count)]).as_unit("us")
        parts.append(
            pd.DataFrame(
                {
                    "instrument": name,
                    "open_time": times,
                    "open": opened,
                    "high": np.maximum(opened, close) * 1.002,
                    "low": np.minimum(opened, close) * 0.998,
                    "close": close,
                    "volume": random.uniform(1, 100, count),
                    "knowledge_time": times + HOUR + pd.Timedelta(seconds=1),
                    "assumed": True,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)[list(BAR_COLUMNS)]


def make_scores(count: int = 300, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    times = pd.DatetimeIndex([START + pd.Timedelta(minutes=int(m)) for m in sorted(random.integers(0, 24000, count))])
    return pd.DataFrame(
        {
            "source": "x",
            "post_id": [str(number) for number in range(count)],
            "scorer": "s",
            "score": random.uniform(-1, 1, count),
            "subjects": random.choice(["", "AAA", "BBB", "AAA,BBB"], count),
            "event_time": times.as_unit("us"),
            "knowledge_time": times.as_unit("us"),
        }
    )


BARS, SCORES = make_bars(), make_scores()


def build(bars: pd.DataFrame, scores: pd.DataFrame, points: list[datetime] | None = None) -> pd.DataFrame:
    return build_features(bars, scores, grid=GRID, points=points, universe=UNIVERSE)


WHOLE = build(BARS, SCORES)


def same(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    return list(left.index) == list(right.index) and np.array_equal(
        left[list(FEATURE_NAMES)].to_numpy(), right[list(FEATURE_NAMES)].to_numpy(), equal_nan=True
    )


def row(table: pd.DataFrame, point: datetime) -> pd.DataFrame:
    return table.xs(pd.Timestamp(point), level="point")


points = st.integers(1, 399).map(lambda hour: START + hour * HOUR.to_pytimedelta())


@settings(max_examples=25)
@given(points)
def test_one_point_equals_ten_years_bit_for_bit(point: datetime) -> None:
    assert same(row(build(BARS, SCORES, [point]), point), row(WHOLE, point))


@settings(max_examples=25)
@given(points)
def test_taking_the_future_away_changes_nothing(point: datetime) -> None:
    as_of = GRID.as_of(point)
    bars = BARS[(BARS["knowledge_time"] <= as_of) & (BARS["open_time"] < point)]
    scores = SCORES[SCORES["knowledge_time"] <= as_of]
    assert same(row(build(bars, scores, [point]), point), row(WHOLE, point))


@settings(max_examples=25)
@given(points, st.integers(0, 399), st.floats(0.5, 2))
def test_a_later_revision_changes_no_earlier_row(point: datetime, hour: int, factor: float) -> None:
    revised = BARS.iloc[[hour]].copy()
    for name in ("open", "high", "low", "close"):
        revised[name] *= factor
    revised["knowledge_time"] = (pd.Timestamp(GRID.as_of(point)) + pd.Timedelta(seconds=1)).as_unit("us")
    bars = pd.concat([BARS, revised], ignore_index=True)
    assert same(row(build(bars, SCORES, [point]), point), row(WHOLE, point))


def test_a_revision_known_in_time_counts() -> None:
    point = START + 300 * HOUR.to_pytimedelta()
    revised = BARS.iloc[[299]].copy()
    revised["close"] *= 1.5
    revised["knowledge_time"] += pd.Timedelta(seconds=1)
    bars = pd.concat([BARS, revised], ignore_index=True)
    assert not same(row(build(bars, SCORES, [point]), point), row(WHOLE, point))


def test_a_late_bar_makes_its_instrument_stale_then_not_later() -> None:
    late = BARS.copy()
    late.loc[200, "knowledge_time"] += pd.Timedelta(hours=2)
    table = build(late, SCORES)
    assert UNIVERSE[0] not in row(table, START + 201 * HOUR.to_pytimedelta()).index
    later = START + 210 * HOUR.to_pytimedelta()
    assert same(row(table, later), row(WHOLE, later))


@pytest.mark.parametrize("place", [0, 3, 250, 399, 650])
def test_rows_beside_a_late_or_revised_bar_are_those_of_their_point_alone(place: int) -> None:
    """Rows far from such a bar are made all at once, those near it one by one: nobody can tell which were."""
    late = BARS.iloc[[place]].copy()
    late["close"] *= 1.2
    late["knowledge_time"] += pd.Timedelta(hours=50)
    bars = pd.concat([BARS, late], ignore_index=True)
    table = build(bars, SCORES)
    for hour in (1, 100, 168, 170, 250, 251, 299, 301, 399):
        point = START + hour * HOUR.to_pytimedelta()
        known = bars[bars["knowledge_time"] <= GRID.as_of(point)]
        assert same(row(table, point), row(build(known, SCORES, [point]), point))
    untouched = START + 249 * HOUR.to_pytimedelta()
    assert same(row(table, untouched), row(WHOLE, untouched))


def test_a_young_instrument_has_no_long_features() -> None:
    table = row(WHOLE, START + 30 * HOUR.to_pytimedelta())
    assert table["ret_168"].isna().all()
    assert table["ret_24"].notna().all()


def test_a_window_full_of_holes_is_not_trusted() -> None:
    holed = BARS[~BARS["open_time"].between(START + 100 * HOUR, START + 160 * HOUR)]
    table = build(holed, SCORES)
    assert row(table, START + 250 * HOUR.to_pytimedelta())["ret_1"].isna().all()


def test_nothing_leaks() -> None:
    assert find_leaks(build_features, BARS, SCORES, grid=GRID, universe=UNIVERSE) == []


@pytest.mark.parametrize("leak", ["tomorrow", "centred", "whole"])
def test_a_planted_leak_is_caught(leak: str) -> None:
    """The control: three ways in which people train on the future."""

    def leaky(bars, scores, *, grid, points, universe):
        table = build_features(bars, scores, grid=grid, points=None, universe=universe)
        closes = table["close"].unstack("instrument")
        planted = {
            "tomorrow": closes.shift(-1),
            "centred": closes.rolling(5, center=True).mean(),
            "whole": closes - closes.mean(),
        }[leak]
        table["ret_1"] = planted.stack(future_stack=True).reindex(table.index)
        if points is not None:
            table = table[table.index.get_level_values("point").isin([pd.Timestamp(one) for one in points])]
        return table

    assert "ret_1" in find_leaks(leaky, BARS, SCORES, grid=GRID, universe=UNIVERSE)


def trained():
    labels = build_labels(BARS, GRID, 24)
    as_of = GRID.as_of(START + 400 * HOUR.to_pytimedelta())
    return train_model(WHOLE, labels, settings=TrainingParams(horizon_bars=24), as_of=as_of, name="m")


def test_training_is_purged_and_repeatable() -> None:
    first, again = trained(), trained()
    assert first.model.dataset_hash == again.model.dataset_hash
    metrics = first.model.metrics
    assert metrics["rows_purged"] >= 2 * 24 * 2
    x = WHOLE.dropna()[list(FEATURE_NAMES)].to_numpy()
    assert np.array_equal(first.model.estimator.predict(x), again.model.estimator.predict(x))
    assert first.rows == len(build_labels(BARS, GRID, 24)) - 0


def test_no_label_is_used_before_it_was_known() -> None:
    labels = build_labels(BARS, GRID, 24)
    early = GRID.as_of(START + 200 * HOUR.to_pytimedelta())
    candidate = train_model(WHOLE, labels, settings=TrainingParams(horizon_bars=24), as_of=early, name="m")
    assert candidate.rows == 2 * (200 - 24)


def test_verdicts_are_honest() -> None:
    candidate = trained()
    assert judge_candidate(candidate, [], "paper").promote
    assert judge_candidate(candidate, [], "paper").text == "unproven"
    assert not judge_candidate(candidate, [], "proven").promote
    assert judge_candidate(candidate, ["ret_1"], "paper").text == "refused"


@pytest.mark.parametrize("strategy", ["trend", "reversion", "model"])
def test_a_forecast_does_not_depend_on_how_many_are_asked_for(strategy: str) -> None:
    champion = trained().model
    point = START + 399 * HOUR.to_pytimedelta()
    table = row(WHOLE, point)
    made = make_forecasts(find_shipped(strategy), make_view(table, GRID, point, champion))
    assert [one.instrument for one in made.forecasts] == list(UNIVERSE)
    strengths = {
        "trend": trend_strengths(table, GRID),
        "reversion": reversion_strengths(table),
        "model": model_strengths(table, champion),
    }[strategy]
    assert [one.strength for one in made.forecasts] == [float(one) for one in strengths]
    assert all(-1 <= one.strength <= 1 for one in made.forecasts)


def test_without_its_features_an_instrument_has_no_forecast_but_a_reason() -> None:
    point = START + 100 * HOUR.to_pytimedelta()
    made = make_forecasts(find_shipped("trend"), make_view(row(WHOLE, point), GRID, point))
    assert not made.forecasts
    assert "ret_168" in made.without[0].reason
    assert LOOKBACK == 169
    assert timedelta(hours=1) == HOUR
