"""Holes found, judged, repaired and accepted; bars in quarantine and out of it; what is then decided and trained on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hourly import BTC, ETH, GROUP, HOUR, START, Source, at, bars
from hypothesis import given, settings
from hypothesis import strategies as st
from locations import need

from tidemill.adapters.memory_gaps import MemoryGapLedger
from tidemill.adapters.memory_market import MemoryMarketStore
from tidemill.bootstrap.policies import build_limits
from tidemill.deciding import DecisionRules, find_incomplete, load_market, view_market, without_incomplete
from tidemill.domain.errors import DataError, TransientError
from tidemill.domain.gaps import Cause, HoleState
from tidemill.domain.market import EPOCH, DecisionGrid, Instrument, to_micros
from tidemill.features import LOOKBACK
from tidemill.ingesting import REPAIRED, ingest_bars, ingest_range, note_fetch, store_checked, sum_by_name
from tidemill.learning import load_training_data
from tidemill.recording import load_recording, to_bars
from tidemill.repairing import (
    SeriesGroup,
    join_ranges,
    measure_group,
    record_missing,
    release_by_person,
    repair_series,
)
from tidemill.settings import Settings
from tidemill.sizing import SizingPolicy


@pytest.fixture
def store() -> MemoryMarketStore:
    return MemoryMarketStore()


@pytest.fixture
def ledger() -> MemoryGapLedger:
    return MemoryGapLedger()


def take(store, ledger, instrument: Instrument, hours: Sequence[int], *, now: datetime, **options) -> None:
    """Import bars as a file would bring them."""
    frame = bars(instrument, hours, options.pop("prices", None))
    store_checked(
        frame, store, ledger, instrument, timeframe="1h", calendar="24x7", sessions=(), now=now, after=None, **options
    )
    end = at(max(hours) + 1)
    note_fetch(ledger, instrument.id, "1h", at(min(hours)), end, bars=len(frame), calendar="24x7", now=now)


def without(*gone: int, last: int = 30) -> list[int]:
    return [hour for hour in range(last) if hour not in gone]


def told(ledger) -> list[tuple[str, int, int, Cause, HoleState]]:
    return [
        (one.instrument[:3], round((one.start - START) / HOUR), one.missing, one.cause, one.state)
        for one in ledger.load_holes()
    ]


def ingest(source, store, ledger, instrument: Instrument, now: datetime, look_again: int = 0):
    return ingest_bars(
        source,
        store,
        ledger,
        instrument,
        timeframe="1h",
        calendar="24x7",
        sessions=(),
        now=now,
        history=timedelta(days=3),
        look_again=look_again,
    )


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
        ("BTC", 5, 2, Cause.VENUE_OUTAGE, HoleState.OPEN),
        ("BTC", 10, 1, Cause.NO_TRADES, HoleState.OPEN),
        ("ETH", 5, 2, Cause.VENUE_OUTAGE, HoleState.OPEN),
    ]
    assert record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    assert len(ledger.load_hole_events(BTC.id, "1h")) == 2, "a second look adds no line"


def test_what_was_never_fetched_is_our_outage_and_heals_with_the_next_ingest(store, ledger) -> None:
    source = Source([bars(BTC, range(60)), bars(ETH, range(60))])
    for one in (BTC, ETH):
        ingest(source, store, ledger, one, at(30) + timedelta(seconds=5))
    record_missing(store, ledger, GROUP, now=at(36) + timedelta(minutes=10), follow=True)
    assert told(ledger)[0] == ("BTC", 30, 6, Cause.OUR_OUTAGE, HoleState.OPEN)
    for one in (BTC, ETH):
        ingest(source, store, ledger, one, at(37))
    record_missing(store, ledger, GROUP, now=at(37))
    assert told(ledger) == []
    assert [one.hole.state for one in ledger.load_hole_events(BTC.id, "1h")] == [HoleState.OPEN, HoleState.REPAIRED]


def test_a_bar_that_has_just_closed_is_not_yet_published(store, ledger) -> None:
    source = Source([bars(BTC, range(30)), bars(ETH, range(31))])
    for one in (BTC, ETH):
        ingest(source, store, ledger, one, at(31) + timedelta(seconds=20))
    record_missing(store, ledger, GROUP, now=at(31) + timedelta(seconds=20))
    assert told(ledger) == [("BTC", 30, 1, Cause.NOT_PUBLISHED, HoleState.OPEN)]
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
    done = [repair_series(source, store, ledger, one, GROUP, now=now) for one in (BTC, ETH)]
    assert [one.done.stored for one in done] == [1, 0]
    assert source.asked == [(BTC.id, at(5), at(21)), (ETH.id, at(5), at(7))]
    kept = store.read_bars([BTC.id], "1h", at(10), at(11), revisions=True)
    assert list(kept["volume"]) == [11.0], "a bar that was not missing is left alone"
    record_missing(store, ledger, GROUP, now=now, start=EPOCH, asked=[BTC.id, ETH.id])
    assert told(ledger) == [
        ("BTC", 5, 2, Cause.VENUE_OUTAGE, HoleState.ACCEPTED),
        ("ETH", 5, 2, Cause.VENUE_OUTAGE, HoleState.ACCEPTED),
    ]
    (btc, eth) = measure_group(store, ledger, GROUP, now=now)
    assert (btc.expected, btc.stored, btc.repaired, btc.missing) == (30, 28, 1, {Cause.VENUE_OUTAGE: 2})
    assert (eth.stored, eth.repaired) == (28, 0)
    asked = len(source.asked)
    repair_series(source, store, ledger, BTC, GROUP, now=now)
    assert len(source.asked) == asked, "what is accepted is not asked for again"
    repair_series(source, store, ledger, BTC, GROUP, now=now, accepted=True)
    assert len(source.asked) == asked + 1


def test_a_repaired_bar_is_known_after_its_close_and_stored_now(store, ledger) -> None:
    take(store, ledger, BTC, without(5), now=at(30))
    mark = store.watermark()
    record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    repair_series(Source([bars(BTC, range(30))]), store, ledger, BTC, GROUP, now=at(41))
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
        repair_series(Source([], down=True), store, ledger, BTC, GROUP, now=at(41))
    assert len(ledger.load_fetches(BTC.id, "1h")) == fetches


def test_a_witness_is_told_and_its_silence_is_no_failure(store, ledger) -> None:
    take(store, ledger, BTC, without(5, 6), now=at(30))
    record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    other = Instrument(venue="W", base="BTC", quote="USDT", price_step=Decimal("0.1"), lot_step=Decimal("0.001"))
    ours = Source([bars(BTC, without(5, 6))])
    witness = Source([bars(other, range(30))], instruments=(other,))
    done = repair_series(ours, store, ledger, BTC, GROUP, now=at(41), witness=witness)
    assert done.witness is not None
    assert list(done.witness) == [to_micros(at(5)), to_micros(at(6))]
    record_missing(store, ledger, GROUP, now=at(41), start=EPOCH, witness={BTC.id: done.witness})
    assert "the witness has it" in ledger.load_holes()[0].why
    silent = repair_series(ours, store, ledger, BTC, GROUP, now=at(42), witness=Source([], (other,), down=True))
    assert silent.witness is None


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
    done = store_checked(frame, store, ledger, BTC, timeframe="1h", calendar="24x7", sessions=(), now=now, after=None)
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
    causes = {one.start: one.cause for one in ledger.load_holes([BTC.id])}
    assert causes[at(5)] is Cause.QUARANTINED


def test_a_repair_that_brings_a_good_bar_releases_the_bad_one(store, ledger) -> None:
    take(store, ledger, BTC, range(12), now=at(30), prices={5: 900.0})
    take(store, ledger, ETH, range(12), now=at(30))
    record_missing(store, ledger, GROUP, now=at(40), start=EPOCH)
    again = repair_series(Source([bars(BTC, range(12), {5: 900.0})]), store, ledger, BTC, GROUP, now=at(41))
    assert (again.done.stored, again.released) == (0, 0), "the same bad bar changes nothing"
    good = repair_series(Source([bars(BTC, range(12))]), store, ledger, BTC, GROUP, now=at(42))
    assert (good.done.stored, good.released) == (1, 1)
    assert list(ledger.read_quarantine(every=True)["because"]) == [REPAIRED]
    record_missing(store, ledger, GROUP, now=at(42), start=EPOCH)
    assert told(ledger) == []


def test_a_person_may_release_a_doubt_but_no_impossible_bar(store, ledger) -> None:
    take(store, ledger, BTC, range(12), now=at(30), prices={5: 900.0, 8: -3.0})
    with pytest.raises(DataError, match="cannot be used"):
        release_by_person(store, ledger, BTC, "1h", at(8), because="I say so", now=at(31))
    with pytest.raises(DataError, match="0 bars of"):
        release_by_person(store, ledger, BTC, "1h", at(2), because="I say so", now=at(31))
    assert release_by_person(store, ledger, BTC, "1h", at(5), because="it was a squeeze", now=at(31)) == 1
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


def rules(least: float = 0.9) -> DecisionRules:
    return DecisionRules(
        account="main",
        strategy="trend",
        mode="paper",
        grid=DecisionGrid(timeframe="1h", delay_seconds=90),
        universe=GROUP.names,
        instruments={BTC.id: BTC, ETH.id: ETH},
        sizing=SizingPolicy(**Settings().sizing.model_dump()),
        limits=build_limits(Settings()),
        price_cap_fraction=Decimal("0.02"),
        scorer="s",
        min_completeness=least,
    )


LONG = LOOKBACK + 40


def fill(store, ledger, *, gone: Sequence[int], prices: dict[int, float] | None = None) -> None:
    take(store, ledger, BTC, without(*gone, last=LONG), now=at(LONG), prices=prices)
    take(store, ledger, ETH, without(last=LONG), now=at(LONG))


def test_an_incomplete_series_is_not_decided_on_and_says_why(store, ledger) -> None:
    fill(store, ledger, gone=range(100, 125))
    as_of = rules().grid.as_of(at(LONG))
    market = load_market(rules(), as_of, store, store, quarantine=ledger)
    assert market.refusal == ""
    assert list(market.incomplete) == [BTC.id]
    assert "90.0% needed" in market.incomplete[BTC.id]
    table = pd.DataFrame({"x": [1.0, 2.0]}, index=[BTC.id, ETH.id])
    assert list(without_incomplete(table, market).index) == [ETH.id]
    relaxed = load_market(rules(0.8), as_of, store, store, quarantine=ledger)
    assert relaxed.incomplete == {}
    assert without_incomplete(table, relaxed) is table


def test_a_market_of_which_too_much_is_missing_is_refused(store, ledger) -> None:
    take(store, ledger, BTC, without(*range(100, 125), last=LONG), now=at(LONG))
    take(store, ledger, ETH, without(*range(100, 125), last=LONG), now=at(LONG))
    market = load_market(rules(), rules().grid.as_of(at(LONG)), store, store)
    assert market.refusal.startswith("incomplete: ")


def test_a_young_series_is_measured_from_its_listing(store, ledger) -> None:
    take(store, ledger, BTC, range(LONG - 20, LONG), now=at(LONG))
    known = store.read_bars([BTC.id], "1h", at(0), at(LONG))
    assert find_incomplete(rules(), at(LONG), known) == {}
    assert view_market(rules(), at(LONG), known, known.iloc[:0], 0).incomplete == {}


def test_a_decision_never_sees_what_stood_in_quarantine_and_its_rerun_sees_the_same(store, ledger) -> None:
    source = Source([bars(BTC, range(LONG - 1), {LONG - 2: 900.0}), bars(ETH, range(LONG))])
    for one in (BTC, ETH):
        ingest(source, store, ledger, one, at(LONG - 1))
    source.frames[0] = pd.concat([source.frames[0], bars(BTC, [LONG - 1, LONG])])
    ingest(source, store, ledger, BTC, at(LONG + 1))
    as_of = rules().grid.as_of(at(LONG))
    seen = load_market(rules(), as_of, store, store, watermark=to_micros(at(LONG + 2)), quarantine=ledger)
    assert at(LONG - 2) not in set(seen.bars.loc[seen.bars["instrument"] == BTC.id, "open_time"])
    careless = load_market(rules(), as_of, store, store, watermark=to_micros(at(LONG + 2)))
    assert at(LONG - 2) in set(careless.bars.loc[careless.bars["instrument"] == BTC.id, "open_time"])
    ledger.release_bars(BTC.id, "1h", at(LONG - 2), because="later", now=at(LONG + 50))
    again = load_market(rules(), as_of, store, store, watermark=to_micros(at(LONG + 2)), quarantine=ledger)
    pd.testing.assert_frame_equal(again.bars, seen.bars)


def test_training_leaves_out_what_is_incomplete_and_what_is_refused(store, ledger) -> None:
    fill(store, ledger, gone=range(50, 100))
    options = {"universe": GROUP.names, "grid": rules().grid, "scorer": "s", "window_days": 30, "quarantine": ledger}
    data = load_training_data(store, store, as_of=rules().grid.as_of(at(LONG)), min_completeness=0.9, **options)
    assert set(data.bars["instrument"]) == {ETH.id}
    assert list(data.left_out) == [BTC.id]
    everything = load_training_data(store, store, as_of=rules().grid.as_of(at(LONG)), **options)
    assert set(everything.bars["instrument"]) == set(GROUP.names)
    assert everything.left_out == {}


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
    for name in GROUP.names:
        note_fetch(ledger, name, "1h", at(0), at(48), bars=0, calendar="24x7", now=now)
    for kind, btc, eth, start in plan:
        for one, hours in ((BTC, btc), (ETH, eth)):
            if hours:
                store.write_bars("1h", bars(one, sorted(hours)), now=now)
        options = {"look": {"start": EPOCH}, "follow": {"start": EPOCH}, "part": {"start": at(start)}}
        asked = GROUP.names if kind == "asked" else ()
        record_missing(
            store, ledger, GROUP, now=now, follow=kind == "follow", asked=asked, **options.get(kind, {"start": EPOCH})
        )
    record_missing(store, ledger, GROUP, now=now, start=EPOCH, follow=True)
    for one in (BTC, ETH):
        opens = set(store.read_bars([one.id], "1h", at(0), at(60))["open_time"])
        listed = round((min(opens) - pd.Timestamp(START)) / HOUR) if opens else 50
        told = [hole.start + step * HOUR for hole in ledger.load_holes([one.id]) for step in range(hole.missing)]
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
            source,
            store,
            ledger,
            BTC,
            timeframe="1h",
            calendar="24x7",
            sessions=(),
            start=at(first),
            end=at(first + 10),
            now=at(30),
        )
        for first in (0, 10, 20)
    ]
    (total,) = sum_by_name(parts)
    assert (total.name, total.fetched, total.stored, total.failure) == (BTC.id, 30, 30, "")


@pytest.mark.data
@pytest.mark.parametrize(("name", "missing"), [("crypto-1h-2021-reddit", 11), ("crypto-5m-2021-reddit", 177)])
def test_the_six_real_outages_of_the_exchange_are_named_as_such(store, ledger, name: str, missing: int) -> None:
    recording = load_recording(need(f"recordings/{name}.toml"))
    timeframe = recording.series[0].timeframe
    end = recording.last_close
    for one in recording.series:
        frame = to_bars(one.instrument.id, timeframe, one.bars)
        options = {"timeframe": timeframe, "calendar": "24x7", "sessions": (), "now": end, "after": None}
        done = store_checked(frame, store, ledger, one.instrument, **options)
        assert done.quarantined == 0
        start = frame["open_time"].iloc[0].to_pydatetime()
        note_fetch(ledger, one.instrument.id, timeframe, start, end, bars=len(frame), calendar="24x7", now=end)
    names = tuple(one.instrument.id for one in recording.series)
    group = SeriesGroup(names=names, timeframe=timeframe)
    record_missing(store, ledger, group, now=end, start=EPOCH)
    for instrument in names:
        holes = ledger.load_holes([instrument])
        assert {one.cause for one in holes} == {Cause.VENUE_OUTAGE}
        assert sum(one.missing for one in holes) == missing
        resumed = [one.end.isoformat()[:16] for one in holes]
        if timeframe == "1h":
            assert resumed == [
                "2020-12-21T18:00",
                "2020-12-25T03:00",
                "2021-02-11T05:00",
                "2021-03-06T03:00",
                "2021-04-20T04:00",
                "2021-04-25T08:00",
            ]
        assert len(holes) == 6
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
        options = {"timeframe": "1h", "calendar": "24x7", "sessions": (), "now": end, "after": None}
        store_checked(frame, store, ledger, one.instrument, **options)
        start = frame["open_time"].iloc[0].to_pydatetime()
        note_fetch(ledger, one.instrument.id, "1h", start, end, bars=len(frame), calendar="24x7", now=end)
    group = SeriesGroup(names=tuple(one.instrument.id for one in recording.series), timeframe="1h")
    record_missing(store, ledger, group, now=end, start=EPOCH)
    alone = [one for one in ledger.load_holes() if one.cause is not Cause.VENUE_OUTAGE]
    assert [(one.instrument, one.start, one.cause) for one in alone] == [
        (recording.series[0].instrument.id, removed.to_pydatetime(), Cause.NO_TRADES)
    ]
