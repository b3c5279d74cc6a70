"""What is missing or refused asked for again, and bars let go from quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError, TransientError
from tidemill.domain.gaps import GapState
from tidemill.domain.market import EPOCH, Instrument, format_time, split_instrument_id, to_micros
from tidemill.gap_repair.group import SeriesGroup
from tidemill.ingest import REPAIRED, Ingested, as_backfilled, note_fetch, store_checked, sum_by_name
from tidemill.ports import BAR_COLUMNS, BarStore, GapRecords, MarketSource
from tidemill.quality import OutlierRules, check_bars, expected_opens, hash_bars, honour_quarantine

JOIN_BARS = 200
MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repaired:
    """What a repair of one series brought; ``witness``: open times that the second venue has, None if not asked."""

    done: Ingested
    released: int = 0
    witness: np.ndarray | None = None


def repair_series(
    source: MarketSource,
    store: BarStore,
    ledger: GapRecords,
    instrument: Instrument,
    group: SeriesGroup,
    *,
    now: datetime,
    start: datetime = EPOCH,
    end: datetime | None = None,
    accepted: bool = False,
    outliers: OutlierRules | None = None,
    witness: MarketSource | None = None,
) -> Repaired:
    """Ask again for what is missing or in quarantine with ``start`` <= open time < ``end``, and for nothing else.

    Ranges less than 200 bars apart are asked for at once. ``accepted``: also what nobody had before.
    ``witness`` is asked for the same ranges; that it does not answer is no failure. TransientError and
    DataError of the source pass through.
    """
    until = min(end or now, now)
    wanted = wanted_opens(ledger, group, instrument.id, start=start, end=until, accepted=accepted)
    listed = instrument.listed_from
    parts, told, fetched = [Ingested(name=instrument.id, timeframe=group.timeframe, listed_from=listed)], None, []
    for low, high in join_ranges(wanted, group.length):
        answer = source.fetch_bars(instrument.id, group.timeframe, low, high)
        note_fetch(
            ledger, instrument.id, group.timeframe, low, high, bars=len(answer), calendar=group.calendar, now=now
        )
        seen = ask_witness(witness, instrument.id, group.timeframe, low, high)
        asked = answer["open_time"].to_numpy("datetime64[us]").astype(np.int64)
        targeted = as_backfilled(answer[np.isin(asked, wanted)].reset_index(drop=True), group.timeframe)
        parts.append(_store(targeted, store, ledger, instrument, group, now=now, outliers=outliers, witness=seen))
        if seen is not None:
            fetched.append(seen["open_time"].to_numpy("datetime64[us]").astype(np.int64))
            told = np.concatenate(fetched)
    released = release_mended(store, ledger, instrument.id, group, now=now)
    return Repaired(done=sum_by_name(parts)[0], released=released, witness=told)


def _store(
    bars: pd.DataFrame,
    store: BarStore,
    ledger: GapRecords,
    instrument: Instrument,
    group: SeriesGroup,
    *,
    now: datetime,
    outliers: OutlierRules | None,
    witness: pd.DataFrame | None,
) -> Ingested:
    return store_checked(
        bars,
        store,
        ledger,
        instrument,
        timeframe=group.timeframe,
        calendar=group.calendar,
        sessions=group.sessions,
        now=now,
        after=None,
        source="repair",
        outliers=outliers,
        witness=witness,
    )


def wanted_opens(
    ledger: GapRecords, group: SeriesGroup, name: str, *, start: datetime, end: datetime, accepted: bool
) -> np.ndarray:
    """Open times in micros, ascending, of what is missing or stands in quarantine in a range."""
    parts = [
        expected_opens(
            group.timeframe, max(start, one.start), min(end, one.end), calendar=group.calendar, sessions=group.sessions
        )
        for one in ledger.load_gaps([name], group.timeframe)
        if one.start < end and one.end > start and (accepted or one.state is GapState.OPEN)
    ]
    refused = ledger.read_quarantine([name], group.timeframe)["open_time"].dropna()
    opens = refused.to_numpy("datetime64[us]").astype(np.int64)
    parts.append(opens[(opens >= to_micros(start)) & (opens < to_micros(end))])
    return np.unique(np.concatenate(parts))


def join_ranges(opens: np.ndarray, length: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Ranges [start, end) that cover ``opens`` (ascending micros), joined where less than 200 bars lie between."""
    if not len(opens):
        return
    step = length // MICRO
    cuts = np.flatnonzero(np.diff(opens) > JOIN_BARS * step) + 1
    for some in np.split(opens, cuts):
        yield EPOCH + int(some[0]) * MICRO, EPOCH + int(some[-1] + step) * MICRO


def ask_witness(
    witness: MarketSource | None, instrument: str, timeframe: str, start: datetime, end: datetime
) -> pd.DataFrame | None:
    """BARS of the same market at a second venue; None without one, or when it has no answer."""
    if witness is None:
        return None
    base, quote, _ = split_instrument_id(instrument)
    try:
        offered = [one.id for one in witness.fetch_instruments() if (one.base, one.quote) == (base, quote)]
        return witness.fetch_bars(offered[0], timeframe, start, end) if offered else None
    except (TransientError, DataError):
        return None


def release_mended(store: BarStore, ledger: GapRecords, name: str, group: SeriesGroup, *, now: datetime) -> int:
    """Release from quarantine every bar in whose place a good one is stored now; how many."""
    released = 0
    standing = ledger.read_quarantine([name], group.timeframe)
    for opened in standing["open_time"].dropna().drop_duplicates():
        moment = opened.to_pydatetime()
        there = honour_quarantine(store.read_bars([name], group.timeframe, moment, moment + MICRO), standing)
        if len(there):
            released += ledger.release_bars(name, group.timeframe, moment, because=REPAIRED, now=now)
    return released


def release_by_person(
    store: BarStore,
    ledger: GapRecords,
    instrument: Instrument,
    timeframe: str,
    moment: datetime,
    *,
    because: str,
    now: datetime,
) -> int:
    """Release the bar that stands in quarantine for ``moment`` and store it; bars stored.

    DataError when none or several stand, or when it cannot have been a bar (a repair must bring another).
    """
    standing = ledger.read_quarantine([instrument.id], timeframe)
    found = standing[standing["open_time"] == pd.Timestamp(moment)]
    where = f"{instrument.id} {timeframe} at {format_time(moment)}"
    if len(found) != 1:
        raise DataError(f"{len(found)} bars of {where} stand in quarantine; one can be released at a time")
    checked = check_bars(found[list(BAR_COLUMNS)], instrument=instrument, timeframe=timeframe)
    if not len(checked.good):
        raise DataError(f"the bar of {where} cannot be used: {checked.rejected['reason'].iloc[0]}; repair the range")
    ledger.release_bars(instrument.id, timeframe, moment, because=because, now=now)
    kept = store.read_bars([instrument.id], timeframe, moment, moment + MICRO)
    if len(kept) and hash_bars(kept)[0] == found["payload_hash"].iloc[0]:
        return 0
    return store.write_bars(timeframe, checked.good, now=now)
