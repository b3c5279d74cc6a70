"""Where the bars of a series begin: with its listing as the venue tells it, as far as anything was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
import pytest
from hourly import BTC, ETH, GROUP, HOUR, START, Source, at, bars

from tidemill.adapters.memory_gaps import MemoryGapLedger
from tidemill.adapters.memory_market import MemoryMarketStore
from tidemill.domain.gaps import Cause, HoleState
from tidemill.domain.market import EPOCH, Instrument
from tidemill.domain.series import SeriesMark, SeriesState
from tidemill.ingesting import Ingested, failed, ingest_bars, mark_of
from tidemill.repairing import SeriesGroup, measure_group, record_missing, repair_series

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
        marks = [mark_of(one, self.store.latest_open(one.name, "1h")) for one in done]
        self.group: SeriesGroup = GROUP.listed(marks)

    def ingest(self, instrument: Instrument) -> Ingested:
        return ingest_bars(
            self.source,
            self.store,
            self.ledger,
            instrument,
            timeframe="1h",
            calendar="24x7",
            sessions=(),
            now=self.now,
            history=timedelta(days=3),
        )

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
    repair_series(desk.source, desk.store, desk.ledger, desk.btc, desk.group, now=desk.now)
    record_missing(desk.store, desk.ledger, desk.group, now=desk.now, start=EPOCH, asked=[BTC.id], follow=True)
    assert [one.state for one in desk.ledger.load_holes()] == [HoleState.ACCEPTED], "nobody has it"


def test_control_without_a_listing_the_first_stored_bar_is_the_beginning() -> None:
    desk = Desk(range(30), range(-40, 30), listed=None)
    assert desk.look() == []
    assert desk.complete() == {"BTC": (30, 30), "ETH": (70, 70)}


def test_a_beginning_that_the_venue_has_after_all_is_repaired() -> None:
    desk = Desk(range(30), range(-40, 30), listed=LISTED)
    desk.look()
    desk.source.frames = [bars(BTC, range(-20, 30)), bars(ETH, range(-40, 30))]
    repair_series(desk.source, desk.store, desk.ledger, desk.btc, desk.group, now=desk.now)
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
    done = Ingested(name=BTC.id, timeframe="1h", listed_from=LISTED)
    fine = mark_of(done, START)
    assert fine.listed_from == LISTED
    gone = mark_of(failed(BTC.id, "1h", "no answer"), START, fine)
    assert (gone.listed_from, gone.state) == (LISTED, SeriesState.FAILED)
    listing = GROUP.listed([replace(fine, listed_until=at(10))]).listing(BTC.id)
    assert (listing.start, listing.end) == (LISTED, at(10))
    odd = SeriesMark(instrument=BTC.id, timeframe="1h", listed_from=at(10), listed_until=at(5))
    assert GROUP.listed([odd]).listing(BTC.id).end == at(5), "a beginning behind the end is passed over"
    assert pd.Timestamp(done.as_dict()["listed_from"]) == pd.Timestamp(LISTED)
