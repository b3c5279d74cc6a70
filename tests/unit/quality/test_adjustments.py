"""Splits and dividends as of a moment: what is known later changes nothing of an earlier read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import DataError
from tidemill.domain.market_events import MarketEventKind
from tidemill.memory.market_events import MemoryMarketEvents
from tidemill.quality import adjust_bars, raw_factors
from tidemill.recording import to_bars

START = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = "AAPL-USD.US"
DAYS = 40


def bars(days: int = DAYS) -> pd.DataFrame:
    close = 100.0 + np.arange(days) % 7
    opens = pd.DatetimeIndex([START + number * DAY for number in range(days)], dtype="datetime64[us, UTC]")
    frame = pd.DataFrame({"open_time": opens, "open": close, "high": close + 1, "low": close - 1, "close": close})
    return to_bars(NAME, "1d", frame.assign(volume=1000.0 + np.arange(days)))


def adjustments(*rows: tuple[int, str, float, int]) -> pd.DataFrame:
    """RECORDS from (day of effect, kind, value, day known)."""
    frame = pd.DataFrame(
        [
            {
                "instrument": NAME,
                "event_time": START + day * DAY,
                "kind": kind,
                "value": value,
                "knowledge_time": START + known * DAY,
                "assumed": False,
            }
            for day, kind, value, known in rows
        ],
        columns=["instrument", "event_time", "kind", "value", "knowledge_time", "assumed"],
    )
    return frame.astype(
        {"event_time": "datetime64[us, UTC]", "knowledge_time": "datetime64[us, UTC]", "value": "float64"}
    )


def adjusted(told: pd.DataFrame, day: int, **options: bool) -> pd.DataFrame:
    known = bars()[: max(0, day)]
    return adjust_bars(known, told, known_at=START + day * DAY, **options)


ONE = st.one_of(
    st.tuples(st.integers(0, DAYS), st.just("split"), st.sampled_from([0.1, 0.5, 2.0, 3.0, 20.0]), st.integers(0, 60)),
    st.tuples(st.integers(0, DAYS), st.just("dividend"), st.floats(0, 20), st.integers(0, 60)),
)


@given(told=st.lists(ONE, max_size=6), later=st.lists(ONE, max_size=4), day=st.integers(1, DAYS))
def test_what_becomes_known_later_never_changes_an_earlier_read(told, later, day) -> None:
    before = adjusted(adjustments(*told), day)
    shifted = [(at, kind, value, max(known, day + 1)) for at, kind, value, known in later]
    pd.testing.assert_frame_equal(adjusted(adjustments(*told, *shifted), day), before)


@given(told=st.lists(ONE, max_size=6), later=st.lists(ONE, max_size=4), day=st.integers(1, DAYS))
def test_nor_does_it_when_it_is_stored_and_read_back(told, later, day) -> None:
    store, moment = MemoryMarketEvents(), START + day * DAY
    kind = MarketEventKind.ADJUSTMENTS

    def read() -> pd.DataFrame:
        known = store.read_market_events(kind, [NAME], START, START + 99 * DAY, known_at=moment)
        return adjust_bars(bars()[:day], known, known_at=moment)

    store.write_market_events(kind, adjustments(*told), now=moment)
    before = read()
    shifted = [(at, name, value, max(known, day + 1)) for at, name, value, known in later]
    store.write_market_events(kind, adjustments(*shifted), now=moment + 30 * DAY)
    pd.testing.assert_frame_equal(read(), before)


@given(day=st.integers(2, DAYS))
def test_control_a_read_that_forgets_the_moment_does_change(day) -> None:
    """With everything counted as known at once, a split known later is seen before it was."""
    late = adjustments((day - 1, "split", 2.0, day + 5))
    honest, forgetful = adjusted(late, day), adjust_bars(bars()[:day], late, known_at=START + 99 * DAY)
    assert list(honest["close"]) == list(bars()["close"][:day])
    assert list(forgetful["close"]) != list(honest["close"])


@given(told=st.lists(ONE, max_size=6), day=st.integers(1, DAYS))
def test_splits_keep_what_was_traded_in_money_and_dividends_the_volume(told, day) -> None:
    splits = [one for one in told if one[1] == "split"]
    raw, made = bars()[:day], adjusted(adjustments(*splits), day)
    assert (made["close"] * made["volume"]).to_numpy() == pytest.approx((raw["close"] * raw["volume"]).to_numpy())
    paid = [one for one in told if one[1] == "dividend"]
    assert list(adjusted(adjustments(*paid), day)["volume"]) == list(raw["volume"])
    assert (adjusted(adjustments(*paid), day)["close"] <= raw["close"]).all()


def test_nothing_is_adjusted_before_it_takes_effect_nor_by_dividends_unless_wanted() -> None:
    told = adjustments((10, "split", 2.0, 3), (10, "dividend", 1.0, 3))
    pd.testing.assert_frame_equal(adjusted(told, 9), bars()[:9])
    assert adjusted(told, 12, dividends=False)["close"].to_list()[:10] == (bars()["close"][:10] / 2).to_list()
    assert adjusted(told, 12)["close"].to_list()[10:] == bars()["close"][10:12].to_list()


def test_impossible_adjustments_are_refused() -> None:
    for told in (adjustments((5, "split", 0.0, 1)), adjustments((5, "dividend", 500.0, 1))):
        with pytest.raises(DataError, match="cannot be"):
            adjusted(told, 20)


@given(ratios=st.lists(st.tuples(st.integers(0, DAYS), st.sampled_from([0.25, 2.0, 4.0])), max_size=4))
def test_what_a_source_adjusted_by_all_splits_is_raw_again(ratios) -> None:
    splits = pd.Series(
        [ratio for _, ratio in ratios], index=pd.DatetimeIndex([START + day * DAY for day, _ in ratios], tz="UTC")
    )
    told = adjustments(*[(day, "split", ratio, 0) for day, ratio in dict(ratios).items()])
    unique = splits[~splits.index.duplicated(keep="last")]
    source = adjust_bars(bars(), told, known_at=START + 99 * DAY)
    opens = pd.DatetimeIndex(source["open_time"])
    assert source["close"].to_numpy() * raw_factors(opens, unique) == pytest.approx(bars()["close"].to_numpy())
