"""Which bars a run of the same days would have put into quarantine, and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd

from tidemill.adapters.memory_gaps import MemoryGapLedger
from tidemill.adapters.memory_market import MemoryMarketStore
from tidemill.backtest.values import BacktestPlan
from tidemill.domain.market import timeframe_seconds
from tidemill.ingesting import store_checked
from tidemill.ports import BarTape
from tidemill.quality import may_doubt


def find_refused(
    bars: pd.DataFrame, plan: BacktestPlan, points: Sequence[datetime], tape: BarTape
) -> MemoryGapLedger | None:
    """The quarantine that an import up to the first point and an ingest before each decision would fill.

    ``bars``: BARS of the period. None when no bar is anywhere near a doubt, which is the rule and quick to see;
    only the instruments that have one are gone through step by step.
    """
    suspects = [str(name) for name, some in bars.groupby("instrument") if may_doubt(some, rules=plan.doubts)]
    if not suspects:
        return None
    ledger = MemoryGapLedger()
    for name in suspects:
        _ingest_all(bars[bars["instrument"] == name], name, plan, points, tape, ledger)
    return ledger if len(ledger.read_quarantine()) else None


def _ingest_all(
    bars: pd.DataFrame,
    name: str,
    plan: BacktestPlan,
    points: Sequence[datetime],
    tape: BarTape,
    ledger: MemoryGapLedger,
) -> None:
    """One instrument through the checks in the batches of a replay; when the venue is down nothing comes."""
    grid = plan.rules.grid
    length = timedelta(seconds=timeframe_seconds(grid.timeframe))
    store = MemoryMarketStore()
    moments = [grid.decided_open(points[0]) + grid.delay / 2, *(point + grid.delay / 2 for point in points)]
    for number, now in enumerate(moments):
        newest = store.latest_open(name, grid.timeframe)
        fresh = bars["open_time"] <= pd.Timestamp(now - length)
        if newest is not None:
            fresh &= bars["open_time"] > pd.Timestamp(newest)
        if not fresh.any() or (number and tape.is_down(now)):
            continue
        store_checked(
            bars[fresh].reset_index(drop=True),
            store,
            ledger,
            plan.rules.instruments[name],
            timeframe=grid.timeframe,
            calendar=grid.calendar,
            sessions=grid.sessions,
            now=now,
            after=newest,
            source="import" if not number else "ingest",
            doubts=plan.doubts,
        )
