"""Spikes, stale repeats, the witness, and what honouring a quarantine leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.locations import need

from tidemill.domain.errors import DataError
from tidemill.ports import QUARANTINE_COLUMNS
from tidemill.quality import OutlierRules, find_outliers, hash_bars, honour_quarantine, to_quarantine, trust
from tidemill.quality.outliers import OFF_REFERENCE, REPEAT, SPIKE
from tidemill.recording import load_recording, read_bars_file, to_bars

START = datetime(2021, 4, 19, tzinfo=UTC)
RULES = OutlierRules()


def bars(closes: list[float], name: str = "BTC-USDT.T") -> pd.DataFrame:
    """BARS around the closes; every volume differs."""
    price = np.array(closes)
    opens = pd.DatetimeIndex(
        [START + hour * timedelta(hours=1) for hour in range(len(price))], dtype="datetime64[us, UTC]"
    )
    series = pd.DataFrame(
        {
            "open_time": opens,
            "open": price * 0.999,
            "high": price * 1.001,
            "low": price * 0.998,
            "close": price,
            "volume": np.arange(1.0, len(price) + 1),
        }
    )
    return to_bars(name, "1h", series)


def outliers(frame: pd.DataFrame, **options: object) -> dict[int, str]:
    found = find_outliers(frame, **{"rules": RULES, **options})
    return {row: reason for row, reason in enumerate(found) if reason}


CALM = [100.0, 101.0, 100.5, 99.0, 100.0, 101.5, 100.0, 99.5]


@pytest.mark.parametrize("wrong", [10.0, 1000.0, 160.0, 60.0])
def test_one_bar_far_from_its_neighbours_on_both_sides_is_a_spike(wrong: float) -> None:
    closes = [*CALM[:4], wrong, *CALM[5:]]
    assert outliers(bars(closes)) == {4: SPIKE}


def test_an_open_alone_can_be_the_spike() -> None:
    frame = bars(CALM)
    frame.loc[0, ["open", "high"]] = 400.0
    assert outliers(frame) == {0: SPIKE}


def test_a_crash_that_stays_a_crash_is_none() -> None:
    assert outliers(bars([100.0, 100.0, 101.0, 40.0, 41.0, 40.5, 41.0])) == {}


def test_the_newest_bar_is_not_judged_without_a_witness_and_the_next_look_judges_it() -> None:
    assert outliers(bars([*CALM, 10.0])) == {}
    assert outliers(bars([*CALM, 10.0, 100.0])) == {len(CALM): SPIKE}


def test_the_witness_decides_where_it_has_the_bar() -> None:
    spike = bars([*CALM[:4], 10.0, *CALM[5:]])
    assert outliers(spike, reference_bars=spike.assign(close=spike["close"] * 1.01)) == {}
    newest = bars([*CALM, 70.0])
    other = bars([*CALM, 100.0])
    assert outliers(newest, reference_bars=other) == {len(CALM): OFF_REFERENCE}
    assert outliers(newest, reference_bars=other.iloc[:3]) == {}, "a witness that lacks the bar proves nothing"


def test_stale_repeats_are_told_and_flat_ones_only_in_a_run() -> None:
    frame = bars(CALM)
    prices = ["open", "high", "low", "close", "volume"]
    frame.loc[3, prices] = frame.loc[2, prices]
    assert outliers(frame) == {3: REPEAT}
    flat = bars(CALM)
    for row in (2, 3):
        flat.loc[row, prices] = [100.0, 100.0, 100.0, 100.0, 2.0]
    assert outliers(flat) == {}
    flat.loc[4, prices] = [100.0, 100.0, 100.0, 100.0, 2.0]
    assert outliers(flat) == {4: REPEAT}


def test_bars_without_a_trade_may_repeat_for_ever() -> None:
    frame = bars([100.0] * 9).assign(open=100.0, high=100.0, low=100.0, close=100.0, volume=0.0)
    assert outliers(frame) == {}


def test_rules_are_checked() -> None:
    with pytest.raises(DataError, match="spike_fraction"):
        OutlierRules(spike_fraction=0)
    with pytest.raises(DataError, match="neighbours"):
        OutlierRules(neighbours=0)


def test_quarantine_is_honoured_by_content_not_by_time() -> None:
    frame = bars(CALM)
    refused = to_quarantine(frame.iloc[[2]].assign(reason=SPIKE), "1h", "ingest")
    assert tuple(refused.columns) == QUARANTINE_COLUMNS
    assert len(honour_quarantine(frame, refused)) == len(frame) - 1
    mended = frame.copy()
    mended.loc[2, "close"] = 100.6
    assert len(honour_quarantine(mended, refused)) == len(frame)
    assert honour_quarantine(frame, refused.iloc[:0]) is frame


def test_an_unfinished_bar_is_dropped_but_no_fault() -> None:
    frame = bars(CALM).iloc[[0, 1]].assign(reason=["not closed at 2021-04-19T00:30:00Z", "a price is not positive"])
    assert list(to_quarantine(frame, "1h", "x")["reason"]) == ["a price is not positive"]


def test_what_a_person_released_is_doubted_no_more() -> None:
    frame = bars([*CALM[:4], 10.0, *CALM[5:]])
    reasons = find_outliers(frame, rules=RULES)
    assert not (trust(frame, reasons, [hash_bars(frame)[4]]) != "").any()


@given(rows=st.sets(st.integers(1, 30), max_size=4), size=st.sampled_from([3.0, 0.2]))
def test_lone_spikes_in_a_calm_series_are_all_found_and_nothing_else(rows: set[int], size: float) -> None:
    apart = {row for row in rows if not {row + step for step in range(1, 8)} & rows}
    closes = [100.0 + (row % 3) for row in range(40)]
    for row in apart:
        closes[row] *= size
    assert set(outliers(bars(closes))) == apart


@pytest.mark.data
@pytest.mark.parametrize("name", ["crypto-1h-2021-reddit", "crypto-1h-2025", "crypto-5m-2021-reddit"])
def test_no_real_bar_is_doubted_not_even_in_a_crash(name: str) -> None:
    recording = load_recording(need(f"recordings/{name}.toml"))
    for one in recording.series:
        assert outliers(to_bars(one.instrument.id, one.timeframe, one.bars)) == {}


@pytest.mark.data
def test_the_vendors_broken_open_is_found() -> None:
    file = need("crypto_cryptodatadownload_raw/Binance_BTCUSDT_1h.csv.gz")
    frame = read_bars_file(file, venue="BINANCE").bars
    assert outliers(frame) == {0: SPIKE}
    assert frame.loc[0, "open"] == 16_199.91
