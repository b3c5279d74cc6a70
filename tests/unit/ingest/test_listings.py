"""Where the bars of a series begin: with its listing as the venue tells it, as far as anything was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from support.hourly import BTC, ETH, GROUP, HOUR, START, Source, at, bars
from support.repair_desk import job, repair, repaired

from tidemill.bootstrap import Overrides, Services, using
from tidemill.domain.errors import TransientError
from tidemill.domain.gaps import Cause, GapState
from tidemill.domain.market import EPOCH, Instrument
from tidemill.domain.series import Listing, SeriesError, SeriesState, SeriesStatus
from tidemill.gap_repair import SeriesGroup, measure_group, record_missing
from tidemill.ingest import (
    BarFeed,
    IngestSummary,
    SeriesJob,
    failed,
    ingest_bars,
    note_fetch,
    status_of,
    status_of_listing,
)
from tidemill.memory.clocks import ManualClock
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.memory.series_status import MemorySeriesStatus
from tidemill.settings import MarketSettings, Settings, VenueSettings

LISTED = at(-20)
"""Bars stand from START on; the venue says that it listed BTC twenty hours before."""


class Desk:
    """A store, its ledger and a venue that has bars of some hours; asked for three days up to 30 h after START."""

    def __init__(self, btc: Sequence[int], eth: Sequence[int], listed: datetime | None) -> None:
        self.store, self.ledger = MemoryMarketStore(), MemoryGapLedger()
        self.btc = replace(BTC, listed_from=listed)
        self.source = Source([bars(BTC, btc), bars(ETH, eth)])
        self.now = at(30)
        done = [self.ingest(self.btc), self.ingest(ETH)]
        marks = [status_of(one, self.store.latest_open(one.name, "1h")) for one in done]
        self.group: SeriesGroup = GROUP.listed(marks)

    def ingest(self, instrument: Instrument) -> IngestSummary:
        feed = BarFeed(source=self.source, store=self.store, ledger=self.ledger)
        return ingest_bars(feed, job(instrument), now=self.now, history=timedelta(days=3))

    def look(self) -> list[tuple[str, int, int, Cause]]:
        found = record_missing(self.store, self.ledger, self.group, now=self.now, start=EPOCH, follow=True)
        return [(one.instrument[:3], round((one.start - START) / HOUR), one.missing, one.cause) for one in found]

    def complete(self) -> dict[str, tuple[int, int]]:
        measured = measure_group(self.store, self.ledger, self.group, now=self.now, follow=True)
        return {one.instrument[:3]: (one.expected, one.stored) for one in measured}


def test_a_hole_at_the_very_beginning_counts_when_the_venue_tells_its_listing() -> None:
    desk = Desk(range(30), range(-40, 30), listed=LISTED)
    assert desk.look() == [("BTC", -20, 20, Cause.NO_TRADES)]
    assert desk.complete() == {"BTC": (50, 30), "ETH": (70, 70)}
    repair(desk.source, desk.store, desk.ledger, desk.btc, now=desk.now)
    record_missing(desk.store, desk.ledger, desk.group, now=desk.now, start=EPOCH, repaired=repaired(BTC), follow=True)
    assert [one.state for one in desk.ledger.load_gaps()] == [GapState.ACCEPTED], "nobody has it"


def test_control_without_a_listing_the_first_stored_bar_is_the_beginning() -> None:
    desk = Desk(range(30), range(-40, 30), listed=None)
    assert desk.look() == []
    assert desk.complete() == {"BTC": (30, 30), "ETH": (70, 70)}


def test_a_beginning_that_the_venue_has_after_all_is_repaired() -> None:
    desk = Desk(range(30), range(-40, 30), listed=LISTED)
    desk.look()
    desk.source.frames = [bars(BTC, range(-20, 30)), bars(ETH, range(-40, 30))]
    repair(desk.source, desk.store, desk.ledger, desk.btc, now=desk.now)
    assert desk.look() == []
    assert desk.complete()["BTC"] == (50, 50)


def test_what_nobody_asked_for_is_no_hole() -> None:
    desk = Desk(range(-42, 30), range(-42, 30), listed=START - timedelta(days=2000))
    assert desk.look() == []
    late = Desk(range(30), range(30), listed=START - timedelta(days=2000))
    assert late.look()[0] == ("BTC", -42, 42, Cause.UNKNOWN), "three days back was asked, and the venue had nothing"


def test_bars_before_the_told_listing_prove_it_wrong() -> None:
    desk = Desk(range(-5, 30), range(-40, 30), listed=START + 3 * HOUR)
    assert desk.look() == []
    assert desk.complete()["BTC"] == (35, 35)


def test_a_listed_series_of_which_nothing_came_is_missing_as_a_whole() -> None:
    desk = Desk([], range(-40, 30), listed=LISTED)
    assert desk.look() == [("BTC", -20, 49, Cause.UNKNOWN), ("BTC", 29, 1, Cause.NOT_PUBLISHED)]
    assert desk.complete()["BTC"] == (50, 0)


@pytest.mark.parametrize("begin", [LISTED, LISTED + timedelta(minutes=10)])
def test_expected_is_the_first_bar_that_opens_after_the_listing(begin: datetime) -> None:
    desk = Desk(range(30), range(-40, 30), listed=begin)
    missing = desk.look()[0]
    assert missing[1:3] == ((-20, 20) if begin == LISTED else (-19, 19))


def test_a_mark_keeps_the_listing_when_the_venue_no_longer_tells_it() -> None:
    done = IngestSummary(name=BTC.id, timeframe="1h", listed_from=LISTED)
    fine = status_of(done, START)
    assert fine.listed_from == LISTED
    gone = status_of(failed(BTC.id, "1h", "no answer"), START, fine)
    assert (gone.listed_from, gone.state) == (LISTED, SeriesState.FAILED)
    listing = GROUP.listed([replace(fine, listed_until=at(10))]).listing(BTC.id)
    assert (listing.start, listing.end) == (LISTED, at(10))
    odd = SeriesStatus(instrument=BTC.id, timeframe="1h", listed_from=at(10), listed_until=at(5))
    assert GROUP.listed([odd]).listing(BTC.id).end == at(5), "a beginning behind the end is passed over"
    assert pd.Timestamp(done.to_json()["listed_from"]) == pd.Timestamp(LISTED)


def test_until_when_it_was_listed_stays_known_while_nothing_came_of_asking() -> None:
    gone = status_of(IngestSummary(name=BTC.id, timeframe="1h", state=SeriesState.UNKNOWN_SYMBOL), at(9))
    assert (gone.state, gone.listed_until) == (SeriesState.DELISTED, at(10))
    for state in (SeriesState.FAILED, SeriesState.CLOCK_OFF, SeriesState.CHANGED_SHAPE):
        silent = status_of(IngestSummary(name=BTC.id, timeframe="1h", failure="nothing", state=state), at(9), gone)
        assert (silent.state, silent.listed_until) == (state, at(10))
    back = status_of(IngestSummary(name=BTC.id, timeframe="1h"), at(9), gone)
    assert (back.state, back.listed_until) == (SeriesState.FINE, None), "its venue offers it again"


def test_asking_for_the_listing_alone_says_nothing_of_the_bars() -> None:
    offered = IngestSummary(name=BTC.id, timeframe="1h", listed_from=LISTED)
    for state in (SeriesState.CHANGED_SHAPE, SeriesState.NO_TIMEFRAME, SeriesState.FAILED):
        before = SeriesStatus(instrument=BTC.id, timeframe="1h", state=state, why="because")
        mark = status_of_listing(offered, at(9), before)
        assert (mark.state, mark.why, mark.listed_from) == (state, "because", LISTED)
    gone = status_of_listing(failed(BTC.id, "1h", SeriesError("gone", state=SeriesState.UNKNOWN_SYMBOL)), at(9), mark)
    assert (gone.state, gone.listed_from, gone.listed_until) == (SeriesState.DELISTED, LISTED, at(10))
    assert status_of_listing(offered, at(9), gone).state is SeriesState.FINE
    assert status_of_listing(offered, at(9), None).state is SeriesState.FINE


def told(desk: Desk) -> list[tuple[str, int, int, GapState]]:
    return [
        (one.instrument[:3], round((one.start - START) / HOUR), one.missing, one.state)
        for one in desk.ledger.load_gaps(every=True)
    ]


def test_holes_behind_the_end_of_a_listing_that_was_learned_later_are_withdrawn() -> None:
    desk = Desk([*range(10), *range(12, 20)], range(-40, 30), listed=None)
    desk.look()
    assert told(desk) == [
        ("BTC", 10, 2, GapState.OPEN),
        ("BTC", 20, 9, GapState.OPEN),
        ("BTC", 29, 1, GapState.OPEN),
    ]
    mark = status_of(failed(BTC.id, "1h", SeriesError("gone", state=SeriesState.UNKNOWN_SYMBOL)), at(19))
    desk.group = GROUP.listed([mark])
    assert desk.look() == [("BTC", 10, 2, Cause.NO_TRADES)]
    assert told(desk) == [
        ("BTC", 10, 2, GapState.OPEN),
        ("BTC", 20, 9, GapState.WITHDRAWN),
        ("BTC", 29, 1, GapState.WITHDRAWN),
    ]
    assert desk.complete()["BTC"] == (20, 18)
    desk.group = GROUP
    desk.look()
    assert told(desk)[1:] == [("BTC", 20, 9, GapState.OPEN), ("BTC", 29, 1, GapState.OPEN)], "offered again"


def test_a_hole_before_a_listing_that_was_learned_later_is_withdrawn_and_not_called_repaired() -> None:
    desk = Desk(range(30), range(-40, 30), listed=at(-20))
    assert desk.look() == [("BTC", -20, 20, Cause.NO_TRADES)]
    desk.group = GROUP.listed([SeriesStatus(instrument=BTC.id, timeframe="1h", listed_from=at(-5))])
    assert desk.look() == [("BTC", -5, 5, Cause.NO_TRADES)]
    assert told(desk) == [("BTC", -20, 20, GapState.WITHDRAWN), ("BTC", -5, 5, GapState.OPEN)]


def test_sessions_that_do_not_reach_back_to_a_hole_do_not_close_it() -> None:
    desk = Desk(range(3), range(0), listed=None)
    days = [at(24 * number) for number in range(4)]
    desk.group = replace(GROUP, calendar="as-recorded", sessions=days, names=(BTC.id,), timeframe="1d")
    daily = bars(BTC, [0, 72])
    desk.store.write_bars("1d", daily, now=at(100))
    daily = SeriesJob(instrument=BTC, timeframe="1d", calendar="as-recorded")
    note_fetch(desk.ledger, daily, at(0), at(100), bars=2, now=at(200))
    record_missing(desk.store, desk.ledger, desk.group, now=at(200), start=EPOCH)
    assert told(desk) == [("BTC", 24, 2, GapState.OPEN)]
    record_missing(desk.store, desk.ledger, replace(desk.group, sessions=days[2:]), now=at(200), start=EPOCH)
    assert told(desk) == [("BTC", 24, 2, GapState.OPEN)], "the calendar of that day is not at hand"
    record_missing(desk.store, desk.ledger, replace(desk.group, sessions=[at(0), at(72)]), now=at(200), start=EPOCH)
    assert {one[-1] for one in told(desk)} == {GapState.WITHDRAWN}, "the exchange was closed after all"


class Silent(Source):
    """Does not answer what it offers, and counts how often it is asked."""

    questions = 0

    def fetch_instruments(self) -> Sequence[Instrument]:
        self.questions += 1
        raise TransientError("no answer")


def test_a_venue_that_cannot_be_asked_changes_no_mark_and_is_asked_once(tmp_path: Path) -> None:
    from tasks.data import mark_listings

    other = Instrument(venue="U", base="SOL", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal("0.01"))
    market = MarketSettings(name="U", exchange="binance", instruments=(other.id,))
    options = {"universe": (BTC.id, ETH.id), "venue": VenueSettings(name="T"), "markets": (market,)}
    silent = Silent([])
    known = Services(
        Settings(home=tmp_path, **options),
        Overrides(
            market_store=MemoryMarketStore(),
            gaps=MemoryGapLedger(),
            series_status=MemorySeriesStatus(),
            sources={"T": silent, "U": Source([], instruments=(replace(other, listed_from=LISTED),))},
            market_clock=ManualClock(at(30)),
        ),
    )
    before = SeriesStatus(
        instrument=BTC.id, timeframe="1h", state=SeriesState.DELISTED, listed_from=LISTED, listed_until=at(10)
    )
    known.stores.series_status.record_status(before, now=at(29))
    with using(known):
        recorded = mark_listings.fn()
    assert [(one.instrument, one.listed_from) for one in recorded] == [(other.id, LISTED)]
    assert silent.questions == 1, "an hour of waiting for each of its instruments helps nobody"
    assert [one for one in known.stores.series_status.load_statuses() if one.instrument == BTC.id] == [before]
    assert known.markets.groups[0].listing(BTC.id) == Listing(start=LISTED, end=at(10))
