"""Bars judged before they are stored: the good ones kept, the bad and the doubtful put into quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.gaps import Fetch
from tidemill.domain.market import Calendar, Instrument, timeframe_seconds
from tidemill.ingest.values import Ingested
from tidemill.ports import BarStore, GapRecords
from tidemill.quality import OutlierRules, check_bars, find_outliers, to_quarantine, trust

BACKFILL_DELAY = timedelta(seconds=1)
# how a repair releases a bar from quarantine; any other reason is a person's
REPAIRED = "a repair brought a good bar"
# sessions come five in seven days, and a holiday beside them
CONTEXT_SLACK = 3


def note_fetch(
    ledger: GapRecords,
    instrument: str,
    timeframe: str,
    start: datetime,
    end: datetime,
    *,
    bars: int,
    calendar: Calendar,
    now: datetime,
) -> None:
    """Keep that a source (or a file) answered for [start, end), as far as its bars had closed by ``now``."""
    closed = now - timedelta(seconds=timeframe_seconds(timeframe)) + timedelta(microseconds=1)
    end = min(end, closed)
    if end > start:
        told = Fetch(instrument=instrument, timeframe=timeframe, start=start, end=end, bars=bars, calendar=calendar)
        ledger.record_fetch(told, now=now)


def as_backfilled(bars: pd.DataFrame, timeframe: str) -> pd.DataFrame:
    """BARS of the past, taken as known a second after their close and marked as assumed.

    They were received just now, long after anybody could have decided on them; without the assumption no
    history could ever be trained on. When they were stored stays on record.
    """
    known = bars["open_time"] + pd.Timedelta(seconds=timeframe_seconds(timeframe)) + BACKFILL_DELAY
    return bars.assign(knowledge_time=known.astype("datetime64[us, UTC]"), assumed=True)


def store_checked(
    bars: pd.DataFrame,
    store: BarStore,
    ledger: GapRecords,
    instrument: Instrument,
    *,
    timeframe: str,
    calendar: Calendar,
    sessions: Sequence[datetime],
    now: datetime,
    after: datetime | None,
    source: str = "ingest",
    outliers: OutlierRules | None = None,
    witness: pd.DataFrame | None = None,
) -> Ingested:
    """Check BARS: the good ones are stored, the bad and the doubtful go into quarantine with their reasons.

    ``missing`` counts bars absent since the one that opened at ``after``. ``witness``: BARS of a second
    venue. Their causes are judged later, when all instruments of the venue are known.
    """
    length = timedelta(seconds=timeframe_seconds(timeframe))
    expected = [one for one in sessions if (after is None or one > after) and one + length <= now]
    checked = check_bars(
        bars,
        instrument=instrument,
        timeframe=timeframe,
        as_of=now,
        calendar=calendar,
        expected_from=after + length if after and len(bars) else None,
        sessions=expected,
    )
    kept, doubtful = _part_doubtful(checked.good, store, ledger, timeframe, outliers or OutlierRules(), witness)
    refused = pd.concat([one for one in (checked.rejected, doubtful) if len(one)] or [checked.rejected])
    stored = store.write_bars(timeframe, kept, now=now)
    quarantined = ledger.write_quarantine(to_quarantine(refused, timeframe, source), now=now) if len(refused) else 0
    return Ingested(
        name=instrument.id,
        timeframe=timeframe,
        fetched=len(bars),
        stored=stored,
        rejected=len(checked.rejected) + len(checked.good) - len(kept),
        missing=int(checked.gaps["missing"].sum()) + len(checked.good) - len(kept),
        quarantined=quarantined,
        listed_from=instrument.listed_from,
    )


def _part_doubtful(
    good: pd.DataFrame,
    store: BarStore,
    ledger: GapRecords,
    timeframe: str,
    rules: OutlierRules,
    witness: pd.DataFrame | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The bars to store, and the doubtful ones with ``reason``.

    Bars stored beside them are their neighbours, and are judged again: only now may they have some after.
    """
    if not len(good):
        return good, good.assign(reason="")
    bars, is_new, edges = _among_stored(good, store, timeframe, rules.neighbours)
    reasons = find_outliers(bars, rules=rules, witness=witness)
    reasons[edges] = ""
    if (reasons != "").any():
        history = ledger.read_quarantine([str(good["instrument"].iloc[0])], timeframe, every=True)
        by_person = history["released_at"].notna() & (history["because"] != REPAIRED)
        reasons = trust(bars, reasons, list(history.loc[by_person, "payload_hash"]))
    doubted = reasons != ""
    kept = bars[is_new & ~doubted].reset_index(drop=True)
    return kept, bars[doubted].assign(reason=reasons[doubted])


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
