"""What a look at a group of series reads: where it begins, where it ends, and the bars of each series between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.domain.gaps import Cause, Fetch, Gap
from tidemill.domain.market import EPOCH, MICROSECOND, to_micros
from tidemill.domain.series import FOREVER
from tidemill.gap_repair.group import SeriesGroup
from tidemill.ports import BarStore, GapRecords
from tidemill.ports.frames import micros
from tidemill.quality import honour_quarantine

FETCH_WINDOW = timedelta(days=2)
"""How old an answered fetch may be and still say where a look begins; without one it begins so long ago."""
MARGIN_BARS = 5
"""Bars read before the range: a cause depends on whether a bar stands before the missing ones."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesView:
    """One series in the range [begin, end) of open times.

    ``opens``: open times of its bars, ascending int64 micros, from a margin before ``begin`` on and without those in
    quarantine. ``quarantined``: open times of those. ``listed_from``: the first open time at which a bar was due,
    None when neither a bar nor the venue tells.
    """

    name: str
    begin: datetime
    end: datetime
    opens: np.ndarray
    listed_from: datetime | None = None
    quarantined: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the series of a group, at the moment ``now``.

    ``follow``: bars are due up to ``now``; else each series is due up to its newest answered fetch only, so that a
    look between two ingests does not call missing what nobody has asked for yet.
    """

    store: BarStore
    ledger: GapRecords
    group: SeriesGroup
    now: datetime
    follow: bool = False

    def begin_after(self, start: datetime | None, standing: Iterable[Gap]) -> datetime:
        """Where the look begins: at ``start``, else at the newest fetches; earlier where a standing gap needs it.

        A gap that reaches over the beginning is looked at whole, for its line in the ledger tells all of it. A gap
        that waited for the source to publish is looked at again by every look that chooses its own beginning.
        """
        begin = self._newest_fetches() if start is None else start
        for gap in standing:
            waits = start is None and gap.cause is Cause.NOT_PUBLISHED
            if waits or gap.start < begin < gap.end:
                begin = min(begin, gap.start)
        return begin

    def end_of(self, name: str) -> datetime:
        """The first open time at which no bar of a series is due: it has not closed, or the listing has ended.

        Exclusive. Bars that a stream stored count as answered, up to the newest of them.
        """
        delisted = self.group.listing(name).end
        if self.follow:
            return min(delisted, self.now - self.group.length + MICROSECOND)
        answered = max((fetch.end for fetch in self._recent_fetches(name)), default=EPOCH)
        newest = self.store.latest_open(name, self.group.timeframe)
        # a stream stores bars that no fetch has covered
        return min(delisted, max(answered, newest + MICROSECOND) if newest else answered)

    def view(self, name: str, begin: datetime, end: datetime) -> SeriesView:
        """The bars of one series with ``begin`` <= open time < ``end``, and what says since when they were due.

        Bars in quarantine count as absent. The whole history is read only where the margin before ``begin`` holds no
        bar.
        """
        quarantine = self.ledger.read_quarantine([name], self.group.timeframe)
        margin = max(EPOCH, begin - MARGIN_BARS * self.group.length)
        opens = self._load_opens(name, quarantine, margin, end)
        if begin > EPOCH and (not len(opens) or opens[0] >= to_micros(begin)):
            # nothing right before the range: only the whole history tells whether the series was listed by then
            opens = self._load_opens(name, quarantine, EPOCH, end)
        return SeriesView(
            name=name,
            begin=begin,
            end=end,
            opens=opens,
            listed_from=self._listed_from(name, opens, begin),
            quarantined=micros(quarantine["open_time"].dropna()),
        )

    def _newest_fetches(self) -> datetime:
        newest = (self._recent_fetches(name)[-1:] for name in self.group.names)
        return min((fetches[0].start for fetches in newest if fetches), default=self.now - FETCH_WINDOW)

    def _recent_fetches(self, name: str) -> Sequence[Fetch]:
        return self.ledger.load_fetches(name, self.group.timeframe, since=self.now - FETCH_WINDOW)

    def _load_opens(self, name: str, quarantine: pd.DataFrame, start: datetime, end: datetime) -> np.ndarray:
        end = max(start, end)
        if not len(quarantine):
            return self.store.coverage(name, self.group.timeframe, start, end)
        # a bar stored before it was refused is told by its content, which coverage does not read
        bars = self.store.read_bars([name], self.group.timeframe, start, end)
        return micros(honour_quarantine(bars, quarantine)["open_time"])

    def _listed_from(self, name: str, opens: np.ndarray, begin: datetime) -> datetime | None:
        """Where bars of a series begin: with its listing, but not before anything was asked for; else with the first.

        What nobody asked for is no gap; and stored bars prove a listing wrong that is said to begin after them.
        """
        listing = self.group.listing(name).start
        first = EPOCH + int(opens[0]) * MICROSECOND if len(opens) else None
        if listing == EPOCH or (first is not None and first <= max(listing, begin)):
            return first
        fetches = self.ledger.load_fetches(name, self.group.timeframe)
        first_asked = min((fetch.start for fetch in fetches), default=None)
        return first if first_asked is None else min(max(listing, first_asked), first or FOREVER)
