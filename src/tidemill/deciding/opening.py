"""Open a trading run: which decision it makes, and whether it may still be made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.deciding.steps import DecisionRules
from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time, require_utc
from tidemill.execution.planning import DecisionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingRun:
    """One run of ``trade``; ``late`` is set when a new decision at its as_of may no longer be made."""

    key: DecisionKey
    because: str
    late: str = ""


def open_run(
    rules: DecisionRules, *, as_of: datetime | None, attempt: int, because: str, now: datetime, max_lag_seconds: int
) -> TradingRun:
    """Fix the decision of a run that starts at market time ``now``.

    Without ``as_of`` the newest one already past is taken. DataError when it is off the grid, has not
    passed yet, or another attempt is asked for without a reason.
    """
    chosen = require_utc(as_of, "as_of") if as_of else rules.grid.newest_as_of(now)
    if chosen is None:
        raise DataError(f"no session has opened by {format_time(now)}; there is nothing to decide yet")
    rules.grid.point_of(chosen)
    if chosen > now:
        raise DataError(f"as_of {format_time(chosen)} has not passed; the market clock says {format_time(now)}")
    if attempt < 0 or (attempt > 0 and not because.strip()):
        raise DataError(f"attempt {attempt} needs a reason; give it as 'because'")
    lag = now - chosen
    late = ""
    if lag > timedelta(seconds=max_lag_seconds):
        late = f"as_of {format_time(chosen)} is {lag.total_seconds():.0f} s old; the most is {max_lag_seconds} s"
    return TradingRun(key=rules.key(chosen, attempt), because=because.strip(), late=late)
