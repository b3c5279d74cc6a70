"""How complete a series is: every expected bar is stored or missing, and every missing one has one cause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.gaps import Cause, Gap
from tidemill.domain.market import BarSchedule, DecisionGrid, to_micros
from tidemill.quality import SeriesCompleteness
from tidemill.quality.completeness import measure_series, window_fraction

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = BarSchedule(timeframe="1h")
GRID = DecisionGrid(timeframe="1h", delay_seconds=90)
LENGTH = 60
hours = st.sets(st.integers(0, LENGTH - 1), max_size=LENGTH)


def micros(opens: set[int]) -> np.ndarray:
    return np.array([to_micros(START + hour * HOUR) for hour in sorted(opens)], dtype=np.int64)


@st.composite
def gaps(draw: st.DrawFn) -> list[Gap]:
    """Gaps anywhere, with any cause; they may overlap."""
    spans = draw(st.lists(st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 20)), max_size=4))
    return [
        Gap(
            instrument="A-B.V",
            timeframe="1h",
            start=START + first * HOUR,
            end=START + (first + length) * HOUR,
            missing=length,
            cause=draw(st.sampled_from(sorted(Cause))),
        )
        for first, length in spans
    ]


def measure(stored: set[int], missing: list[Gap], *, history: list[Gap] | None = None) -> SeriesCompleteness:
    series = measure_series(
        "A-B.V", HOURLY, micros(stored), end=START + LENGTH * HOUR, listed=START, gaps=missing, history=history or []
    )
    assert series is not None
    return series


@given(hours, gaps())
def test_each_expected_bar_is_stored_or_missing_for_one_cause(stored: set[int], missing: list[Gap]) -> None:
    series = measure(stored, missing)
    assert series.expected == LENGTH
    assert series.stored == len(stored)
    assert sum(series.missing.values()) == LENGTH - len(stored)
    assert all(count > 0 for count in series.missing.values())
    assert series.fraction == len(stored) / LENGTH


@given(hours, gaps())
def test_days_add_up_to_the_series(stored: set[int], missing: list[Gap]) -> None:
    series = measure(stored, missing)
    assert [day.expected for day in series.days] == [24, 24, 12]
    assert sum(day.stored for day in series.days) == series.stored
    rows = series.to_json()["incomplete_days"]
    assert [row["stored"] for row in rows] == [day.stored for day in series.days if day.fraction < 1]


@given(hours, gaps())
def test_what_no_gap_explains_is_of_unknown_cause(stored: set[int], missing: list[Gap]) -> None:
    explained = {hour for gap in missing for hour in range(LENGTH) if gap.start <= START + hour * HOUR < gap.end}
    explaining = [gap for gap in missing if gap.cause is not Cause.UNKNOWN]
    if len(explaining) == len(missing):
        assert measure(stored, missing).missing.get(Cause.UNKNOWN, 0) == LENGTH - len(stored | explained)


@given(hours, gaps())
def test_a_bar_that_was_once_missing_and_is_stored_counts_as_repaired(stored: set[int], history: list[Gap]) -> None:
    late = [gap for gap in history if gap.cause is not Cause.NOT_PUBLISHED]
    repaired = {hour for gap in late for hour in stored if gap.start <= START + hour * HOUR < gap.end}
    assert measure(stored, [], history=history).repaired == len(repaired)


def test_to_have_waited_for_a_bar_is_no_repair() -> None:
    gap = Gap(instrument="A-B.V", timeframe="1h", start=START, end=START + HOUR, missing=1, cause=Cause.NOT_PUBLISHED)
    assert measure({0}, [], history=[gap]).repaired == 0


def test_a_series_of_which_nothing_is_known_has_no_measure() -> None:
    assert measure_series("A-B.V", HOURLY, micros(set()), end=START + LENGTH * HOUR, gaps=[], history=[]) is None


def test_without_a_listing_a_series_begins_with_its_first_bar() -> None:
    series = measure_series("A-B.V", HOURLY, micros({5, 6, 8}), end=START + 9 * HOUR, gaps=[], history=[])
    assert series is not None
    assert (series.start, series.end) == (START + 5 * HOUR, START + 9 * HOUR)
    assert (series.expected, series.stored, series.missing) == (4, 3, {Cause.UNKNOWN: 1})


def test_a_period_in_which_no_bar_is_due_is_complete() -> None:
    series = measure_series("A-B.V", HOURLY, micros(set()), start=START, end=START, listed=START, gaps=[], history=[])
    assert series is not None
    assert (series.expected, series.fraction, series.days) == (0, 1.0, ())


@given(hours, st.integers(1, LENGTH), st.integers(1, 30))
def test_the_window_of_a_decision_is_whole_exactly_when_no_bar_of_it_is_missing(
    stored: set[int], now: int, bars: int
) -> None:
    closed = {hour for hour in stored if hour < now}
    fraction = window_fraction(micros(closed), GRID, START + now * HOUR, bars=bars)
    recent = sorted(closed)[-bars:]
    assert 0 <= fraction <= 1
    if not recent:
        assert fraction == 0
        return
    assert fraction == pytest.approx(len(recent) / (now - recent[0]))
    assert (fraction == 1) == (len(recent) == now - recent[0])


def test_a_window_that_left_out_the_decided_bar_would_be_caught() -> None:
    """The newest bar is missing: the fraction must say so though all bars before it are there."""
    assert window_fraction(micros(set(range(9))), GRID, START + 10 * HOUR, bars=9) == pytest.approx(0.9)
    assert window_fraction(micros(set(range(9))), GRID, START + 9 * HOUR, bars=9) == 1
