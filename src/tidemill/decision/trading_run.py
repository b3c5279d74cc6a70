"""Open a trading run: which decision it makes, and whether it may still be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.decision.market import MarketView
from tidemill.decision.rules import DecisionRules
from tidemill.domain.errors import DataError
from tidemill.domain.market import DecisionGrid, format_time, require_utc
from tidemill.domain.trading import Decision, LedgerOrder
from tidemill.execution.order_plan import DecisionKey

VENUE_DOWN = "venue down"


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

    Without ``as_of`` the newest one already past is taken. One that will pass within the decision delay
    may be opened (bars are announced a little before it): the flow waits. DataError when it is off the
    grid, further ahead, or another attempt is asked for without a reason.
    """
    decided_as_of = require_utc(as_of, "as_of") if as_of else rules.grid.newest_as_of(now)
    if decided_as_of is None:
        raise DataError(f"no session has opened by {format_time(now)}; there is nothing to decide yet")
    rules.grid.point_of(decided_as_of)
    if decided_as_of > now + rules.grid.delay:
        raise DataError(f"as_of {format_time(decided_as_of)} has not passed; the market clock says {format_time(now)}")
    if attempt < 0 or (attempt > 0 and not because.strip()):
        raise DataError(f"attempt {attempt} needs a reason; give it as 'because'")
    lag = now - decided_as_of
    late = ""
    if lag > timedelta(seconds=max_lag_seconds):
        late = f"as_of {format_time(decided_as_of)} is {lag.total_seconds():.0f} s old; the most is {max_lag_seconds} s"
    return TradingRun(key=rules.key(decided_as_of, attempt), because=because.strip(), late=late)


def why_refused(
    market: MarketView, unresolved: Sequence[LedgerOrder], differences: Sequence[str], stopped: Mapping[str, str]
) -> str:
    """The first reason, if any, that forbids a decision: stop, order in doubt, difference, stale data.

    ``stopped`` maps scopes to reasons; a scope with a dot is an instrument, which stops itself alone. The order is
    that of harm: what a person stopped comes before what is only not known.
    """
    if "*" in stopped:
        return f"halted: {stopped['*']}"
    whole = [scope for scope in stopped if "." not in scope]
    if whole:
        return f"account {whole[0]} is frozen: {stopped[whole[0]]}"
    if unresolved:
        return f"order {unresolved[0].intent.intent_id} is still in doubt"
    if differences:
        return f"ledger and venue differ: {differences[0]}"
    return market.refusal


def missing_decisions(
    grid: DecisionGrid, decided: Sequence[Decision], start: datetime, end: datetime
) -> list[datetime]:
    """Every as_of with ``start`` <= as_of < ``end`` for which nothing was decided or refused.

    A refusal counts as decided: it says why there is nothing.
    """
    decided_as_ofs = {decision.as_of for decision in decided}
    points = grid.points(start - grid.delay, end - grid.delay)
    return [grid.as_of(point) for point in points if grid.as_of(point) not in decided_as_ofs]
