"""How many requests all processes together may send to a venue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.domain.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRule:
    """The pace of one venue, in units of cost (what one request costs is the venue's to say).

    ``per_second``: the pace in the long run. ``burst``: units that may be spent at once after a pause.
    ``block_seconds``: how long a block is that one process leases; what a dead process leased is lost with its
    block and no longer. ``grace_seconds``: how late a unit may still be spent after its moment.
    """

    per_second: float
    burst: float = 1.0
    block_seconds: float = 1.0
    grace_seconds: float = 1.0

    def __post_init__(self) -> None:
        for name in ("per_second", "burst", "block_seconds"):
            if not getattr(self, name) > 0:
                raise DataError(f"{name} of a budget must be > 0, not {getattr(self, name)!r}")
        if self.grace_seconds < 0:
            raise DataError(f"grace_seconds of a budget must be >= 0, not {self.grace_seconds!r}")

    @property
    def unit(self) -> timedelta:
        """Time that one unit takes."""
        return timedelta(seconds=1 / self.per_second)

    @property
    def block_units(self) -> float:
        """Units of one block.

        At least one, or a slow venue's block could not hold a single request.
        """
        return max(1.0, self.per_second * self.block_seconds)

    @property
    def tolerance(self) -> timedelta:
        """How far behind the clock the line of moments may begin after a pause.

        It is the time in which a whole burst accrues, as in the generic cell rate algorithm (GCRA).
        """
        return timedelta(seconds=self.burst / self.per_second)

    def most_in(self, seconds: float) -> float:
        """The most units that can be spent in any window of that length, whatever the processes do.

        The units whose moments lie in the window or up to the grace before it, those saved up by a pause, and
        the unit that is cut by its edge.
        """
        return (seconds + self.grace_seconds) * self.per_second + self.burst + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Units leased to one owner: the k-th may be spent from ``start`` + k units' time on."""

    start: datetime
    units: float
    owner: str
