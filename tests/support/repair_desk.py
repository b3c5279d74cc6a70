"""Bars taken from files and sources into a store and its gap ledger, and what that ledger tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from support.hourly import HOUR, START, at, bars

from tidemill.domain.gaps import Cause, GapState
from tidemill.domain.market import Instrument
from tidemill.gap_repair import RepairSummary, repair_series
from tidemill.ingest import BarFeed, IngestSummary, SeriesJob, ingest_bars, note_fetch, store_checked


def job(instrument: Instrument) -> SeriesJob:
    """The hourly series of an instrument that trades around the clock."""
    return SeriesJob(instrument=instrument, timeframe="1h")


def repair(source, store, ledger, instrument: Instrument, *, reference=None, **options) -> RepairSummary:
    """One repair, with a second venue if there is one."""
    feed = BarFeed(source=source, store=store, ledger=ledger, reference_source=reference)
    return repair_series(feed, job(instrument), **options)


def repaired(*instruments: Instrument, opens=None) -> list[RepairSummary]:
    """What a repair says that asked for everything of these and got nothing more."""
    return [
        RepairSummary(ingest=IngestSummary(name=one.id, timeframe="1h"), reference_opens=opens) for one in instruments
    ]


def take(store, ledger, instrument: Instrument, hours: Sequence[int], *, now: datetime, **options) -> None:
    """Import bars as a file would bring them."""
    frame = bars(instrument, hours, options.pop("prices", None))
    store_checked(frame, store, ledger, job(instrument), now=now, **options)
    note_fetch(ledger, job(instrument), at(min(hours)), at(max(hours) + 1), bars=len(frame), now=now)


def without(*gone: int, last: int = 30) -> list[int]:
    return [hour for hour in range(last) if hour not in gone]


def told(ledger) -> list[tuple[str, int, int, Cause, GapState]]:
    return [
        (one.instrument[:3], round((one.start - START) / HOUR), one.missing, one.cause, one.state)
        for one in ledger.load_gaps()
    ]


def ingest(source, store, ledger, instrument: Instrument, now: datetime, look_again: int = 0):
    feed = BarFeed(source=source, store=store, ledger=ledger)
    return ingest_bars(feed, job(instrument), now=now, history=timedelta(days=3), look_again=look_again)
