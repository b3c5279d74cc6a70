"""What is missing or refused asked for again, and bars let go from quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError, TransientError
from tidemill.domain.gaps import GapState
from tidemill.domain.market import EPOCH, MICROSECOND, BarSchedule, format_time, to_micros
from tidemill.gap_repair.summary import RepairSummary
from tidemill.ingest import (
    REPAIRED,
    BarFeed,
    IngestSummary,
    SeriesJob,
    as_backfilled,
    note_fetch,
    store_checked,
    sum_by_name,
)
from tidemill.ports import BAR_COLUMNS, BarStore, GapRecords, MarketSource
from tidemill.ports.frames import micros
from tidemill.quality import check_bars, expected_opens, hash_bars, honour_quarantine

JOIN_BARS = 200


def repair_series(
    feed: BarFeed,
    job: SeriesJob,
    *,
    now: datetime,
    start: datetime = EPOCH,
    end: datetime | None = None,
    accepted: bool = False,
) -> RepairSummary:
    """Ask again for what is missing or in quarantine with ``start`` <= open time < ``end``, and for nothing else.

    Ranges less than 200 bars apart are asked for at once. ``accepted``: also what nobody had before. The reference
    source of the feed, if there is one, is asked for the same ranges; that it does not answer is no failure.
    TransientError and DataError of the source pass through.
    """
    opens = missing_opens(feed.ledger, job, start=start, end=min(end or now, now), accepted=accepted)
    parts = [IngestSummary(name=job.name, timeframe=job.timeframe, listed_from=job.instrument.listed_from)]
    reference: list[np.ndarray] = []
    for low, high in join_ranges(opens, job.length):
        answer = feed.source.fetch_bars(job.name, job.timeframe, low, high)
        note_fetch(feed.ledger, job, low, high, bars=len(answer), now=now)
        reference_bars = fetch_reference(feed.reference_source, job, low, high)
        # a joined range holds bars that were never in question; only what was lost is stored
        lost = answer[np.isin(micros(answer["open_time"]), opens)].reset_index(drop=True)
        parts.append(
            store_checked(
                as_backfilled(lost, job.timeframe),
                feed.store,
                feed.ledger,
                job,
                now=now,
                source="repair",
                reference_bars=reference_bars,
            )
        )
        if reference_bars is not None:
            reference.append(micros(reference_bars["open_time"]))
    return RepairSummary(
        ingest=sum_by_name(parts)[0],
        released=release_repaired(feed.store, feed.ledger, job, now=now),
        reference_opens=np.concatenate(reference) if reference else None,
    )


def missing_opens(ledger: GapRecords, job: SeriesJob, *, start: datetime, end: datetime, accepted: bool) -> np.ndarray:
    """Open times in micros, ascending, of what is missing or stands in quarantine in a range."""
    parts = [
        expected_opens(job.schedule, max(start, gap.start), min(end, gap.end))
        for gap in ledger.load_gaps([job.name], job.timeframe)
        if gap.start < end and gap.end > start and (accepted or gap.state is GapState.OPEN)
    ]
    opens = micros(ledger.read_quarantine([job.name], job.timeframe)["open_time"].dropna())
    parts.append(opens[(opens >= to_micros(start)) & (opens < to_micros(end))])
    return np.unique(np.concatenate(parts))


def join_ranges(opens: np.ndarray, length: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Ranges [start, end) that cover ``opens`` (ascending micros), joined where less than 200 bars lie between."""
    if not len(opens):
        return
    step = length // MICROSECOND
    cuts = np.flatnonzero(np.diff(opens) > JOIN_BARS * step) + 1
    for near in np.split(opens, cuts):
        yield EPOCH + int(near[0]) * MICROSECOND, EPOCH + int(near[-1] + step) * MICROSECOND


def fetch_reference(source: MarketSource | None, job: SeriesJob, start: datetime, end: datetime) -> pd.DataFrame | None:
    """BARS of the same market at a second venue; None without one, or when it has no answer."""
    if source is None:
        return None
    market = job.instrument.base, job.instrument.quote
    try:
        names = [other.id for other in source.fetch_instruments() if (other.base, other.quote) == market]
        return source.fetch_bars(names[0], job.timeframe, start, end) if names else None
    except (TransientError, DataError):
        return None  # it is evidence only: without it a repair goes on


def release_repaired(store: BarStore, ledger: GapRecords, job: SeriesJob, *, now: datetime) -> int:
    """Release from quarantine every bar in whose place a good one is stored now; how many."""
    released = 0
    standing = ledger.read_quarantine([job.name], job.timeframe)
    for opened in standing["open_time"].dropna().drop_duplicates():
        moment = opened.to_pydatetime()
        bars = store.read_bars([job.name], job.timeframe, moment, moment + MICROSECOND)
        if len(honour_quarantine(bars, standing)):
            released += ledger.release_bars(job.name, job.timeframe, moment, because=REPAIRED, now=now)
    return released


def release_by_person(
    store: BarStore, ledger: GapRecords, job: SeriesJob, moment: datetime, *, because: str, now: datetime
) -> int:
    """Release the bar that stands in quarantine for ``moment`` and store it; bars stored.

    DataError when none or several stand, or when it cannot have been a bar (a repair must bring another).
    """
    standing = ledger.read_quarantine([job.name], job.timeframe)
    refused = standing[standing["open_time"] == pd.Timestamp(moment)]
    where = f"{job.name} {job.timeframe} at {format_time(moment)}"
    if len(refused) != 1:
        raise DataError(f"{len(refused)} bars of {where} stand in quarantine; one can be released at a time")
    schedule = BarSchedule(timeframe=job.timeframe)
    checked = check_bars(refused[list(BAR_COLUMNS)], instrument=job.instrument, schedule=schedule)
    if not len(checked.good):
        raise DataError(f"the bar of {where} cannot be used: {checked.rejected['reason'].iloc[0]}; repair the range")
    ledger.release_bars(job.name, job.timeframe, moment, because=because, now=now)
    stored = store.read_bars([job.name], job.timeframe, moment, moment + MICROSECOND)
    if len(stored) and hash_bars(stored)[0] == refused["payload_hash"].iloc[0]:
        return 0  # it was doubted after it had been stored, and stands again by being released
    return store.write_bars(job.timeframe, checked.good, now=now)
