"""The one order of storage that the in-memory stores of a process share."""

from __future__ import annotations

from datetime import datetime

from tidemill.domain.market import to_micros


class MemoryStorageOrder:
    """Storage times that only rise: whatever is written, is stored after all that was before.

    ``stored`` is the newest storage time in microseconds.
    """

    def __init__(self) -> None:
        self.stored = 0

    def following(self, now: datetime) -> int:
        """The next storage time, not taken yet.

        ``now``, or one microsecond after the newest where the clock has not moved on. Asking twice gives the same
        time.
        """
        return max(to_micros(now), self.stored + 1)

    def take(self, now: datetime) -> int:
        """The next storage time, and the watermark there.

        Two calls never give the same time, even at one ``now``.
        """
        self.stored = self.following(now)
        return self.stored
