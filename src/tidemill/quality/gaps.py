"""Bars expected and bars missing: where the gaps are, and the likeliest cause of each.

Open times are int64 microseconds here. Nothing is filled; a gap is told, judged and kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from tidemill.domain.gaps import MISSING_STATES, Cause, Fetch, Gap, GapState
from tidemill.domain.market import Calendar, format_time, from_micros, timeframe_seconds, to_micros

MICROS = 1_000_000


def expected_opens(
    timeframe: str, start: datetime, end: datetime, *, calendar: Calendar = "24x7", sessions: Sequence[datetime] = ()
) -> np.ndarray:
    """Open times t with ``start`` <= t < ``end`` that bars should have, ascending.

    24x7: every multiple of the timeframe since 1970; as-recorded: the sessions. The caller gives the
    listing period as the range.
    """
    low, high = to_micros(start), to_micros(end)
    if calendar == "as-recorded":
        opens = np.array([to_micros(one) for one in sessions], dtype=np.int64)
        return opens[(opens >= low) & (opens < high)]
    length = timeframe_seconds(timeframe) * MICROS
    return np.arange(-(-low // length) * length, high, length, dtype=np.int64)


def find_missing(expected: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """The expected open times at which nothing is stored, ascending."""
    missing: np.ndarray = expected[~np.isin(expected, stored)]
    return missing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbour:
    """Another instrument of the same venue: what it has, and from when on it can have had bars."""

    opens: np.ndarray
    listed_from: int
    listed_until: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What a cause is judged by.

    ``stored``: the series' own open times. ``listed_from``: where they begin, None: with
    the first. ``fetches``: ranges for which the source has answered.
    ``neighbours``: the venue's other instruments. ``witness``: open times at a second venue, None when
    it was not asked. ``quarantined``: open times whose bar was refused. ``publish_delay``: how long
    after its close the source may take to tell a bar.
    """

    now: datetime
    stored: np.ndarray
    listed_from: int | None = None
    fetches: Sequence[Fetch] = ()
    neighbours: Mapping[str, Neighbour] = field(default_factory=dict)
    witness: np.ndarray | None = None
    quarantined: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    publish_delay: timedelta = timedelta(0)


def judge_cause(missing: np.ndarray, timeframe: str, evidence: Evidence) -> list[tuple[Cause, str]]:
    """Cause and reason of each missing open time; the first that applies.

    Quarantined: its bar was refused. Not yet published: newer than the source's delay. Our outage: no
    answered fetch covers it. Venue outage: every other instrument listed then lacks it too (there is at
    least one). No trades: others have it, and bars stand before (or it was listed by then) and after. Else unknown.
    """
    length = timeframe_seconds(timeframe) * MICROS
    asked = _covered(missing, evidence.fetches)
    refused = np.isin(missing, evidence.quarantined)
    fresh = missing + length + evidence.publish_delay // timedelta(microseconds=1) > to_micros(evidence.now)
    listed, having = _count_neighbours(missing, evidence.neighbours)
    inside = _is_inside(missing, evidence)
    seen = None if evidence.witness is None else np.isin(missing, evidence.witness)
    causes: list[tuple[Cause, str]] = []
    for row in range(len(missing)):
        told = "" if seen is None else f"; the witness {'has' if seen[row] else 'lacks'} it"
        if refused[row]:
            causes.append((Cause.QUARANTINED, "its bar failed a check"))
        elif fresh[row]:
            causes.append((Cause.NOT_PUBLISHED, "newer than the source's delay"))
        elif not asked[row]:
            causes.append((Cause.OUR_OUTAGE, "nothing was fetched for it"))
        else:
            causes.append(_judge_asked(int(listed[row]), int(having[row]), bool(inside[row]), told))
    return causes


def _judge_asked(listed: int, having: int, inside: bool, told: str) -> tuple[Cause, str]:
    if listed and not having:
        return Cause.VENUE_OUTAGE, f"{_others(listed)} of the venue lack{'s' if listed == 1 else ''} it{told}"
    if having and inside:
        return Cause.NO_TRADES, f"{having} of {listed} other instruments have it, and bars stand around it{told}"
    alone = "no other instrument to compare with" if not listed else "others have it, but no bar follows or precedes"
    return Cause.UNKNOWN, alone + told


def _others(listed: int) -> str:
    return "the one other instrument" if listed == 1 else f"all {listed} other instruments"


def _covered(missing: np.ndarray, fetches: Sequence[Fetch]) -> np.ndarray:
    asked = np.zeros(len(missing), dtype=bool)
    for one in fetches:
        asked |= (missing >= to_micros(one.start)) & (missing < to_micros(one.end))
    return asked


def _count_neighbours(missing: np.ndarray, neighbours: Mapping[str, Neighbour]) -> tuple[np.ndarray, np.ndarray]:
    """For each open time: neighbours listed then, and those of them that have a bar."""
    listed, having = np.zeros(len(missing), dtype=np.int64), np.zeros(len(missing), dtype=np.int64)
    for one in neighbours.values():
        then = (missing >= one.listed_from) & (missing < one.listed_until)
        listed += then
        having += then & np.isin(missing, one.opens)
    return listed, having


def _is_inside(missing: np.ndarray, evidence: Evidence) -> np.ndarray:
    stored = evidence.stored
    if not len(stored):
        return np.zeros(len(missing), dtype=bool)
    begun = missing > stored.min()
    if evidence.listed_from is not None:
        begun |= missing >= evidence.listed_from
    inside: np.ndarray = begun & (missing < stored.max())
    return inside


def find_gaps(
    instrument: str, timeframe: str, expected: np.ndarray, missing: np.ndarray, causes: Sequence[tuple[Cause, str]]
) -> list[Gap]:
    """Missing open times side by side (by the calendar of ``expected``) with one cause, as gaps."""
    if not len(missing):
        return []
    length = timeframe_seconds(timeframe) * MICROS
    places = np.searchsorted(expected, missing)
    cut = [0]
    cut += [
        row for row in range(1, len(missing)) if places[row] != places[row - 1] + 1 or causes[row] != causes[row - 1]
    ]
    cut.append(len(missing))
    return [
        Gap(
            instrument=instrument,
            timeframe=timeframe,
            start=from_micros(int(missing[first])),
            end=from_micros(int(missing[beyond - 1]) + length),
            missing=beyond - first,
            cause=causes[first][0],
            why=causes[first][1],
        )
        for first, beyond in pairwise(cut)
    ]


def revise_gaps(
    known: Sequence[Gap],
    found: Sequence[Gap],
    *,
    asked_again: bool,
    stored: np.ndarray,
    not_due: Collection[datetime] = (),
) -> list[Gap]:
    """The lines that a look at a range adds to the history.

    ``known``: gaps of the range told as missing before; ``found``: those seen now. A gap no longer seen
    is merged when another now covers its start, repaired when a bar is ``stored`` there, withdrawn when its start is
    ``not_due`` any more; else it stays as it was told, with what is seen inside it. With ``asked_again`` (a repair
    found nothing more) an outage of the venue or a time without trades is accepted; what was accepted stays so while
    nothing about it changes.
    """
    before = {one.key: one for one in known}
    now = {one.key: one for one in found}
    gone = [_closed(one, found, stored, not_due) for key, one in before.items() if key not in now]
    stays = [one for one in gone if before[one.key] == one]
    new = [one for one in found if not any(told.start < one.start < told.end for told in stays)]
    lines = [_settled(one, before.get(one.key), asked_again=asked_again) for one in new]
    return [one for one in lines + gone if before.get(one.key) != one]


def _settled(gap: Gap, before: Gap | None, *, asked_again: bool) -> Gap:
    kept = before is not None and before.state is GapState.ACCEPTED and _same(before, gap)
    final = gap.cause in {Cause.VENUE_OUTAGE, Cause.NO_TRADES}
    if kept and before is not None and not asked_again:
        return before
    # what is seen for the first time was not asked for by the repair
    settled = final and before is not None and (asked_again or kept)
    return _with(gap, GapState.ACCEPTED, gap.why) if settled else gap


def _same(one: Gap, other: Gap) -> bool:
    return (one.start, one.end, one.missing, one.cause) == (other.start, other.end, other.missing, other.cause)


def _closed(gap: Gap, found: Sequence[Gap], stored: np.ndarray, not_due: Collection[datetime]) -> Gap:
    for one in found:
        if one.instrument == gap.instrument and one.timeframe == gap.timeframe and one.start < gap.start < one.end:
            return _with(gap, GapState.MERGED, f"told by the hole from {format_time(one.start)}")
    if to_micros(gap.start) in stored:
        return _with(gap, GapState.REPAIRED, "its first bars are stored")
    return _with(gap, GapState.WITHDRAWN, "no bar was due then") if gap.start in not_due else gap


def _with(gap: Gap, state: GapState, why: str) -> Gap:
    return Gap(
        instrument=gap.instrument,
        timeframe=gap.timeframe,
        start=gap.start,
        end=gap.end,
        missing=gap.missing,
        cause=gap.cause,
        state=state,
        why=why,
    )


def is_missing(gap: Gap) -> bool:
    """Whether the bars of the gap are missing still."""
    return gap.state in MISSING_STATES
