"""Bars judged before they are stored: the good ones kept, the bad and the doubtful put into quarantine."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.gaps import Fetch
from tidemill.domain.market import MICROSECOND, BarSchedule, timeframe_seconds
from tidemill.ingest.jobs import SeriesJob
from tidemill.ingest.values import IngestSummary
from tidemill.ports import BarStore, GapRecords
from tidemill.quality import check_bars, find_outliers, to_quarantine, trust

BACKFILL_DELAY = timedelta(seconds=1)
# how a repair releases a bar from quarantine; any other reason is a person's
REPAIRED = "a repair brought a good bar"
# sessions come five in seven days, and a holiday beside them
CONTEXT_SLACK = 3


def note_fetch(ledger: GapRecords, job: SeriesJob, start: datetime, end: datetime, *, bars: int, now: datetime) -> None:
    """Keep that a source (or a file) answered for [start, end), as far as its bars had closed by ``now``."""
    end = min(end, now - job.length + MICROSECOND)
    if end > start:
        fetch = Fetch(
            instrument=job.name, timeframe=job.timeframe, start=start, end=end, bars=bars, calendar=job.calendar
        )
        ledger.record_fetch(fetch, now=now)


def as_backfilled(bars: pd.DataFrame, timeframe: str) -> pd.DataFrame:
    """BARS of the past, taken as known a second after their close and marked as assumed.

    They were received just now, long after anybody could have decided on them; without the assumption no
    history could ever be trained on. When they were stored stays on record.
    """
    knowledge = bars["open_time"] + pd.Timedelta(seconds=timeframe_seconds(timeframe)) + BACKFILL_DELAY
    return bars.assign(knowledge_time=knowledge.astype("datetime64[us, UTC]"), assumed=True)


def store_checked(
    bars: pd.DataFrame,
    store: BarStore,
    ledger: GapRecords,
    job: SeriesJob,
    *,
    now: datetime,
    after: datetime | None = None,
    source: str = "ingest",
    reference_bars: pd.DataFrame | None = None,
) -> IngestSummary:
    """Check BARS: the good ones are stored, the bad and the doubtful go into quarantine with their reasons.

    ``after``: open time since which absent bars are counted as ``missing``; None: from the first good bar on. Their
    causes are judged later, when all instruments of the venue are at hand. ``source``: which step met the bars.
    ``reference_bars``: BARS of the same market at a second venue. Errors of the store pass through.
    """
    checked = check_bars(
        bars,
        instrument=job.instrument,
        schedule=_closed_since(job, after, now),
        as_of=now,
        expected_from=after + job.length if after and len(bars) else None,
    )
    accepted, doubtful = _part_doubtful(checked.good, store, ledger, job, reference_bars)
    refused = pd.concat([part for part in (checked.rejected, doubtful) if len(part)] or [checked.rejected])
    stored = store.write_bars(job.timeframe, accepted, now=now)
    quarantined = 0
    if len(refused):
        quarantined = ledger.write_quarantine(to_quarantine(refused, job.timeframe, source), now=now)
    doubted = len(checked.good) - len(accepted)
    return IngestSummary(
        name=job.name,
        timeframe=job.timeframe,
        fetched=len(bars),
        stored=stored,
        rejected=len(checked.rejected) + doubted,
        missing=int(checked.gaps["missing"].sum()) + doubted,
        quarantined=quarantined,
        listed_from=job.instrument.listed_from,
    )


def _closed_since(job: SeriesJob, after: datetime | None, now: datetime) -> BarSchedule:
    """The schedule with the sessions after ``after`` that have closed: no other bar of a calendar can be missing."""
    sessions = [
        session for session in job.sessions if (after is None or session > after) and session + job.length <= now
    ]
    return replace(job.schedule, sessions=sessions)


def _part_doubtful(
    good: pd.DataFrame, store: BarStore, ledger: GapRecords, job: SeriesJob, reference_bars: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The bars to store, and the doubtful ones with ``reason``.

    Bars stored beside them are their neighbours, and are judged again: only now may they have some after.
    """
    if not len(good):
        return good, good.assign(reason="")
    bars, is_new, edges = _among_stored(good, store, job.timeframe, job.outliers.neighbours)
    reasons = find_outliers(bars, rules=job.outliers, reference_bars=reference_bars)
    reasons[edges] = ""
    if (reasons != "").any():
        history = ledger.read_quarantine([job.name], job.timeframe, every=True)
        by_person = history["released_at"].notna() & (history["because"] != REPAIRED)
        reasons = trust(bars, reasons, list(history.loc[by_person, "payload_hash"]))
    doubted = reasons != ""
    accepted = bars[is_new & ~doubted].reset_index(drop=True)
    return accepted, bars[doubted].assign(reason=reasons[doubted])


def _among_stored(
    good: pd.DataFrame, store: BarStore, timeframe: str, neighbours: int
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """New bars among the stored ones, ascending; which are new; which stored ones lack neighbours of their own."""
    first, last = (good["open_time"].iloc[end].to_pydatetime() for end in (0, -1))
    reach = CONTEXT_SLACK * 2 * neighbours * timedelta(seconds=timeframe_seconds(timeframe))
    stored = store.read_bars([str(good["instrument"].iloc[0])], timeframe, first - reach, last + reach)
    stored = stored.loc[~stored["open_time"].isin(good["open_time"]), list(good.columns)]
    before = stored[stored["open_time"] < first].iloc[-2 * neighbours :]
    after = stored[stored["open_time"] > last].iloc[: 2 * neighbours]
    between = stored[(stored["open_time"] > first) & (stored["open_time"] < last)]
    parts = [part for part in (before, between, after, good) if len(part)]
    bars = pd.concat(parts, ignore_index=True).sort_values("open_time", ignore_index=True)
    edges = np.zeros(len(bars), dtype=bool)
    edges[: min(len(before), neighbours)] = True
    edges[len(bars) - min(len(after), neighbours) :] = len(after) > 0
    return bars, bars["open_time"].isin(good["open_time"]).to_numpy(bool), edges
