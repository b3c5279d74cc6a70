"""Bars expected and bars missing: where the gaps are, and the likeliest cause of each.

Open times are int64 microseconds here. Nothing is filled; a gap is told, judged and kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from tidemill.domain.gaps import MISSING_STATES, Cause, Fetch, Gap, GapState
from tidemill.domain.market import MICROSECOND, BarSchedule, format_time, from_micros, timeframe_seconds, to_micros
from tidemill.ports.frames import MICROS_PER_SECOND


def expected_opens(schedule: BarSchedule, start: datetime, end: datetime) -> np.ndarray:
    """Open times t with ``start`` <= t < ``end`` that bars should have, ascending int64 micros.

    The caller gives the listing period as the range.
    """
    low, high = to_micros(start), to_micros(end)
    if schedule.calendar == "as-recorded":
        opens = np.array([to_micros(session) for session in schedule.sessions], dtype=np.int64)
        return opens[(opens >= low) & (opens < high)]
    length = timeframe_seconds(schedule.timeframe) * MICROS_PER_SECOND
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

    ``stored``: the series' own open times. ``listed_from``: where they begin, None: with the first. ``fetches``: ranges
    for which the source has answered. ``neighbours``: the venue's other instruments. ``reference_opens``: open times
    at the reference source, None when it was not asked. ``quarantined``: open times whose bar was refused.
    ``publish_delay``: how long after its close the source may take to publish a bar.
    """

    now: datetime
    stored: np.ndarray
    listed_from: int | None = None
    fetches: Sequence[Fetch] = ()
    neighbours: Mapping[str, Neighbour] = field(default_factory=dict)
    reference_opens: np.ndarray | None = None
    quarantined: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    publish_delay: timedelta = timedelta(0)


def judge_cause(missing: np.ndarray, timeframe: str, evidence: Evidence) -> list[tuple[Cause, str]]:
    """Cause and reason of each missing open time; the first that applies.

    Quarantined: its bar was refused. Not yet published: newer than the source's delay. Our outage: no
    answered fetch covers it. Venue outage: every other instrument listed then lacks it too (there is at
    least one). No trades: others have it, and bars stand before (or it was listed by then) and after. Else unknown.
    """
    length = timeframe_seconds(timeframe) * MICROS_PER_SECOND
    answered = _covered(missing, evidence.fetches)
    refused = np.isin(missing, evidence.quarantined)
    fresh = missing + length + evidence.publish_delay // MICROSECOND > to_micros(evidence.now)
    listed, having = _count_neighbours(missing, evidence.neighbours)
    inside = _is_inside(missing, evidence)
    notes = _reference_notes(missing, evidence.reference_opens)
    causes: list[tuple[Cause, str]] = []
    # the order matters: what we know for certain of a bar comes before what its neighbours let us suppose
    for row in range(len(missing)):
        if refused[row]:
            causes.append((Cause.QUARANTINED, "its bar failed a check"))
        elif fresh[row]:
            causes.append((Cause.NOT_PUBLISHED, "newer than the source's delay"))
        elif not answered[row]:
            causes.append((Cause.OUR_OUTAGE, "nothing was fetched for it"))
        else:
            cause, why = _judge_asked(int(listed[row]), int(having[row]), bool(inside[row]))
            causes.append((cause, why + notes[row]))
    return causes


def _reference_notes(missing: np.ndarray, reference_opens: np.ndarray | None) -> list[str]:
    """What the reference source says of each open time, as the end of a reason; nothing when it was not asked."""
    if reference_opens is None:
        return [""] * len(missing)
    return [f"; the witness {'has' if there else 'lacks'} it" for there in np.isin(missing, reference_opens)]


def _judge_asked(listed: int, having: int, inside: bool) -> tuple[Cause, str]:
    """Cause of a bar that the source was asked for and does not have, by ``having`` of ``listed`` neighbours."""
    if listed and not having:
        return Cause.VENUE_OUTAGE, f"{_others(listed)} of the venue lack{'s' if listed == 1 else ''} it"
    if having and inside:
        return Cause.NO_TRADES, f"{having} of {listed} other instruments have it, and bars stand around it"
    return Cause.UNKNOWN, (
        "no other instrument to compare with" if not listed else "others have it, but no bar follows or precedes"
    )


def _others(listed: int) -> str:
    return "the one other instrument" if listed == 1 else f"all {listed} other instruments"


def _covered(missing: np.ndarray, fetches: Sequence[Fetch]) -> np.ndarray:
    answered = np.zeros(len(missing), dtype=bool)
    for fetch in fetches:
        answered |= (missing >= to_micros(fetch.start)) & (missing < to_micros(fetch.end))
    return answered


def _count_neighbours(missing: np.ndarray, neighbours: Mapping[str, Neighbour]) -> tuple[np.ndarray, np.ndarray]:
    """For each open time: neighbours listed then, and those of them that have a bar."""
    listed, having = np.zeros(len(missing), dtype=np.int64), np.zeros(len(missing), dtype=np.int64)
    for neighbour in neighbours.values():
        then = (missing >= neighbour.listed_from) & (missing < neighbour.listed_until)
        listed += then
        having += then & np.isin(missing, neighbour.opens)
    return listed, having


def _is_inside(missing: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Which open times have a bar (or the listing) before them and a bar after them."""
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
    length = timeframe_seconds(timeframe) * MICROS_PER_SECOND
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
    standing: Sequence[Gap],
    current: Sequence[Gap],
    *,
    asked_again: bool,
    stored: np.ndarray,
    not_due: Collection[datetime] = (),
) -> list[Gap]:
    """The lines that a look at a range adds to the history.

    ``standing``: gaps of the range that the ledger holds as missing; ``current``: those that the look finds. A standing
    gap that is not found again is merged when a current one covers its start, repaired when a bar is ``stored`` there
    (open times in micros), withdrawn when its start is ``not_due`` any more; else it stays as it is, with whatever is
    found inside it. With ``asked_again`` (a repair got nothing more) an outage of the venue or a time without trades
    is accepted; what was accepted stays so while nothing about it changes.
    """
    before = {gap.key: gap for gap in standing}
    keys = {gap.key for gap in current}
    closed = [_close(gap, current, stored, not_due) for key, gap in before.items() if key not in keys]
    # a gap that could not be closed still tells of its whole range; a second line for a part would count bars twice
    unclosed = [gap for gap in closed if before[gap.key] == gap]
    beside = [gap for gap in current if not any(whole.start < gap.start < whole.end for whole in unclosed)]
    judged = [_judge_state(gap, before.get(gap.key), asked_again=asked_again) for gap in beside]
    return [gap for gap in judged + closed if before.get(gap.key) != gap]


def _judge_state(gap: Gap, before: Gap | None, *, asked_again: bool) -> Gap:
    """A gap as it is recorded now, open or accepted; ``before``: its newest line, None when it is new."""
    if before is None:  # a repair cannot have asked for what no look had found
        return gap
    was_accepted = before.state is GapState.ACCEPTED and _is_same(before, gap)
    if was_accepted and not asked_again:
        return before
    is_final = gap.cause in {Cause.VENUE_OUTAGE, Cause.NO_TRADES}
    return replace(gap, state=GapState.ACCEPTED) if is_final and (asked_again or was_accepted) else gap


def _is_same(gap: Gap, other: Gap) -> bool:
    return (gap.start, gap.end, gap.missing, gap.cause) == (other.start, other.end, other.missing, other.cause)


def _close(gap: Gap, current: Sequence[Gap], stored: np.ndarray, not_due: Collection[datetime]) -> Gap:
    """A gap that is not found again, with what became of it; unchanged when nothing shows that."""
    for other in current:
        if other.key[:2] == gap.key[:2] and other.start < gap.start < other.end:
            return replace(gap, state=GapState.MERGED, why=f"told by the hole from {format_time(other.start)}")
    if to_micros(gap.start) in stored:
        return replace(gap, state=GapState.REPAIRED, why="its first bars are stored")
    return replace(gap, state=GapState.WITHDRAWN, why="no bar was due then") if gap.start in not_due else gap


def is_missing(gap: Gap) -> bool:
    """Whether the bars of the gap are missing still."""
    return gap.state in MISSING_STATES
