"""Time, and waiting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """Tells the time; the only way to it below a flow."""

    def now(self) -> datetime:
        """The moment, aware UTC."""
        ...


@runtime_checkable
class TimeSource(Protocol):
    """A source that tells its own clock."""

    def fetch_time(self) -> datetime:
        """The venue's time, aware UTC."""
        ...


Sleep = Callable[[float], None]
