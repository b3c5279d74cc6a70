"""Outages of a real exchange, found and named in its recordings."""

from __future__ import annotations

import pandas as pd
import pytest
from support.locations import need

from tidemill.domain.gaps import Cause
from tidemill.domain.market import EPOCH
from tidemill.gap_repair import SeriesGroup, measure_group, record_missing
from tidemill.ingest import SeriesJob, note_fetch, store_checked
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.recording import load_recording, to_bars


@pytest.fixture
def store() -> MemoryMarketStore:
    return MemoryMarketStore()


@pytest.fixture
def ledger() -> MemoryGapLedger:
    return MemoryGapLedger()


@pytest.mark.data
@pytest.mark.parametrize(("name", "missing"), [("crypto-1h-2021-reddit", 11), ("crypto-5m-2021-reddit", 177)])
def test_the_six_real_outages_of_the_exchange_are_named_as_such(store, ledger, name: str, missing: int) -> None:
    recording = load_recording(need(f"recordings/{name}.toml"))
    timeframe = recording.series[0].timeframe
    end = recording.last_close
    for one in recording.series:
        frame = to_bars(one.instrument.id, timeframe, one.bars)
        job = SeriesJob(instrument=one.instrument, timeframe=timeframe)
        done = store_checked(frame, store, ledger, job, now=end)
        assert done.quarantined == 0
        start = frame["open_time"].iloc[0].to_pydatetime()
        note_fetch(ledger, job, start, end, bars=len(frame), now=end)
    names = tuple(one.instrument.id for one in recording.series)
    group = SeriesGroup(names=names, timeframe=timeframe)
    record_missing(store, ledger, group, now=end, start=EPOCH)
    for instrument in names:
        gaps = ledger.load_gaps([instrument])
        assert {one.cause for one in gaps} == {Cause.VENUE_OUTAGE}
        assert sum(one.missing for one in gaps) == missing
        resumed = [one.end.isoformat()[:16] for one in gaps]
        if timeframe == "1h":
            assert resumed == [
                "2020-12-21T18:00",
                "2020-12-25T03:00",
                "2021-02-11T05:00",
                "2021-03-06T03:00",
                "2021-04-20T04:00",
                "2021-04-25T08:00",
            ]
        assert len(gaps) == 6
    for one in measure_group(store, ledger, group, now=end):
        assert one.expected == one.stored + missing
        assert dict(one.missing) == {Cause.VENUE_OUTAGE: missing}
        assert sum(day.stored < day.expected for day in one.days) == 6


@pytest.mark.data
def test_one_series_taken_out_of_a_real_outage_has_a_time_without_trades(store, ledger) -> None:
    """The control: the same hole in one series alone is not the venue's."""
    recording = load_recording(need("recordings/crypto-1h-2021-reddit.toml"))
    end = recording.last_close
    removed = pd.Timestamp("2021-01-15T10:00Z")
    for number, one in enumerate(recording.series):
        frame = to_bars(one.instrument.id, "1h", one.bars)
        frame = frame[frame["open_time"] != removed] if number == 0 else frame
        job = SeriesJob(instrument=one.instrument, timeframe="1h")
        store_checked(frame, store, ledger, job, now=end)
        start = frame["open_time"].iloc[0].to_pydatetime()
        note_fetch(ledger, job, start, end, bars=len(frame), now=end)
    group = SeriesGroup(names=tuple(one.instrument.id for one in recording.series), timeframe="1h")
    record_missing(store, ledger, group, now=end, start=EPOCH)
    alone = [one for one in ledger.load_gaps() if one.cause is not Cause.VENUE_OUTAGE]
    assert [(one.instrument, one.start, one.cause) for one in alone] == [
        (recording.series[0].instrument.id, removed.to_pydatetime(), Cause.NO_TRADES)
    ]
