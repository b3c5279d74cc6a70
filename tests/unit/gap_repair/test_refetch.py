"""Holes found, judged, repaired and accepted."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hourly import BTC, ETH, GROUP, HOUR, START, Source, at, bars
from support.repair_desk import ingest, job, repair, repaired, take, told, without

from tidemill.domain.errors import TransientError
from tidemill.domain.gaps import Cause, GapState
from tidemill.domain.market import EPOCH, Instrument, to_micros
from tidemill.gap_repair import join_ranges, measure_group, record_missing
from tidemill.ingest import BarFeed, ingest_range, note_fetch, sum_by_name
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore


@pytest.fixture
def store() -> MemoryMarketStore:
    return MemoryMarketStore()


@pytest.fixture
def ledger() -> MemoryGapLedger:
    return MemoryGapLedger()


def test_a_bar_that_the_venue_revised_becomes_a_revision_and_no_earlier_read_sees_it(store, ledger) -> None:
    source = Source([bars(BTC, range(10))])
    ingest(source, store, ledger, BTC, at(10))
    source.frames = [bars(BTC, range(12), {9: 107.0}).assign(knowledge_time=pd.Timestamp(at(12)), assumed=False)]
    done = ingest(source, store, ledger, BTC, at(12), look_again=2)
    assert (done.fetched, done.stored, done.missing) == (4, 3, 0), "two asked for again, one of them revised, two new"
    span = ([BTC.id], "1h", at(0), at(99))
    assert store.read_bars(*span)["close"].iloc[9] == 107.0
    assert store.read_bars(*span, known_at=at(11))["close"].iloc[9] == 100.0 + 9 % 5
    assert len(store.read_bars(*span, revisions=True)) == 13


def test_control_without_looking_again_the_revision_is_never_seen(store, ledger) -> None:
    source = Source([bars(BTC, range(10))])
    ingest(source, store, ledger, BTC, at(10))
    source.frames = [bars(BTC, range(12), {9: 107.0})]
    ingest(source, store, ledger, BTC, at(12))
    assert store.read_bars([BTC.id], "1h", at(0), at(99))["close"].iloc[9] == 100.0 + 9 % 5


def test_causes_come_out_of_the_whole_venue(store, ledger) -> None:
    take(store, ledger, BTC, without(5, 6, 10), now=at(30))
    take(store, ledger, ETH, without(5, 6), now=at(30))
    record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    assert told(ledger) == [
        ("BTC", 5, 2, Cause.VENUE_OUTAGE, GapState.OPEN),
        ("BTC", 10, 1, Cause.NO_TRADES, GapState.OPEN),
        ("ETH", 5, 2, Cause.VENUE_OUTAGE, GapState.OPEN),
    ]
    assert record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    assert len(ledger.load_gap_events(BTC.id, "1h")) == 2, "a second look adds no line"


def test_what_was_never_fetched_is_our_outage_and_heals_with_the_next_ingest(store, ledger) -> None:
    source = Source([bars(BTC, range(60)), bars(ETH, range(60))])
    for one in (BTC, ETH):
        ingest(source, store, ledger, one, at(30) + timedelta(seconds=5))
    record_missing(store, ledger, GROUP, now=at(36) + timedelta(minutes=10), follow=True)
    assert told(ledger)[0] == ("BTC", 30, 6, Cause.OUR_OUTAGE, GapState.OPEN)
    for one in (BTC, ETH):
        ingest(source, store, ledger, one, at(37))
    record_missing(store, ledger, GROUP, now=at(37))
    assert told(ledger) == []
    assert [one.gap.state for one in ledger.load_gap_events(BTC.id, "1h")] == [GapState.OPEN, GapState.REPAIRED]


def test_a_bar_that_has_just_closed_is_not_yet_published(store, ledger) -> None:
    source = Source([bars(BTC, range(30)), bars(ETH, range(31))])
    for one in (BTC, ETH):
        ingest(source, store, ledger, one, at(31) + timedelta(seconds=20))
    record_missing(store, ledger, GROUP, now=at(31) + timedelta(seconds=20))
    assert told(ledger) == [("BTC", 30, 1, Cause.NOT_PUBLISHED, GapState.OPEN)]
    source.frames.append(bars(BTC, range(30, 32)))
    ingest(source, store, ledger, BTC, at(32))
    record_missing(store, ledger, GROUP, now=at(32))
    (measured, _) = measure_group(store, ledger, GROUP, now=at(32))
    assert (measured.missing, measured.repaired) == ({}, 0), "to wait for a bar is no repair"


def test_a_repair_asks_for_the_holes_only_and_accepts_what_nobody_has(store, ledger) -> None:
    take(store, ledger, BTC, without(5, 6, 20), now=at(30))
    take(store, ledger, ETH, without(5, 6), now=at(30))
    record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    source = Source([bars(BTC, without(5, 6)), bars(ETH, without(5, 6))])
    changed = source.frames[0]["open_time"] == at(10)
    source.frames[0].loc[changed, "volume"] = 999.0
    now = at(41)
    done = [repair(source, store, ledger, one, now=now) for one in (BTC, ETH)]
    assert [one.ingest.stored for one in done] == [1, 0]
    assert source.asked == [(BTC.id, at(5), at(21)), (ETH.id, at(5), at(7))]
    kept = store.read_bars([BTC.id], "1h", at(10), at(11), revisions=True)
    assert list(kept["volume"]) == [11.0], "a bar that was not missing is left alone"
    record_missing(store, ledger, GROUP, now=now, start=EPOCH, repaired=repaired(BTC, ETH))
    assert told(ledger) == [
        ("BTC", 5, 2, Cause.VENUE_OUTAGE, GapState.ACCEPTED),
        ("ETH", 5, 2, Cause.VENUE_OUTAGE, GapState.ACCEPTED),
    ]
    (btc, eth) = measure_group(store, ledger, GROUP, now=now)
    assert (btc.expected, btc.stored, btc.repaired, btc.missing) == (30, 28, 1, {Cause.VENUE_OUTAGE: 2})
    assert (eth.stored, eth.repaired) == (28, 0)
    asked = len(source.asked)
    repair(source, store, ledger, BTC, now=now)
    assert len(source.asked) == asked, "what is accepted is not asked for again"
    repair(source, store, ledger, BTC, now=now, accepted=True)
    assert len(source.asked) == asked + 1


def test_a_repaired_bar_is_known_after_its_close_and_stored_now(store, ledger) -> None:
    take(store, ledger, BTC, without(5), now=at(30))
    mark = store.watermark()
    record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    repair(Source([bars(BTC, range(30))]), store, ledger, BTC, now=at(41))
    (row,) = store.read_bars([BTC.id], "1h", at(5), at(6)).to_dict("records")
    assert row["knowledge_time"] == at(6) + timedelta(seconds=1)
    assert row["assumed"]
    assert row["stored_at"] == at(41)
    assert len(store.read_bars([BTC.id], "1h", at(5), at(6), stored_until=mark)) == 0


def test_a_venue_that_does_not_answer_is_no_evidence(store, ledger) -> None:
    take(store, ledger, BTC, without(5), now=at(30))
    record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    fetches = len(ledger.load_fetches(BTC.id, "1h"))
    with pytest.raises(TransientError):
        repair(Source([], down=True), store, ledger, BTC, now=at(41))
    assert len(ledger.load_fetches(BTC.id, "1h")) == fetches


def test_a_witness_is_told_and_its_silence_is_no_failure(store, ledger) -> None:
    take(store, ledger, BTC, without(5, 6), now=at(30))
    record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    other = Instrument(venue="W", base="BTC", quote="USDT", price_step=Decimal("0.1"), lot_step=Decimal("0.001"))
    ours = Source([bars(BTC, without(5, 6))])
    witness = Source([bars(other, range(30))], instruments=(other,))
    done = repair(ours, store, ledger, BTC, now=at(41), reference=witness)
    assert done.reference_opens is not None
    assert list(done.reference_opens) == [to_micros(at(5)), to_micros(at(6))]
    record_missing(store, ledger, GROUP, now=at(41), start=EPOCH, repaired=[done])
    assert "the witness has it" in ledger.load_gaps()[0].why
    silent = repair(ours, store, ledger, BTC, now=at(42), reference=Source([], (other,), down=True))
    assert silent.reference_opens is None


looks = st.lists(
    st.tuples(
        st.sampled_from(["look", "follow", "part", "asked"]),
        st.sets(st.integers(0, 47), max_size=12),
        st.sets(st.integers(0, 47), max_size=12),
        st.integers(0, 47),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=100)
@given(plan=looks)
def test_after_any_looks_the_ledger_tells_exactly_what_is_missing(plan) -> None:
    """Whatever came in between, the standing holes never overlap and cover just the missing bars."""
    store, ledger = MemoryMarketStore(), MemoryGapLedger()
    now = at(50)
    for one in (BTC, ETH):
        note_fetch(ledger, job(one), at(0), at(48), bars=0, now=now)
    for kind, btc, eth, start in plan:
        for one, hours in ((BTC, btc), (ETH, eth)):
            if hours:
                store.write_bars("1h", bars(one, sorted(hours)), now=now)
        options = {"look": {"start": EPOCH}, "follow": {"start": EPOCH}, "part": {"start": at(start)}}
        asked = repaired(BTC, ETH) if kind == "asked" else ()
        record_missing(
            store,
            ledger,
            GROUP,
            now=now,
            follow=kind == "follow",
            repaired=asked,
            **options.get(kind, {"start": EPOCH}),
        )
    record_missing(store, ledger, GROUP, now=now, start=EPOCH, follow=True)
    for one in (BTC, ETH):
        opens = set(store.read_bars([one.id], "1h", at(0), at(60))["open_time"])
        listed = round((min(opens) - pd.Timestamp(START)) / HOUR) if opens else 50
        told = [gap.start + step * HOUR for gap in ledger.load_gaps([one.id]) for step in range(gap.missing)]
        assert len(told) == len(set(told)), "a bar is told as missing once"
        assert set(told) == {at(hour) for hour in range(listed, 50)} - opens


def test_ranges_are_joined_when_they_are_near() -> None:
    opens = np.array([to_micros(at(hour)) for hour in (1, 2, 50, 400)], dtype=np.int64)
    assert list(join_ranges(opens, HOUR)) == [(at(1), at(51)), (at(400), at(401))]
    assert list(join_ranges(opens[:0], HOUR)) == []


def test_parts_of_a_backfill_are_summed_by_name(store, ledger) -> None:
    source = Source([bars(BTC, range(30))])
    parts = [
        ingest_range(
            BarFeed(source=source, store=store, ledger=ledger),
            job(BTC),
            start=at(first),
            end=at(first + 10),
            now=at(30),
        )
        for first in (0, 10, 20)
    ]
    (total,) = sum_by_name(parts)
    assert (total.name, total.fetched, total.stored, total.failure) == (BTC.id, 30, 30, "")
