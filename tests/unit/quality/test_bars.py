"""Bars judged: each reason, repeats, and gaps on both calendars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.locations import need

from tidemill.domain.errors import DataError
from tidemill.domain.market import BarSchedule, Instrument
from tidemill.ports import BAR_COLUMNS, GAP_COLUMNS
from tidemill.quality import CheckedBars, check_bars
from tidemill.recording import load_recording, to_bars

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC = Instrument(venue="BINANCE", base="BTC", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal("0.001"))


def at(hour: float) -> datetime:
    return START + hour * HOUR


def bars(hours: list[float], timeframe: str = "1h") -> pd.DataFrame:
    price = np.array([100.0 + one for one in hours])
    opens = pd.DatetimeIndex([at(one) for one in hours], dtype="datetime64[us, UTC]")
    series = pd.DataFrame(
        {"open_time": opens, "open": price, "high": price + 2, "low": price - 1, "close": price + 1, "volume": 3.0}
    )
    return to_bars(BTC.id, timeframe, series)


def changed(row: int, **values: object) -> pd.DataFrame:
    frame = bars([0, 1, 2])
    for name, value in values.items():
        frame.loc[row, name] = value
    return frame


def check(frame: pd.DataFrame, **options: object) -> CheckedBars:
    due = {name: options.pop(name) for name in ("timeframe", "calendar", "sessions") if name in options}
    schedule = BarSchedule(**{"timeframe": "1h", **due})  # type: ignore[arg-type]
    return check_bars(frame, **{"instrument": BTC, "schedule": schedule, **options})  # type: ignore[arg-type]


def spans(checked: CheckedBars) -> list[tuple[datetime, datetime, int, str]]:
    return list(checked.gaps[["start", "end", "missing", "cause"]].itertuples(index=False, name=None))


def test_good_bars_pass_unchanged() -> None:
    checked = check(bars([0, 1, 2]))
    pd.testing.assert_frame_equal(checked.good, bars([0, 1, 2]))
    assert tuple(checked.good.columns) == BAR_COLUMNS
    assert tuple(checked.rejected.columns) == (*BAR_COLUMNS, "reason")
    assert tuple(checked.gaps.columns) == GAP_COLUMNS
    assert (len(checked.rejected), len(checked.gaps), checked.repeated) == (0, 0, 0)


def test_no_bars_are_no_trouble() -> None:
    checked = check(bars([]), as_of=at(1), expected_from=at(0))
    assert (len(checked.good), len(checked.rejected), len(checked.gaps)) == (0, 0, 0)
    assert checked.good.dtypes.equals(bars([0]).dtypes)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (changed(1, instrument="ETH-USDT.BINANCE"), "not a bar of BTC-USDT.BINANCE"),
        (changed(1, open_time=pd.NaT), "no open_time"),
        (changed(1, open_time=at(1.5)), "off the grid of the timeframe"),
        (changed(1, close=float("nan")), "a number is missing or infinite"),
        (changed(1, high=float("inf")), "a number is missing or infinite"),
        (changed(1, volume=float("nan")), "a number is missing or infinite"),
        (changed(1, low=0.0), "a price is not positive"),
        (changed(1, low=-3.0), "a price is not positive"),
        (changed(1, volume=-1.0), "the volume is negative"),
        (changed(1, high=101.5), "high is below open, close or low"),
        (changed(1, low=101.5), "low is above open or close"),
        (changed(1, close=102.005), "a price is not a multiple of the step 0.01"),
    ],
)
def test_a_bar_that_cannot_have_been_is_rejected_with_its_reason(frame: pd.DataFrame, reason: str) -> None:
    checked = check(frame)
    assert checked.reasons == {reason: 1}
    assert list(checked.good["open_time"]) == [at(0), at(2)]
    assert spans(checked) == [(at(1), at(2), 1, "unknown")]


def test_the_unfinished_bar_is_dropped_and_says_when_it_was_seen() -> None:
    checked = check(bars([0, 1, 2, 3]), as_of=at(2) + timedelta(seconds=90))
    assert list(checked.good["open_time"]) == [at(0), at(1)]
    assert list(checked.rejected["reason"]) == [
        "not closed at 2021-04-19T02:01:30Z",
        "opens after 2021-04-19T02:01:30Z",
    ]
    assert len(checked.gaps) == 0


def test_a_bar_is_closed_at_the_instant_of_its_close() -> None:
    assert len(check(bars([0]), as_of=at(1)).good) == 1
    assert len(check(bars([0]), as_of=at(1) - timedelta(microseconds=1)).good) == 0


def test_an_equal_repeat_is_dropped_and_counted_and_a_differing_one_is_rejected() -> None:
    frame = bars([0, 1, 1, 1, 2])
    frame.loc[2, "close"] = 101.5
    checked = check(frame)
    assert list(checked.good["close"]) == [101.0, 102.0, 103.0]
    assert checked.repeated == 1
    assert checked.reasons == {"differs from the bar kept for the same open_time": 1}
    assert list(checked.rejected["close"]) == [101.5]


def test_of_repeats_the_first_that_is_good_stays() -> None:
    frame = bars([0, 1, 1])
    frame.loc[1, "high"] = 1.0
    checked = check(frame)
    assert list(checked.good["high"]) == [102.0, 103.0]
    assert len(checked.rejected) == 1


def test_wrong_order_is_sorted() -> None:
    checked = check(bars([2, 0, 1]))
    pd.testing.assert_frame_equal(checked.good, bars([0, 1, 2]))


def test_gaps_lie_between_bars_and_at_the_expected_ends() -> None:
    checked = check(bars([2, 3, 6]), expected_from=at(0), expected_until=at(9))
    assert spans(checked) == [
        (at(0), at(2), 2, "unknown"),
        (at(4), at(6), 2, "unknown"),
        (at(7), at(9), 2, "unknown"),
    ]
    assert set(checked.gaps["instrument"]) == {BTC.id}
    assert set(checked.gaps["timeframe"]) == {"1h"}


def test_an_expected_range_without_any_bar_is_one_gap() -> None:
    assert spans(check(bars([]), expected_from=at(0.5), expected_until=at(4))) == [(at(1), at(4), 3, "unknown")]
    assert spans(check(bars([]), expected_from=at(4), expected_until=at(4))) == []


def test_bars_outside_the_expected_range_make_no_gaps() -> None:
    assert spans(check(bars([0, 3, 5, 9]), expected_from=at(3), expected_until=at(6))) == [(at(4), at(5), 1, "unknown")]


def test_a_known_outage_is_the_cause_of_its_part_of_a_gap() -> None:
    expected = [(at(1), at(3), 2, "venue down"), (at(3), at(4), 1, "unknown")]
    assert spans(check(bars([0, 4]), down=[(at(1), at(3))])) == expected
    assert spans(check(bars([0, 4]), down=lambda moment: moment < at(3))) == expected
    assert spans(check(bars([0, 4]), down=[])) == [(at(1), at(4), 3, "unknown")]


def test_sessions_tell_what_is_missing_on_a_recorded_calendar() -> None:
    days = [0, 24, 48, 120, 144]
    sessions = [at(one) for one in days]
    checked = check(bars([0, 144], "1d"), timeframe="1d", calendar="as-recorded", sessions=sessions)
    assert spans(checked) == [(at(24), at(144), 3, "unknown")]
    complete = check(bars([*days], "1d"), timeframe="1d", calendar="as-recorded", sessions=sessions)
    assert (len(complete.good), len(complete.gaps)) == (5, 0)
    late = check(
        bars([48], "1d"), timeframe="1d", calendar="as-recorded", sessions=sessions, expected_from=at(24), as_of=at(999)
    )
    assert spans(late) == [(at(24), at(48), 1, "unknown")]


def test_without_sessions_a_recorded_calendar_has_no_gaps() -> None:
    assert spans(check(bars([0, 96], "1d"), timeframe="1d", calendar="as-recorded")) == []


def test_a_session_may_open_off_the_grid() -> None:
    half_past = [at(0.5), at(1.5)]
    kept = check(bars([0.5, 1.5]), calendar="as-recorded", sessions=half_past)
    assert len(kept.good) == 2
    assert len(check(bars([0.5, 1.5])).good) == 0


def test_a_bar_in_a_far_year_costs_nothing() -> None:
    frame = bars([0, 1])
    frame.loc[1, "open_time"] = datetime(2600, 1, 1, tzinfo=UTC)
    assert len(check(frame).gaps) == 1


def test_bars_without_a_column_or_a_zone_are_refused() -> None:
    with pytest.raises(DataError, match="need the column 'volume'"):
        check(bars([0]).drop(columns="volume"))
    naive = bars([0])
    with pytest.raises(DataError, match="times with a zone"):
        check(naive.assign(open_time=naive["open_time"].dt.tz_localize(None)))


@given(
    hours=st.lists(st.integers(0, 40), max_size=30),
    first=st.none() | st.integers(0, 20),
    beyond=st.none() | st.integers(20, 45),
    down=st.sets(st.integers(0, 45)),
)
def test_bars_and_gaps_together_cover_every_expected_slot_once(
    hours: list[int], first: int | None, beyond: int | None, down: set[int]
) -> None:
    checked = check(
        bars([float(one) for one in hours]),
        expected_from=None if first is None else at(first),
        expected_until=None if beyond is None else at(beyond),
        down=lambda moment: (moment - START) // HOUR in down,
    )
    unique = sorted(set(hours))
    assert list(checked.good["open_time"]) == [at(one) for one in unique]
    assert checked.repeated == len(hours) - len(unique)
    missing = [
        ((start - START) // HOUR + step, cause)
        for start, end, count, cause in spans(checked)
        for step in range((end - start) // HOUR)
        if (end - start) // HOUR == count
    ]
    low = first if first is not None else (unique[0] if unique else None)
    high = beyond if beyond is not None else (unique[-1] if unique else None)
    wanted = [] if low is None or high is None else [one for one in range(low, high) if one not in unique]
    if not unique and (first is None or beyond is None):
        wanted = []
    assert missing == [(one, "venue down" if one in down else "unknown") for one in wanted]


@pytest.mark.data
def test_the_outages_of_the_recording_are_six_gaps_of_eleven_bars() -> None:
    recording = load_recording(need("recordings/crypto-1h-2021-reddit.toml"))
    tape = recording.tape()
    for name, instrument in recording.instruments.items():
        frame = recording.as_bars(name, recording.first_open, recording.last_close)
        checked = check_bars(
            frame,
            instrument=instrument,
            schedule=BarSchedule(timeframe="1h"),
            as_of=recording.last_close,
            expected_from=recording.first_open,
            expected_until=recording.last_close,
            down=tape.is_down,
        )
        assert (len(checked.good), len(checked.rejected), checked.repeated) == (4357, 0, 0)
        assert list(checked.gaps["missing"]) == [3, 1, 1, 1, 2, 3]
        assert set(checked.gaps["cause"]) == {"venue down"}
        assert checked.gaps["end"].iloc[-1] == datetime(2021, 4, 25, 8, tzinfo=UTC)
