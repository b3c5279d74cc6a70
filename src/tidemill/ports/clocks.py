"""Time, and waiting.

A backtest, a replay and a live run differ in the clock and the sleep that they are handed, and so no stage asks
the machine for the time or waits on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """Tells the time; the only way to it below a flow.

    A market clock follows the data and may stand still; a wall clock signs requests and holds leases. Which one a
    parameter takes is said where it is taken.
    """

    def now(self) -> datetime:
        """The moment, aware UTC.

        Two calls may return the same moment. A clock on the wall may also step back when the machine's time is set, so
        callers that need an order take it from storage, not from here.
        """
        ...


@runtime_checkable
class TimeSource(Protocol):
    """A source that tells its own clock.

    Checked with ``isinstance``, since only some sources can be asked. It serves to find out that our own clock is off.
    """

    def fetch_time(self) -> datetime:
        """The venue's time, aware UTC.

        TransientError when the source cannot be reached.
        """
        ...


Sleep = Callable[[float], None]
