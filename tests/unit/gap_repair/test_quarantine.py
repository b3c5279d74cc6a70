"""Bars in quarantine and out of it, by a repair or a person."""

from __future__ import annotations

import pandas as pd
import pytest
from support.hourly import BTC, ETH, GROUP, HOUR, START, Source, at, bars
from support.repair_desk import ingest, job, repair, take, told

from tidemill.domain.errors import DataError
from tidemill.domain.gaps import Cause
from tidemill.domain.market import EPOCH
from tidemill.gap_repair import record_missing, release_by_person
from tidemill.ingest import REPAIRED, store_checked
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore


@pytest.fixture
def store() -> MemoryMarketStore:
    return MemoryMarketStore()


@pytest.fixture
def ledger() -> MemoryGapLedger:
    return MemoryGapLedger()


def test_bad_bars_are_quarantined_with_their_reasons_and_never_stored(store, ledger) -> None:
    frame = bars(BTC, range(12))
    frame.loc[1, "high"] = 1.0
    frame.loc[2, "low"] = -5.0
    frame.loc[3, ["open", "close"]] = 103.005
    frame.loc[5, ["open", "high", "low", "close"]] = [900.0, 910.0, 890.0, 900.0]
    frame.loc[9, "open_time"] = pd.Timestamp(at(9.5))
    frame.loc[10, "open_time"] = pd.Timestamp(at(50))
    frame.loc[11, "open_time"] = pd.Timestamp(at(29))
    now = at(29.5)
    done = store_checked(frame, store, ledger, job(BTC), now=now)
    assert (done.stored, done.rejected, done.quarantined) == (5, 7, 6)
    reasons = sorted(ledger.read_quarantine()["reason"])
    assert len(reasons) == 6
    for part in ("high is below", "not positive", "multiple of the step", "spike", "off the grid", "opens after"):
        assert any(part in one for one in reasons), part
    assert not any("not closed" in one for one in reasons), "a bar that has not closed is no bad bar"
    kept = store.read_bars([BTC.id], "1h", at(0), at(60))
    assert [round((one - START) / HOUR) for one in kept["open_time"]] == [0, 4, 6, 7, 8]
    take(store, ledger, ETH, range(12), now=at(30))
    record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    causes = {one.start: one.cause for one in ledger.load_gaps([BTC.id])}
    assert causes[at(5)] is Cause.QUARANTINED


def test_a_repair_that_brings_a_good_bar_releases_the_bad_one(store, ledger) -> None:
    take(store, ledger, BTC, range(12), now=at(30), prices={5: 900.0})
    take(store, ledger, ETH, range(12), now=at(30))
    record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    again = repair(Source([bars(BTC, range(12), {5: 900.0})]), store, ledger, BTC, now=at(41))
    assert (again.ingest.stored, again.released) == (0, 0), "the same bad bar changes nothing"
    good = repair(Source([bars(BTC, range(12))]), store, ledger, BTC, now=at(42))
    assert (good.ingest.stored, good.released) == (1, 1)
    assert list(ledger.read_quarantine(every=True)["because"]) == [REPAIRED]
    record_missing(store, ledger, GROUP, now=at(42), start=EPOCH)
    assert told(ledger) == []


def test_a_person_may_release_a_doubt_but_no_impossible_bar(store, ledger) -> None:
    take(store, ledger, BTC, range(12), now=at(30), prices={5: 900.0, 8: -3.0})
    with pytest.raises(DataError, match="cannot be used"):
        release_by_person(store, ledger, job(BTC), at(8), because="I say so", now=at(31))
    with pytest.raises(DataError, match="0 bars of"):
        release_by_person(store, ledger, job(BTC), at(2), because="I say so", now=at(31))
    assert release_by_person(store, ledger, job(BTC), at(5), because="it was a squeeze", now=at(31)) == 1
    assert list(store.read_bars([BTC.id], "1h", at(5), at(6))["close"]) == [900.0]
    take(store, ledger, BTC, [6, 7, 9, 10], now=at(32))
    assert at(5) not in set(ledger.read_quarantine()["open_time"]), "it is doubted no more"


def test_a_spike_that_was_the_newest_is_doubted_when_its_neighbours_are_known(store, ledger) -> None:
    source = Source([bars(BTC, range(10), {9: 900.0})])
    ingest(source, store, ledger, BTC, at(10))
    assert len(ledger.read_quarantine()) == 0
    source.frames.append(bars(BTC, [10, 11]))
    ingest(source, store, ledger, BTC, at(12))
    assert list(ledger.read_quarantine()["open_time"]) == [pd.Timestamp(at(9))]
    assert store.latest_open(BTC.id, "1h") == at(11)
