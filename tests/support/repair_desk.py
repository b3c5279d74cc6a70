"""Bars taken from files and sources into a store and its gap ledger, and what that ledger tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from support.hourly import HOUR, START, at, bars

from tidemill.domain.gaps import Cause, GapState
from tidemill.domain.market import Instrument
from tidemill.ingest import ingest_bars, note_fetch, store_checked


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


def told(ledger) -> list[tuple[str, int, int, Cause, GapState]]:
    return [
        (one.instrument[:3], round((one.start - START) / HOUR), one.missing, one.cause, one.state)
        for one in ledger.load_gaps()
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
