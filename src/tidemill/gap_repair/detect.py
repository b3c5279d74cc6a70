"""Gaps looked for and judged with all series of a venue in view, and what is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.gaps import Cause, Gap
from tidemill.domain.market import EPOCH, to_micros
from tidemill.domain.series import FOREVER
from tidemill.gap_repair.group import SeriesGroup
from tidemill.ports import BarStore, GapRecords
from tidemill.quality import (
    Evidence,
    Neighbour,
    SeriesCompleteness,
    expected_opens,
    find_gaps,
    find_missing,
    honour_quarantine,
    judge_cause,
    measure_series,
    revise_gaps,
)

# Without a fetch in this time the look begins here.
LOOK_BACK = timedelta(days=2)
# An instrument without a bar for longer than this proves nothing about its venue.
LISTED_FOR = timedelta(days=7)
MARGIN_BARS = 5
MICRO = timedelta(microseconds=1)


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
) -> list[Gap]:
    """Look for gaps with ``start`` <= open time < ``end``, judge them and record what changed; those missing now.

    Without ``start`` the look begins where the newest fetches did, with ``EPOCH`` at the listing. Without
    ``end`` each series is expected up to its newest answered fetch; ``follow``: up to ``now``.
    ``asked``: instruments for which a repair has just asked for everything in the range.
    """
    known = {name: ledger.load_gaps([name], group.timeframe) for name in group.names}
    begin = _begin(ledger, group, known, start, now)
    told = {name: _beyond(store, ledger, group, name, now, follow=follow) for name in group.names}
    beyond = {name: min(end, last) if end else last for name, last in told.items()}
    views = {name: _view(store, ledger, group, name, begin, beyond[name]) for name in group.names}
    missing: list[Gap] = []
    lines: list[Gap] = []
    for name, view in views.items():
        others = {other: _as_neighbour(one, group, now) for other, one in views.items() if other != name}
        found = _judge(ledger, group, view, others, now=now, witness=(witness or {}).get(name))
        before = _told_before(group, view, known[name], end or FOREVER)
        not_due = [one.start for one in before if not group.is_due(name, one.start)]
        lines += revise_gaps(before, found, asked_again=name in asked, stored=view.opens, not_due=not_due)
        missing += found
    ledger.record_gaps(lines, now=now)
    return missing


def _begin(
    ledger: GapRecords,
    group: SeriesGroup,
    known: Mapping[str, Sequence[Gap]],
    start: datetime | None,
    now: datetime,
) -> datetime:
    """Where the look begins: as asked, widened to gaps that reach into it or wait for their bars."""
    begin = start
    if begin is None:
        newest = [ledger.load_fetches(name, group.timeframe, since=now - LOOK_BACK)[-1:] for name in group.names]
        begin = min((some[0].start for some in newest if some), default=now - LOOK_BACK)
    for one in (gap for gaps in known.values() for gap in gaps):
        waits = start is None and one.cause is Cause.NOT_PUBLISHED
        if waits or one.start < begin < one.end:
            begin = min(begin, one.start)
    return begin


def _beyond(
    store: BarStore, ledger: GapRecords, group: SeriesGroup, name: str, now: datetime, *, follow: bool
) -> datetime:
    """The first open time that is not expected: its bar cannot have been told, or the instrument is listed no more."""
    until = group.listing(name).end
    if follow:
        return min(until, now - group.length + MICRO)
    newest = store.latest_open(name, group.timeframe)
    ends = [one.end for one in ledger.load_fetches(name, group.timeframe, since=now - LOOK_BACK)]
    told = max(ends, default=EPOCH)
    return min(until, max(told, newest + MICRO) if newest else told)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    """The bars of one series in a range: open times in micros, without those in quarantine.

    ``listed``: where its bars begin, None when that is not known.
    """

    name: str
    begin: datetime
    beyond: datetime
    opens: np.ndarray
    listed: datetime | None = None
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
    listed = _listed_from(ledger, group, name, opens, begin)
    return _View(name=name, begin=begin, beyond=beyond, opens=opens, listed=listed, refused=times)


def _listed_from(
    ledger: GapRecords, group: SeriesGroup, name: str, opens: np.ndarray, begin: datetime
) -> datetime | None:
    """Where the bars of a series begin: with its listing, but not before anything was asked for; else with the first.

    What nobody asked for is no gap; and bars that are there prove a listing wrong that is told to begin after them.
    """
    told = group.listing(name).start
    first = EPOCH + int(opens[0]) * MICRO if len(opens) else None
    if told == EPOCH or (first is not None and first <= max(told, begin)):
        return first
    asked = min((one.start for one in ledger.load_fetches(name, group.timeframe)), default=None)
    return first if asked is None else min(max(told, asked), first or FOREVER)


def _load_opens(
    store: BarStore, group: SeriesGroup, name: str, refused: pd.DataFrame, start: datetime, end: datetime
) -> np.ndarray:
    end = max(start, end)
    if not len(refused):
        return store.coverage(name, group.timeframe, start, end)
    kept = honour_quarantine(store.read_bars([name], group.timeframe, start, end), refused)
    opens: np.ndarray = kept["open_time"].to_numpy("datetime64[us]").astype(np.int64)
    return opens


def _as_neighbour(view: _View, group: SeriesGroup, now: datetime) -> Neighbour:
    if not len(view.opens) or view.listed is None:
        return Neighbour(opens=view.opens, listed_from=0, listed_until=0)
    newest = int(view.opens[-1])
    recent = newest > to_micros(min(now, view.beyond) - LISTED_FOR)
    return Neighbour(
        opens=view.opens,
        listed_from=to_micros(view.listed),
        listed_until=to_micros(min(now, group.listing(view.name).end)) if recent else newest + 1,
    )


def _judge(
    ledger: GapRecords,
    group: SeriesGroup,
    view: _View,
    others: Mapping[str, Neighbour],
    *,
    now: datetime,
    witness: np.ndarray | None,
) -> list[Gap]:
    """Gaps of one series from its listing on."""
    if view.listed is None:
        return []
    listed = max(view.begin, view.listed)
    expected = expected_opens(group.timeframe, listed, view.beyond, calendar=group.calendar, sessions=group.sessions)
    missing = find_missing(expected, view.opens)
    if not len(missing):
        return []
    evidence = Evidence(
        now=now,
        stored=view.opens,
        listed_from=to_micros(view.listed),
        fetches=ledger.load_fetches(view.name, group.timeframe, since=listed),
        neighbours=others,
        witness=witness,
        quarantined=view.refused,
        publish_delay=group.publish_delay,
    )
    causes = judge_cause(missing, group.timeframe, evidence)
    return find_gaps(view.name, group.timeframe, expected, missing, causes)


def _told_before(group: SeriesGroup, view: _View, known: Sequence[Gap], end: datetime) -> list[Gap]:
    """Gaps told of a series before, of the range that was looked at or behind the end of its listing."""
    delisted = group.listing(view.name).end
    begun = [one for one in known if view.begin <= one.start]
    return [one for one in begun if one.start < view.beyond or delisted <= one.start < end]


def measure_group(
    store: BarStore,
    ledger: GapRecords,
    group: SeriesGroup,
    *,
    now: datetime,
    since: datetime = EPOCH,
    follow: bool = False,
) -> list[SeriesCompleteness]:
    """Completeness of each series that has or should have bars, from ``since`` or its listing on."""
    measured = []
    for name in group.names:
        beyond = _beyond(store, ledger, group, name, now, follow=follow)
        view = _view(store, ledger, group, name, since, beyond)
        done = measure_series(
            name,
            group.timeframe,
            view.opens,
            listed=view.listed,
            start=since,
            end=beyond,
            gaps=ledger.load_gaps([name], group.timeframe),
            history=[event.gap for event in ledger.load_gap_events(name, group.timeframe)],
            calendar=group.calendar,
            sessions=group.sessions,
        )
        measured += [done] if done else []
    return measured
