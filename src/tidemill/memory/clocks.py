"""A clock that a caller moves."""

from __future__ import annotations

from datetime import datetime

from tidemill.domain.market import require_utc


class ManualClock:
    """A clock that stands until it is moved; never backwards.

    It starts at ``start``, which needs a zone; DataError without one.
    """

    def __init__(self, start: datetime) -> None:
        self._now = require_utc(start, "start")

    def now(self) -> datetime:
        """Where it was last moved to."""
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Move forward; an earlier moment leaves the clock where it is.

        DataError for a moment without zone.
        """
        self._now = max(self._now, require_utc(moment, "moment"))
