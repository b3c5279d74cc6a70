"""P1 from the store to the numbers of the report: bars read from SQLite, signal, run, and every figure there is."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.engines import CASH, cross_engine, cross_signal
from benchmarks.timing import median_seconds
from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.kernels import Trail
from tidemill.performance import Performance, RunRecord, measure
from tidemill.research.fast_backtest import make_trades

NAME = "A-USD.T"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = pd.Timedelta(minutes=1)
FEE = Decimal("0.001")


def from_the_store(arrays: Path) -> float:
    """Median seconds of a year of minutes, each bar's close a mark of equity."""
    with np.load(arrays / "m1.npz") as stored, tempfile.TemporaryDirectory() as folder:
        times = pd.DatetimeIndex(stored["ts"].astype("datetime64[ms]")).as_unit("us").tz_localize("UTC")
        names = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
        bars = pd.DataFrame({"instrument": NAME, "open_time": times} | {k: stored[v][:, 0] for k, v in names.items()})
        bars = bars.assign(knowledge_time=times + pd.Timedelta(seconds=61), assumed=True)
        store = SqlMarketStore(f"sqlite:///{folder}/market.db")
        store.write_bars("1m", bars, now=BEGAN)

        def work() -> None:
            read = store.read_bars([NAME], "1m", times[0].to_pydatetime(), BEGAN)
            told = measure_p1(read).to_json()
            assert json.dumps(told, allow_nan=False)

        return median_seconds(work, runs=5)


def measure_p1(read: pd.DataFrame) -> Performance:
    """The run of the kernel over the bars ``read``, measured as any run is."""
    given = {key: read[name].to_numpy()[:, None] for key, name in (("o", "open"), ("c", "close"))}
    crosses = cross_signal(given)
    trail = cross_engine(given, crosses)
    opens = pd.DatetimeIndex(read["open_time"])
    rows = np.flatnonzero(crosses[:-1]) + 1
    fills, orders = make_trades(
        trail,
        opens[rows].to_pydatetime().tolist(),
        [NAME],
        prices=given["c"][rows - 1],
        volumes=read["volume"].to_numpy()[rows - 1, None],
        fee_in_quote=True,
    )
    return measure(
        RunRecord(
            strategy="cross", currency="USD", equity=mark_bars(trail, rows, given["c"][:, 0], opens), fills=fills,
            orders=orders, instruments=(NAME,), bars=read[["instrument", "open_time", "close", "volume"]],
            timeframe="1m", slippage_rate=Decimal(0), cost_rate=FEE,
        )
    )  # fmt: skip


def mark_bars(trail: Trail, rows: np.ndarray, close: np.ndarray, opens: pd.DatetimeIndex) -> pd.Series[float]:
    """Equity at the start, and at each bar's close: cash and position after the last row of the run before it."""
    after = np.searchsorted(rows, np.arange(len(close)), side="right")
    cash = np.concatenate([[CASH], trail.cash])[after]
    held = np.concatenate([[0.0], np.cumsum(trail.filled[:, 0])])[after]
    return pd.Series(np.concatenate([[CASH], cash + held * close]), index=opens.append(opens[-1:] + MINUTE))


if __name__ == "__main__":
    import cProfile
    import pstats
    import sys

    profile = cProfile.Profile()
    if len(sys.argv) > 2:
        profile.enable()
    print(from_the_store(Path(sys.argv[1])))
    profile.disable()
    if len(sys.argv) > 2:
        pstats.Stats(profile).sort_stats(sys.argv[2]).print_stats(45)
