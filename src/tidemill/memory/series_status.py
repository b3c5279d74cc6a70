"""Marks of series in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tidemill.domain.series import SeriesStatus, StatusEvent
from tidemill.memory.storage_order import MemoryStorageOrder


class MemorySeriesStatus:
    """The marks of one process; ``order``: the order of storage of a market store that they are beside."""

    def __init__(self, order: MemoryStorageOrder | None = None) -> None:
        self._order = order or MemoryStorageOrder()
        self._events: list[StatusEvent] = []

    def close(self) -> None:
        """Nothing is open."""

    def record_status(self, mark: SeriesStatus, *, now: datetime) -> bool:
        """Append the mark; False when it equals the series' newest one, or is the first and no news.

        A storage time is taken only for a line that is appended.
        """
        newest = {event.mark.key: event.mark for event in self._events}.get(mark.key)
        if mark == newest or (newest is None and not mark.is_news):
            return False
        self._events.append(StatusEvent(mark=mark, stored_at=self._order.take(now)))
        return True

    def load_statuses(self, instruments: Sequence[str] | None = None) -> Sequence[SeriesStatus]:
        """The newest mark of each series, by (instrument, timeframe)."""
        newest = {event.mark.key: event.mark for event in self._events}
        return [mark for key, mark in sorted(newest.items()) if instruments is None or key[0] in instruments]

    def load_status_events(self, instrument: str, timeframe: str) -> Sequence[StatusEvent]:
        """Every mark of a series, oldest first."""
        return [event for event in self._events if event.mark.key == (instrument, timeframe)]
