"""Gaps found and judged with all series of a venue in view.

Whether a missing bar is the venue's outage, a time without trades or our own failure shows only beside the venue's
other instruments: so a group is looked at as one, and every series is a neighbour in the evidence of the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from tidemill.domain.gaps import Gap
from tidemill.domain.market import to_micros
from tidemill.domain.series import FOREVER
from tidemill.gap_repair.group import SeriesGroup
from tidemill.gap_repair.look import Look, SeriesView
from tidemill.gap_repair.summary import RepairSummary
from tidemill.ports import BarStore, GapRecords
from tidemill.quality import Evidence, Neighbour, expected_opens, find_gaps, find_missing, judge_cause, revise_gaps

TRADED_WITHIN = timedelta(days=7)
"""An instrument without a bar for longer than this proves nothing about its venue."""


def record_missing(
    store: BarStore,
    ledger: GapRecords,
    group: SeriesGroup,
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    repaired: Sequence[RepairSummary] = (),
    follow: bool = False,
) -> list[Gap]:
    """Find the gaps with ``start`` <= open time < ``end``, judge them and record what changed.

    Without ``start`` the look begins where the newest fetches did, with ``EPOCH`` at the listing. Without ``end`` each
    series is due up to its newest answered fetch; ``follow``: up to ``now``. ``repaired``: what a repair of the whole
    range has just brought; an instrument whose repair did not fail was asked for everything in it.

    Returns the gaps that are missing now, by series. Errors of the store pass through.
    """
    look = Look(store=store, ledger=ledger, group=group, now=now, follow=follow)
    standing = {name: ledger.load_gaps([name], group.timeframe) for name in group.names}
    begin = look.begin_after(start, (gap for gaps in standing.values() for gap in gaps))
    views = {name: look.view(name, begin, min(look.end_of(name), end or FOREVER)) for name in group.names}
    neighbours = {name: _as_neighbour(look, view) for name, view in views.items()}
    repairs = {summary.ingest.name: summary for summary in repaired if summary.ingest.timeframe == group.timeframe}
    missing: list[Gap] = []
    changes: list[Gap] = []
    for name, view in views.items():
        others = {other: neighbour for other, neighbour in neighbours.items() if other != name}
        repair = repairs.get(name)
        gaps = _find_gaps(look, view, others, None if repair is None else repair.reference_opens)
        earlier = _in_view(group, view, standing[name], end or FOREVER)
        changes += revise_gaps(
            earlier,
            gaps,
            asked_again=repair is not None and not repair.ingest.failure,
            stored=view.opens,
            not_due=[gap.start for gap in earlier if not group.is_due(name, gap.start)],
        )
        missing += gaps
    ledger.record_gaps(changes, now=now)
    return missing


def _find_gaps(
    look: Look, view: SeriesView, neighbours: Mapping[str, Neighbour], reference_opens: np.ndarray | None
) -> list[Gap]:
    """Gaps of one series from its listing on, each with its cause; none when no bar was ever due."""
    if view.listed_from is None:
        return []
    group, begin = look.group, max(view.begin, view.listed_from)
    expected = expected_opens(group.schedule, begin, view.end)
    missing = find_missing(expected, view.opens)
    if not len(missing):
        return []
    evidence = Evidence(
        now=look.now,
        stored=view.opens,
        listed_from=to_micros(view.listed_from),
        fetches=look.ledger.load_fetches(view.name, group.timeframe, since=begin),
        neighbours=neighbours,
        reference_opens=reference_opens,
        quarantined=view.quarantined,
        publish_delay=group.publish_delay,
    )
    causes = judge_cause(missing, group.timeframe, evidence)
    return find_gaps(view.name, group.timeframe, expected, missing, causes)


def _as_neighbour(look: Look, view: SeriesView) -> Neighbour:
    """A series as evidence for the others: it says something of its venue only while it was traded there."""
    if not len(view.opens) or view.listed_from is None:
        return Neighbour(opens=view.opens, listed_from=0, listed_until=0)
    newest = int(view.opens[-1])
    # that a traded instrument lacks its newest bars is evidence of an outage; that a dead one does is none
    is_traded = newest > to_micros(min(look.now, view.end) - TRADED_WITHIN)
    delisted = look.group.listing(view.name).end
    return Neighbour(
        opens=view.opens,
        listed_from=to_micros(view.listed_from),
        listed_until=to_micros(min(look.now, delisted)) if is_traded else newest + 1,
    )


def _in_view(group: SeriesGroup, view: SeriesView, standing: Sequence[Gap], end: datetime) -> list[Gap]:
    """The standing gaps of a series that this look may revise.

    Those that begin in the range that was looked at; and those behind the end of a listing that was learned later,
    which no look reaches any more because no bar is due there.
    """
    delisted = group.listing(view.name).end
    begun = [gap for gap in standing if view.begin <= gap.start]
    return [gap for gap in begun if gap.start < view.end or delisted <= gap.start < end]
