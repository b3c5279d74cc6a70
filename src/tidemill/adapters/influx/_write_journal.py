"""What a server is told of the writes that are under way or broke off, in the measurement ``unfinished``.

A request may arrive long after whoever sent it has given it up or died, and what is late must not hide a write that was
finished. So the one slot has two fields, the storage time that was begun last and the one that was done: storage
times only grow, a write is under way while what was begun lies after what was done, and to hear of an older one once
more says nothing of a newer one that was finished. A write that broke off is told at its own storage time as well, for
good, before the slot is used again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tidemill.adapters.influx.wire import Answer, PointQuery
from tidemill.domain.market import to_micros

FOREVER = to_micros(datetime.fromisoformat("2200-01-01T00:00:00+00:00"))
# the slot's time: one that no retention reaches
UNDER_WAY = to_micros(datetime.fromisoformat("2100-01-01T00:00:00+00:00"))
STATE_QUERY = PointQuery(tags={}, columns=("stored_at", "done"), start=0, end=FOREVER, measurement="unfinished")
# what doctor writes to see that it may: nothing, beside the slot
PROBE = f"unfinished stored_at=0i {UNDER_WAY + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteState:
    """Storage times: of writes that broke off, and of what was begun and done last; 0 is none."""

    broken: tuple[int, ...] = ()
    begun: int = 0
    done: int = 0

    @classmethod
    def of(cls, rows: Answer) -> WriteState:
        """What the answer to ``STATE_QUERY`` says."""
        by_time = {int(row["time"]): row for row in rows}
        slot = by_time.pop(UNDER_WAY, {})
        broken = {_number(row.get("stored_at")) for row in by_time.values()} - {0}
        return cls(broken=tuple(sorted(broken)), begun=_number(slot.get("stored_at")), done=_number(slot.get("done")))

    @property
    def unread(self) -> tuple[int, ...]:
        """Storage times whose points nobody may read."""
        return (*self.broken, self.begun) if self.begun > self.done else self.broken

    @property
    def newest(self) -> int:
        """The newest storage time that was ever begun; the next one must lie after it."""
        return max(*self.broken, self.begun, self.done, 0)

    def lost(self, watermark: int) -> int:
        """To be asked alone among writers: the write in the slot, if it broke off before the watermark moved to it."""
        return self.begun if self.begun > min(self.done, watermark) and self.begun not in self.broken else 0


def broken_line(stored: int) -> str:
    """That a write broke off."""
    return f"unfinished stored_at={stored}i {stored}"


def begun_line(stored: int) -> str:
    """That a write begins."""
    return f"unfinished stored_at={stored}i {UNDER_WAY}"


def done_line(stored: int) -> str:
    """That the last point of a write is there."""
    return f"unfinished stored_at={stored}i,done={stored}i {UNDER_WAY}"


def _number(text: str | None) -> int:
    return int(text) if text and text != "None" else 0
