"""Holes looked for, judged and closed: what `repair` does, free of schedules and screens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError, TransientError
from tidemill.domain.gaps import Cause, Hole, HoleState
from tidemill.domain.market import (
    EPOCH,
    Calendar,
    Instrument,
    format_time,
    split_instrument_id,
    timeframe_seconds,
    to_micros,
)
from tidemill.ingesting import REPAIRED, Ingested, as_backfilled, note_fetch, store_checked
from tidemill.ports import BAR_COLUMNS, BarStore, GapRecords, MarketSource
from tidemill.quality import (
    DoubtRules,
    Evidence,
    Neighbour,
    SeriesCompleteness,
    check_bars,
    expected_opens,
    find_holes,
    find_missing,
    hash_bars,
    honour_quarantine,
    judge_cause,
    measure_series,
    revise_holes,
)

LOOK_BACK = timedelta(days=7)
# An instrument without a bar for longer than this proves nothing about its venue.
LISTED_FOR = timedelta(days=7)
MARGIN_BARS = 5
JOIN_BARS = 200
MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesGroup:
    """The series of one venue and timeframe whose holes are judged together.

    ``publish_delay``: how long after its close the source may take to tell a bar.
    """

    names: tuple[str, ...]
    timeframe: str
    calendar: Calendar = "24x7"
    sessions: Sequence[datetime] = ()
    publish_delay: timedelta = timedelta(0)

    @property
    def length(self) -> timedelta:
        """One bar."""
        return timedelta(seconds=timeframe_seconds(self.timeframe))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repaired:
    """What a repair of one series brought; ``witness``: open times that the second venue has, None if not asked."""

    done: Ingested
    released: int = 0
    witness: np.ndarray | None = None


def record_missing(
    store: BarStore,
    ledger: GapRecords,
    group: SeriesGroup,
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    witness: Mapping[str, np.ndarray] | None = None,
    asked: Sequence[str] = (),
    follow: bool = False,
) -> list[Hole]:
    """Look for holes with ``start`` <= open time < ``end``, judge them and record what changed; those missing now.

    Without ``start`` the look begins where the newest fetches did, with ``EPOCH`` at the listing. Without
    ``end`` each series is expected up to its newest answered fetch; ``follow``: up to ``now``.
    ``asked``: instruments for which a repair has just asked for everything in the range.
    """
    known = {name: ledger.load_holes([name], group.timeframe) for name in group.names}
    begin = _begin(ledger, group, known, start, now)
    told = {name: _beyond(store, ledger, group, name, now, follow=follow) for name in group.names}
    beyond = {name: min(end, last) if end else last for name, last in told.items()}
    views = {name: _view(store, ledger, group, name, begin, beyond[name]) for name in group.names}
    missing: list[Hole] = []
    lines: list[Hole] = []
    for name, view in views.items():
        others = {other: _as_neighbour(one, now) for other, one in views.items() if other != name}
        found = _judge(ledger, group, view, others, now=now, witness=(witness or {}).get(name))
        before = [one for one in known[name] if view.begin <= one.start < view.beyond]
        lines += revise_holes(before, found, asked_again=name in asked)
        missing += found
    ledger.record_holes(lines, now=now)
    return missing


def _begin(
    ledger: GapRecords,
    group: SeriesGroup,
    known: Mapping[str, Sequence[Hole]],
    start: datetime | None,
    now: datetime,
) -> datetime:
    """Where the look begins: as asked, widened to holes that reach into it or wait for their bars."""
    begin = start
    if begin is None:
        newest = [ledger.load_fetches(name, group.timeframe, since=now - LOOK_BACK)[-1:] for name in group.names]
        begin = min((some[0].start for some in newest if some), default=now - LOOK_BACK)
    for one in (hole for holes in known.values() for hole in holes):
        waits = start is None and one.cause is Cause.NOT_PUBLISHED
        if waits or one.start < begin < one.end:
            begin = min(begin, one.start)
    return begin


def _beyond(
    store: BarStore, ledger: GapRecords, group: SeriesGroup, name: str, now: datetime, *, follow: bool
) -> datetime:
    """The first open time that is not expected: its bar cannot have been told."""
    if follow:
        return now - group.length + MICRO
    newest = store.latest_open(name, group.timeframe)
    ends = [one.end for one in ledger.load_fetches(name, group.timeframe, since=now - LOOK_BACK)]
    told = max(ends, default=EPOCH)
    return max(told, newest + MICRO) if newest else told


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    """The bars of one series in a range: open times in micros, without those in quarantine."""

    name: str
    begin: datetime
    beyond: datetime
    opens: np.ndarray
    refused: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def _view(
    store: BarStore, ledger: GapRecords, group: SeriesGroup, name: str, begin: datetime, beyond: datetime
) -> _View:
    refused = ledger.read_quarantine([name], group.timeframe)
    opens = _load_opens(store, group, name, refused, max(EPOCH, begin - MARGIN_BARS * group.length), beyond)
    if begin > EPOCH and (not len(opens) or opens[0] >= to_micros(begin)):
        # nothing right before the range: only the whole history tells whether the series was listed by then
        opens = _load_opens(store, group, name, refused, EPOCH, beyond)
    times = refused["open_time"].dropna().to_numpy("datetime64[us]").astype(np.int64)
    return _View(name=name, begin=begin, beyond=beyond, opens=opens, refused=times)


def _load_opens(
    store: BarStore, group: SeriesGroup, name: str, refused: pd.DataFrame, start: datetime, end: datetime
) -> np.ndarray:
    bars = store.read_bars([name], group.timeframe, start, max(start, end))
    kept = honour_quarantine(bars, refused)
    opens: np.ndarray = kept["open_time"].to_numpy("datetime64[us]").astype(np.int64)
    return opens


def _as_neighbour(view: _View, now: datetime) -> Neighbour:
    if not len(view.opens):
        return Neighbour(opens=view.opens, listed_from=0, listed_until=0)
    newest = int(view.opens[-1])
    recent = newest > to_micros(min(now, view.beyond) - LISTED_FOR)
    return Neighbour(
        opens=view.opens,
        listed_from=int(view.opens[0]),
        listed_until=to_micros(now) if recent else newest + 1,
    )


def _judge(
    ledger: GapRecords,
    group: SeriesGroup,
    view: _View,
    others: Mapping[str, Neighbour],
    *,
    now: datetime,
    witness: np.ndarray | None,
) -> list[Hole]:
    """Holes of one series from its listing on."""
    if not len(view.opens):
        return []
    listed = max(view.begin, EPOCH + int(view.opens[0]) * MICRO)
    expected = expected_opens(group.timeframe, listed, view.beyond, calendar=group.calendar, sessions=group.sessions)
    missing = find_missing(expected, view.opens)
    if not len(missing):
        return []
    evidence = Evidence(
        now=now,
        stored=view.opens,
        fetches=ledger.load_fetches(view.name, group.timeframe, since=listed),
        neighbours=others,
        witness=witness,
        quarantined=view.refused,
        publish_delay=group.publish_delay,
    )
    causes = judge_cause(missing, group.timeframe, evidence)
    return find_holes(view.name, group.timeframe, expected, missing, causes)


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
    doubts: DoubtRules | None = None,
    witness: MarketSource | None = None,
) -> Repaired:
    """Ask again for what is missing or in quarantine with ``start`` <= open time < ``end``, and for nothing else.

    Ranges less than 200 bars apart are asked for at once. ``accepted``: also what nobody had before.
    ``witness`` is asked for the same ranges; that it does not answer is no failure. TransientError and
    DataError of the source pass through.
    """
    until = min(end or now, now)
    wanted = wanted_opens(ledger, group, instrument.id, start=start, end=until, accepted=accepted)
    totals, told, fetched = Ingested(name=instrument.id), None, []
    for low, high in join_ranges(wanted, group.length):
        answer = source.fetch_bars(instrument.id, group.timeframe, low, high)
        note_fetch(
            ledger, instrument.id, group.timeframe, low, high, bars=len(answer), calendar=group.calendar, now=now
        )
        seen = ask_witness(witness, instrument.id, group.timeframe, low, high)
        asked = answer["open_time"].to_numpy("datetime64[us]").astype(np.int64)
        targeted = as_backfilled(answer[np.isin(asked, wanted)].reset_index(drop=True), group.timeframe)
        totals = _add(totals, _store(targeted, store, ledger, instrument, group, now=now, doubts=doubts, witness=seen))
        if seen is not None:
            fetched.append(seen["open_time"].to_numpy("datetime64[us]").astype(np.int64))
            told = np.concatenate(fetched)
    released = release_mended(store, ledger, instrument.id, group, now=now)
    return Repaired(done=totals, released=released, witness=told)


def _store(
    bars: pd.DataFrame,
    store: BarStore,
    ledger: GapRecords,
    instrument: Instrument,
    group: SeriesGroup,
    *,
    now: datetime,
    doubts: DoubtRules | None,
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
        doubts=doubts,
        witness=witness,
    )


def _add(totals: Ingested, more: Ingested) -> Ingested:
    return Ingested(
        name=totals.name,
        fetched=totals.fetched + more.fetched,
        stored=totals.stored + more.stored,
        rejected=totals.rejected + more.rejected,
        quarantined=totals.quarantined + more.quarantined,
    )


def wanted_opens(
    ledger: GapRecords, group: SeriesGroup, name: str, *, start: datetime, end: datetime, accepted: bool
) -> np.ndarray:
    """Open times in micros, ascending, of what is missing or stands in quarantine in a range."""
    parts = [
        expected_opens(
            group.timeframe, max(start, one.start), min(end, one.end), calendar=group.calendar, sessions=group.sessions
        )
        for one in ledger.load_holes([name], group.timeframe)
        if one.start < end and one.end > start and (accepted or one.state is HoleState.OPEN)
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


def measure_group(
    store: BarStore,
    ledger: GapRecords,
    group: SeriesGroup,
    *,
    now: datetime,
    since: datetime = EPOCH,
    follow: bool = False,
) -> list[SeriesCompleteness]:
    """Completeness of each series that has bars, from ``since`` or its listing on."""
    measured = []
    for name in group.names:
        beyond = _beyond(store, ledger, group, name, now, follow=follow)
        view = _view(store, ledger, group, name, since, beyond)
        done = measure_series(
            name,
            group.timeframe,
            view.opens,
            start=since,
            end=beyond,
            holes=ledger.load_holes([name], group.timeframe),
            history=[event.hole for event in ledger.load_hole_events(name, group.timeframe)],
            calendar=group.calendar,
            sessions=group.sessions,
        )
        measured += [done] if done else []
    return measured
