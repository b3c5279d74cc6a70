"""Recorded bars as rows of the wire: which are known, in which order, and to which digit."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings_made import START, frame

from tidemill.domain.market import to_micros
from tidemill.venue.klines import CHUNK_ROWS, KlineText

HOUR_MS = 3_600_000
FIRST = to_micros(START) // 1000
FOREVER = 2**62
COUNT = 2 * CHUNK_ROWS + 50


def text_of(bars: pd.DataFrame, step: str = "0.01") -> KlineText:
    return KlineText(bars, Decimal(step), HOUR_MS)


LONG = text_of(frame(list(range(COUNT))))
AT_END = FIRST + COUNT * HOUR_MS


@given(st.integers(0, COUNT), st.integers(0, COUNT), st.integers(1, 1500))
def test_a_body_is_the_rows_one_by_one(first: int, length: int, limit: int) -> None:
    start, end = FIRST + first * HOUR_MS, FIRST + (first + length) * HOUR_MS
    low, high = LONG.find(start, end, limit, AT_END)
    assert high - low <= limit
    rows = json.loads(LONG.body(low, high, AT_END))
    assert [tuple(row[:7]) for row in rows] == LONG.rows(low, high, AT_END)
    assert [row[0] for row in rows] == [start + number * HOUR_MS for number in range(len(rows))]
    assert len(rows) == max(0, min(limit, length + 1, COUNT - first))


@given(st.integers(1, 1500), st.integers(1, COUNT))
def test_without_a_start_the_newest_rows_come_in_order(limit: int, known: int) -> None:
    now = FIRST + known * HOUR_MS - 1
    low, high = LONG.find(0, FOREVER, limit, now)
    assert high == known
    assert high - low == min(limit, known)


@given(st.integers(1, COUNT - 1), st.integers(0, HOUR_MS - 1))
def test_a_bar_that_runs_shows_nothing_but_its_open(hours: int, millis: int) -> None:
    now = FIRST + hours * HOUR_MS + millis
    low, high = LONG.find(0, FOREVER, 2, now)
    closed, running = json.loads(LONG.body(low, high, now))
    assert running[0] == FIRST + hours * HOUR_MS
    assert running[1] == running[2] == running[3] == running[4] == f"{100 + hours:.2f}"
    assert running[5] == "0.0"
    assert closed[2] != closed[1]
    assert closed[6] == running[0] - 1


@given(st.integers(0, COUNT - 1))
def test_what_is_served_does_not_change_when_later_bars_do(hours: int) -> None:
    now = FIRST + hours * HOUR_MS + 1
    bars = frame(list(range(COUNT)))
    later = bars.index > hours
    bars.loc[later, ["open", "high", "low", "close"]] *= 3
    bars.loc[bars.index == hours, ["high", "low", "close", "volume"]] *= 2
    altered = text_of(bars)
    low, high = LONG.find(0, FOREVER, 20, now)
    assert altered.find(0, FOREVER, 20, now) == (low, high)
    assert altered.body(low, high, now) == LONG.body(low, high, now)


def test_one_millisecond_later_the_bar_is_closed_and_tells_all() -> None:
    bars = frame([0])
    text = text_of(bars)
    (running,) = text.rows(0, 1, FIRST + HOUR_MS - 1)
    (closed,) = text.rows(0, 1, FIRST + HOUR_MS)
    assert running[1:6] == ("100.00", "100.00", "100.00", "100.00", "0.0")
    assert closed[1:6] == ("100.00", "102.00", "99.00", "101.00", "0.1")


@pytest.mark.parametrize(("step", "text"), [("1", "100"), ("10", "100"), ("0.1", "100.0"), ("0.0100", "100.00")])
def test_a_price_has_the_digits_of_its_step(step: str, text: str) -> None:
    assert text_of(frame([0]), step).rows(0, 1, FOREVER)[0][1] == text


def test_nothing_asked_for_is_an_empty_list() -> None:
    assert LONG.body(5, 5, AT_END) == b"[]"
    low, high = LONG.find(AT_END, FOREVER, 10, AT_END)
    assert LONG.body(low, high, AT_END) == b"[]"
    assert LONG.find(FIRST, FIRST - 1, 10, AT_END)[0] == LONG.find(FIRST, FIRST - 1, 10, AT_END)[1]


def test_a_missing_bar_is_not_made_up() -> None:
    text = text_of(frame([0, 1, 4, 5]))
    low, high = text.find(FIRST + HOUR_MS, FIRST + 4 * HOUR_MS, 10, AT_END)
    assert [row[0] for row in json.loads(text.body(low, high, AT_END))] == [FIRST + HOUR_MS, FIRST + 4 * HOUR_MS]
    assert text.opens.tolist() == (FIRST + HOUR_MS * np.array([0, 1, 4, 5])).tolist()
