"""Times, steps, instruments, and the grid of decisions."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import DataError
from tidemill.domain.market import (
    DecisionGrid,
    Instrument,
    InstrumentId,
    ceil_to_step,
    floor_to_step,
    from_micros,
    parse_time,
    split_instrument_id,
    to_micros,
    to_step,
)

HOURLY = DecisionGrid(timeframe="1h", delay_seconds=90)
SESSIONS = tuple(datetime(2013, 2, day, tzinfo=UTC) for day in (1, 4, 5, 6, 8))
DAILY = DecisionGrid(timeframe="1d", delay_seconds=90, calendar="as-recorded", sessions=SESSIONS)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


def test_a_time_without_zone_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="--from 2021-04-19T00:00:00 has no time zone"):
        parse_time("2021-04-19T00:00:00", "--from")


@given(moments)
def test_micros_round_trip(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment


@given(st.integers(1, 10**12), st.integers(0, 8))
def test_a_price_on_the_step_crosses_exactly(units: int, digits: int) -> None:
    step = Decimal(1).scaleb(-digits)
    exact = units * step
    if len(str(units)) <= 15:  # a float64 carries 15 digits
        assert to_step(float(exact), step) == exact


@pytest.mark.parametrize("value", [1.005, 0.1 + 0.21, float("nan"), float("inf")])
def test_a_value_off_the_step_is_refused(value: float) -> None:
    with pytest.raises(DataError):
        to_step(value, Decimal("0.1"))


@given(st.decimals(0, 10**6, places=6), st.sampled_from([Decimal("0.01"), Decimal(5), Decimal("0.125")]))
def test_floor_and_ceil_enclose(value: Decimal, step: Decimal) -> None:
    low, high = floor_to_step(value, step), ceil_to_step(value, step)
    assert low <= value <= high
    assert high - low in {Decimal(0), step}


def test_instrument_ids() -> None:
    made = Instrument(venue="BINANCE", base="BTC", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal(1))
    assert split_instrument_id(made.id) == ("BTC", "USDT", "BINANCE")
    with pytest.raises(DataError, match=r"BASE-QUOTE\.VENUE"):
        split_instrument_id("BTCUSDT")


@given(moments)
def test_the_newest_as_of_is_on_the_grid_and_past(now: datetime) -> None:
    newest = HOURLY.newest_as_of(now)
    assert newest is not None
    assert newest <= now < newest + timedelta(hours=1)
    assert HOURLY.decided_close(HOURLY.point_of(newest)) == newest - HOURLY.delay
    assert HOURLY.next_as_of(newest) == newest + timedelta(hours=1)


def test_an_as_of_off_the_grid_is_refused_with_the_newest_before() -> None:
    with pytest.raises(DataError, match=r"not on the grid.*2021-04-19T03:01:30Z"):
        HOURLY.point_of(datetime(2021, 4, 19, 3, 30, tzinfo=UTC))


def test_a_thinned_grid_has_every_fourth_hour() -> None:
    grid = DecisionGrid(timeframe="1h", delay_seconds=90, every_seconds=4 * 3600)
    start = datetime(2021, 4, 19, 1, tzinfo=UTC)
    points = list(grid.points(start, start + timedelta(days=1)))
    assert [point.hour for point in points] == [4, 8, 12, 16, 20, 0]
    assert grid.decided_open(points[0]).hour == 3


def test_sessions_decide_on_the_session_before() -> None:
    points = list(DAILY.points(SESSIONS[0], SESSIONS[-1] + timedelta(days=1)))
    assert points == list(SESSIONS[1:])
    monday = SESSIONS[1]
    assert DAILY.decided_open(monday) == SESSIONS[0]
    assert DAILY.decided_close(monday) == SESSIONS[0] + timedelta(days=1)
    assert DAILY.as_of(monday) == monday + timedelta(seconds=90)
    assert DAILY.newest_as_of(monday) is None
    assert DAILY.newest_as_of(monday + timedelta(days=0, seconds=90)) == DAILY.as_of(monday)
    assert DAILY.next_as_of(DAILY.as_of(SESSIONS[3])) == DAILY.as_of(SESSIONS[4])
    assert DAILY.upcoming_as_of(monday) == DAILY.as_of(monday)


def test_a_saturday_is_no_point() -> None:
    with pytest.raises(DataError, match="grid"):
        DAILY.point_of(datetime(2013, 2, 2, 0, 1, 30, tzinfo=UTC))


def test_an_instrument_id_is_its_string_and_knows_its_parts() -> None:
    name = InstrumentId("BTC-USDT.BINANCE")
    assert (name.base, name.quote, name.venue) == ("BTC", "USDT", "BINANCE")
    assert name == "BTC-USDT.BINANCE"
    assert {name: 1}["BTC-USDT.BINANCE"] == 1
    assert (str(name), repr(name), json.dumps(name)) == ("BTC-USDT.BINANCE", "'BTC-USDT.BINANCE'", '"BTC-USDT.BINANCE"')
    again = pickle.loads(pickle.dumps(name))
    assert (again, again.quote) == (name, "USDT")
    with pytest.raises(DataError, match=r"'BTCUSDT' is not of the form BASE-QUOTE\.VENUE"):
        InstrumentId("BTCUSDT")
