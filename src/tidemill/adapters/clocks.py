"""Clocks: the wall's, a fixed one that a caller moves, and the wall's minus an offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tidemill.domain.market import require_utc


class WallClock:
    """The machine's clock in UTC."""

    def now(self) -> datetime:
        """The moment, aware UTC."""
        return datetime.now(UTC)


class ShiftedClock:
    """The machine's clock minus a fixed offset, as ``up`` on a recording needs it."""

    def __init__(self, offset: timedelta) -> None:
        self._offset = offset

    def now(self) -> datetime:
        """Wall time minus the offset."""
        return datetime.now(UTC) - self._offset


class ManualClock:
    """A clock that stands until it is moved; never backwards."""

    def __init__(self, start: datetime) -> None:
        self._now = require_utc(start, "start")

    def now(self) -> datetime:
        """Where it was last moved to."""
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Move forward; an earlier moment leaves the clock where it is."""
        self._now = max(self._now, require_utc(moment, "moment"))
