"""Money and time over any value: steps, names of instruments, bars, and the grid of decisions on both calendars."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidemill.domain.errors import DataError
from tidemill.domain.market import (
    TIMEFRAME_SECONDS,
    Bar,
    BarSchedule,
    DecisionGrid,
    Instrument,
    InstrumentId,
    Stamp,
    ceil_to_step,
    default_decision_delay,
    floor_to_step,
    format_time,
    from_micros,
    parse_step,
    parse_time,
    require_range,
    require_utc,
    timeframe_seconds,
    to_micros,
    to_step,
)

moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
steps = st.sampled_from([Decimal(text) for text in ("0.00000001", "0.001", "0.01", "0.125", "0.25", "1", "5", "1000")])
signed = st.decimals(-(10**9), 10**9, places=8)
words = st.text(st.characters(codec="ascii", categories=("Lu", "Nd")), min_size=1, max_size=8)


@given(st.integers(-(10**6), 10**6), steps)
def test_a_multiple_of_the_step_crosses_unchanged_and_crosses_again(units: int, step: Decimal) -> None:
    exact = units * step
    once = to_step(exact, step)
    assert once == exact
    assert to_step(once, step) == once
    assert to_step(float(exact), step) == exact


@given(st.integers(1, 10**6), steps, st.integers(1, 99))
def test_a_value_between_two_steps_never_crosses(units: int, step: Decimal, hundredths: int) -> None:
    between = (units + Decimal(hundredths) / 100) * step
    with pytest.raises(DataError, match="is not a multiple of the step"):
        to_step(between, step)


def test_a_crossing_that_rounds_without_asking_would_be_caught() -> None:
    def rounded(value: Decimal, step: Decimal) -> Decimal:
        return (value / step).quantize(Decimal(1), rounding=ROUND_HALF_EVEN) * step

    off = Decimal("1.005")
    assert rounded(off, Decimal("0.01")) == Decimal("1.00")
    with pytest.raises(DataError):
        to_step(off, Decimal("0.01"))


@given(signed, steps)
def test_rounding_down_goes_toward_zero_on_either_side(value: Decimal, step: Decimal) -> None:
    low = floor_to_step(value, step)
    assert abs(low) <= abs(value)
    assert abs(value) - abs(low) < step
    assert floor_to_step(-value, step) == -low
    assert low % step == 0


@given(signed, steps)
def test_rounding_up_never_lies_below_the_value(value: Decimal, step: Decimal) -> None:
    high = ceil_to_step(value, step)
    assert value <= high < value + step
    assert high % step == 0


@given(signed, signed, steps)
def test_rounding_keeps_the_order_of_two_values(first: Decimal, second: Decimal, step: Decimal) -> None:
    low, high = sorted((first, second))
    assert floor_to_step(low, step) <= floor_to_step(high, step)
    assert ceil_to_step(low, step) <= ceil_to_step(high, step)


@pytest.mark.parametrize("text", ["", "a cent", "0,01", "-0.01", "NaN", "Infinity"])
def test_a_step_that_is_no_number_of_nothing_or_more_is_refused_by_name(text: str) -> None:
    with pytest.raises(DataError, match=f"price_step '{text}'"):
        parse_step(text, "price_step")


@given(st.decimals(0, 10**6, places=8))
def test_a_step_is_read_as_it_is_written(step: Decimal) -> None:
    assert parse_step(str(step), "lot_step") == step


@given(words, words, words)
def test_an_instrument_and_its_id_name_the_same_parts(base: str, quote: str, venue: str) -> None:
    instrument = Instrument(venue=venue, base=base, quote=quote, price_step=Decimal(1), lot_step=Decimal(1))
    name = InstrumentId(instrument.id)
    assert (name.base, name.quote, name.venue) == (base, quote, venue)
    assert InstrumentId(name) == name == f"{base}-{quote}.{venue}"
    assert hash(name) == hash(instrument.id)


@given(words, words, words)
def test_a_dot_in_the_base_and_a_dash_in_the_quote_belong_to_them(base: str, quote: str, venue: str) -> None:
    name = InstrumentId(f"{base}.B-{quote}-{quote}.{venue}")
    assert (name.base, name.quote, name.venue) == (f"{base}.B", f"{quote}-{quote}", venue)


@pytest.mark.parametrize("text", ["", ".", "-", "-.", "BTC", "BTC-USDT", "BTC.X", "-USDT.X", "BTC-.X", "BTC-USDT."])
def test_an_id_with_a_missing_part_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"BASE-QUOTE\.VENUE"):
        InstrumentId(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("price_step", Decimal(0)),
        ("price_step", 0.01),
        ("lot_step", Decimal(-1)),
        ("lot_step", Decimal("NaN")),
        ("price_step", Decimal("Infinity")),
        ("min_notional", Decimal("NaN")),
        ("min_notional", Decimal(-5)),
        ("min_notional", 5),
    ],
)
def test_a_rule_of_trading_that_is_no_exact_number_is_refused_by_name(name: str, value: object) -> None:
    rules = {"price_step": Decimal(1), "lot_step": Decimal(1), "min_notional": Decimal(0), name: value}
    with pytest.raises(DataError, match=f"{name} of A-B.V"):
        Instrument(venue="V", base="A", quote="B", **rules)


def test_a_listing_without_a_zone_is_refused() -> None:
    with pytest.raises(DataError, match="listed_from"):
        Instrument(
            venue="V",
            base="A",
            quote="B",
            price_step=Decimal(1),
            lot_step=Decimal(1),
            listed_from=datetime(2021, 1, 1),
        )


prices = st.decimals("0.01", 10**6, places=2)


def bar(low: Decimal, high: Decimal, prices: tuple[Decimal, Decimal], volume: Decimal = Decimal(1)) -> Bar:
    start = datetime(2021, 4, 19, tzinfo=UTC)
    ends = {"open": prices[0], "close": prices[1]}
    return Bar(open_time=start, close_time=start + timedelta(hours=1), low=low, high=high, volume=volume, **ends)


@given(prices, prices, prices, prices)
def test_a_bar_exists_exactly_when_its_range_holds_its_ends(a: Decimal, b: Decimal, c: Decimal, d: Decimal) -> None:
    low, high = min(a, b), max(a, b)
    if low <= min(c, d) and max(c, d) <= high:
        assert bar(low, high, (c, d)).close == d
        return
    with pytest.raises(DataError, match="high or low inside"):
        bar(low, high, (c, d))


@pytest.mark.parametrize(
    ("low", "volume"), [(Decimal(0), Decimal(1)), (Decimal(-1), Decimal(1)), (Decimal(1), Decimal(-1))]
)
def test_a_bar_without_a_price_or_with_less_than_no_volume_is_refused(low: Decimal, volume: Decimal) -> None:
    with pytest.raises(DataError, match="price <= 0 or a volume < 0"):
        bar(low, Decimal(3), (Decimal(2), Decimal(2)), volume)


def test_a_bar_that_closes_when_it_opens_is_refused() -> None:
    start = datetime(2021, 4, 19, tzinfo=UTC)
    ends = dict.fromkeys(("open", "high", "low", "close", "volume"), Decimal(1))
    with pytest.raises(DataError, match="closes before it opens"):
        Bar(open_time=start, close_time=start, **ends)


@given(moments)
def test_a_moment_is_read_as_it_is_written(moment: datetime) -> None:
    text = format_time(moment)
    assert text.endswith("Z")
    assert parse_time(text, "--from") == moment


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_the_zone_of_a_moment_changes_its_spelling_only(moment: datetime, minutes: int) -> None:
    abroad = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert require_utc(abroad, "now").tzinfo is UTC
    assert to_micros(abroad) == to_micros(moment)
    assert format_time(abroad) == format_time(moment)
    assert from_micros(to_micros(abroad)) == moment


@given(moments, moments)
def test_micros_order_moments_as_they_follow_one_another(first: datetime, second: datetime) -> None:
    assert (first < second) == (to_micros(first) < to_micros(second))


@given(moments, moments)
def test_a_range_holds_something_or_is_refused(start: datetime, end: datetime) -> None:
    if start < end:
        assert require_range(start, end) == (start, end)
        return
    with pytest.raises(DataError, match="nothing lies between them"):
        require_range(start, end)


@pytest.mark.parametrize("name", ["start", "end"])
def test_a_range_names_the_end_that_has_no_zone(name: str) -> None:
    ends = {"start": datetime(2021, 1, 1, tzinfo=UTC), "end": datetime(2021, 1, 2, tzinfo=UTC)}
    ends[name] = ends[name].replace(tzinfo=None)
    with pytest.raises(DataError, match=f"^{name} .* has no time zone"):
        require_range(**ends)


@pytest.mark.parametrize("text", ["yesterday", "2021-13-01T00:00:00Z", "2021-04-19T25:00:00Z", ""])
def test_a_text_that_is_no_time_is_refused_with_the_form_to_write(text: str) -> None:
    with pytest.raises(DataError, match=r"--to.*2021-04-19T00:00:00Z"):
        parse_time(text, "--to")


@pytest.mark.parametrize("name", ["market", "wall"])
def test_a_stamp_names_the_clock_that_has_no_zone(name: str) -> None:
    clocks = dict.fromkeys(("market", "wall"), datetime(2021, 1, 1, tzinfo=UTC))
    clocks[name] = datetime(2021, 1, 1)
    with pytest.raises(DataError, match=f"{name} time"):
        Stamp(**clocks)


def test_an_unheard_of_timeframe_is_answered_with_those_that_exist() -> None:
    with pytest.raises(DataError, match="'3h' is unknown") as refusal:
        timeframe_seconds("3h")
    assert all(name in str(refusal.value) for name in TIMEFRAME_SECONDS)


@pytest.mark.parametrize("timeframe", TIMEFRAME_SECONDS)
def test_every_timeframe_has_a_delay_that_its_grid_accepts(timeframe: str) -> None:
    grid = DecisionGrid(timeframe=timeframe, delay_seconds=default_decision_delay(timeframe))
    assert grid.delay < grid.spacing == BarSchedule(timeframe=timeframe).length


@pytest.mark.parametrize("delay", [0, -1, 3600, 7200])
def test_a_delay_outside_a_bar_is_refused(delay: int) -> None:
    with pytest.raises(DataError, match="decision_delay"):
        DecisionGrid(timeframe="1h", delay_seconds=delay)


@given(st.integers(1, 100_000))
def test_a_grid_is_thinned_by_whole_bars_or_not_at_all(seconds: int) -> None:
    if seconds % 3600 == 0:
        spacing = DecisionGrid(timeframe="1h", delay_seconds=90, every_seconds=seconds).spacing
        assert spacing == timedelta(seconds=seconds)
        return
    with pytest.raises(DataError, match="does not fit bars of 1h"):
        DecisionGrid(timeframe="1h", delay_seconds=90, every_seconds=seconds)


@st.composite
def full_grids(draw: st.DrawFn) -> DecisionGrid:
    """A grid of a market that never closes, with any bar, delay and thinning."""
    timeframe = draw(st.sampled_from(sorted(TIMEFRAME_SECONDS)))
    seconds = TIMEFRAME_SECONDS[timeframe]
    bars = draw(st.integers(0, 12))
    delay = draw(st.integers(1, seconds - 1))
    return DecisionGrid(timeframe=timeframe, delay_seconds=delay, every_seconds=bars * seconds)


@st.composite
def session_grids(draw: st.DrawFn) -> DecisionGrid:
    """A grid of recorded days with holidays of any length among them."""
    gaps = draw(st.lists(st.integers(1, 5), min_size=2, max_size=20))
    days, day = [], datetime(2013, 2, 1, 14, 30, tzinfo=UTC)
    for gap in gaps:
        days.append(day)
        day += timedelta(days=gap)
    delay = draw(st.integers(1, 86_399))
    return DecisionGrid(timeframe="1d", delay_seconds=delay, calendar="as-recorded", sessions=tuple(days))


def points_around(grid: DecisionGrid, moment: datetime) -> list[datetime]:
    start = grid.sessions[0] if grid.sessions else moment
    length = timedelta(days=120) if grid.sessions else 3 * grid.spacing
    return list(grid.points(start, start + length))


@given(st.one_of(full_grids(), session_grids()), moments)
def test_every_point_comes_back_from_its_as_of(grid: DecisionGrid, moment: datetime) -> None:
    points = points_around(grid, moment)
    assert points
    for point in points:
        assert grid.is_point(point)
        assert grid.point_of(grid.as_of(point)) == point
        assert grid.newest_as_of(grid.as_of(point)) == grid.as_of(point)
        assert grid.upcoming_as_of(point) == grid.as_of(point)


@given(st.one_of(full_grids(), session_grids()), moments)
def test_each_as_of_is_followed_by_that_of_the_next_point(grid: DecisionGrid, moment: datetime) -> None:
    points = points_around(grid, moment)
    for before, after in itertools.pairwise(points):
        assert grid.next_as_of(grid.as_of(before)) == grid.as_of(after)
        assert grid.newest_as_of(grid.as_of(after) - timedelta(microseconds=1)) == grid.as_of(before)


@given(st.one_of(full_grids(), session_grids()), moments)
def test_a_decision_is_made_after_its_bar_has_closed(grid: DecisionGrid, moment: datetime) -> None:
    for point in points_around(grid, moment):
        opened, closed = grid.decided_open(point), grid.decided_close(point)
        assert closed - opened == grid.schedule.length
        assert closed <= point < grid.as_of(point)


def test_a_grid_that_decided_on_the_bar_just_opened_would_be_caught() -> None:
    class Hasty(DecisionGrid):
        def decided_open(self, point: datetime) -> datetime:
            return point

    point = datetime(2021, 4, 19, 3, tzinfo=UTC)
    hasty = Hasty(timeframe="1h", delay_seconds=90)
    assert hasty.decided_close(point) > hasty.as_of(point)


@given(st.one_of(full_grids(), session_grids()), moments, st.integers(1, 10**7))
def test_a_moment_beside_the_grid_is_refused(grid: DecisionGrid, moment: datetime, micros: int) -> None:
    beside = grid.as_of(points_around(grid, moment)[0]) + timedelta(microseconds=micros)
    assume(not grid.is_point(beside - grid.delay))
    with pytest.raises(DataError, match="not on the grid"):
        grid.point_of(beside)


@given(full_grids(), moments, st.integers(0, 5), st.integers(0, 5))
def test_two_neighbouring_periods_hold_the_points_of_both(
    grid: DecisionGrid, start: datetime, first: int, second: int
) -> None:
    middle = start + first * grid.spacing
    end = middle + second * grid.spacing
    assert [*grid.points(start, middle), *grid.points(middle, end)] == list(grid.points(start, end))


@given(session_grids())
def test_before_the_second_session_nothing_can_be_decided(grid: DecisionGrid) -> None:
    first = grid.sessions[0]
    assert not grid.is_point(first)
    assert grid.newest_as_of(grid.as_of(first)) is None
    with pytest.raises(DataError, match="no session before"):
        grid.decided_open(first)
    with pytest.raises(DataError, match=r"not on the grid of decisions$"):
        grid.point_of(grid.as_of(first))


@given(session_grids())
def test_after_the_last_session_intents_live_one_day(grid: DecisionGrid) -> None:
    last = grid.as_of(grid.sessions[-1])
    assert grid.next_as_of(last) == last + timedelta(days=1)
