"""Which bars a run of the same days would have put into quarantine, and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tidemill.backtest.values import BacktestPlan
from tidemill.domain.market import timeframe_seconds, to_micros
from tidemill.ingest import SeriesJob, store_checked
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.ports import BarTape
from tidemill.quality import may_be_outlier

# more than the neighbours that a judgement looks at, on either side, and those beside them
REACH_BARS = 60


def find_refused(
    bars: pd.DataFrame, plan: BacktestPlan, points: Sequence[datetime], tape: BarTape
) -> MemoryGapLedger | None:
    """The quarantine that an import up to the first point and an ingest before each decision would fill.

    ``bars``: BARS of the period. None when no bar is anywhere near a doubt, which is the rule and quick to see;
    only the instruments that have one are gone through step by step.
    """
    suspects = {str(name): _suspicious(rows, plan) for name, rows in bars.groupby("instrument")}
    if not any(len(rows) for rows in suspects.values()):
        return None
    ledger = MemoryGapLedger()
    for name, rows in suspects.items():
        if len(rows):
            _ingest_all(rows, name, plan, points, tape, ledger)
    return ledger if len(ledger.read_quarantine()) else None


def _suspicious(bars: pd.DataFrame, plan: BacktestPlan) -> pd.DataFrame:
    """Bars of one instrument near one that may be doubted: no other can be, nor is a neighbour of one."""
    positions = np.flatnonzero(may_be_outlier(bars, rules=plan.outliers))
    near = np.unique(positions[:, None] + np.arange(-REACH_BARS, REACH_BARS + 1))
    return bars.iloc[near[(near >= 0) & (near < len(bars))]]


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
    job = SeriesJob(
        instrument=plan.rules.instruments[name],
        timeframe=grid.timeframe,
        calendar=grid.calendar,
        sessions=grid.sessions,
        outliers=plan.outliers,
    )
    store = MemoryMarketStore()
    moments = [grid.decided_open(points[0]) + grid.delay / 2, *(point + grid.delay / 2 for point in points)]
    opens = bars["open_time"].to_numpy("datetime64[us]").astype(np.int64)
    ends = np.searchsorted(opens, [to_micros(now - length) for now in moments], side="right")
    first = 0
    for number, now in enumerate(moments):
        end = int(ends[number])
        if first == end or (number and tape.is_down(now)):
            continue
        store_checked(
            bars.iloc[first:end].reset_index(drop=True),
            store,
            ledger,
            job,
            now=now,
            after=store.latest_open(name, grid.timeframe),
            source="import" if not number else "ingest",
        )
        first = end
