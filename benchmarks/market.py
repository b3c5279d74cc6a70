"""Market data: a backfill over loopback (P5), small and long writes and reads of the store, and memory.

The exchange is `benchmarks.klines_server`, in a process of its own: 20 instruments x 43,200 bars of 1m. Every row of
a comparison is measured in the same run on the same arrays.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.against import ask_download
from benchmarks.timing import Options, Row, median_seconds, medians_in_turn

TITLE = "Market data"
START, MINUTE = datetime(2024, 1, 1, tzinfo=UTC), timedelta(minutes=1)
SYMBOLS, BARS, YEAR = 20, 43_200, 525_600
PAGE, WORKERS, RUNS = 1000, 4, 3
FREQTRADE_TO_CCXT = 11.3 / 6.4
"""Seconds of freqtrade's download-data to those of ccxt.async_support on this workload, where both were measured."""
MEMORY = "import benchmarks.market as m, sys; m.ingest_alone(sys.argv[1], int(sys.argv[2]))"
APART = "import benchmarks.market as m, sys, pathlib; print(getattr(m, sys.argv[1])(pathlib.Path(sys.argv[2])))"
UPSERT = (
    "INSERT INTO bars VALUES (?,?,?,?,?,?,?) ON CONFLICT (instrument, open_time) DO UPDATE SET open = excluded.open, "
    "high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume"
)


def rows(options: Options) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        arrays = options.arrays or make_arrays(Path(folder))
        return [*backfill_rows(arrays, options.peers), *upsert_rows(), *read_rows(arrays)]


def make_arrays(folder: Path) -> Path:
    """m1.npz and k1.npz: geometric random walks with a fixed seed."""
    for name, bars, symbols in (("m1", YEAR, 1), ("k1", BARS, SYMBOLS)):
        random = np.random.default_rng(33)
        close = np.exp(np.cumsum(random.normal(0, 0.0006, (bars, symbols)), axis=0)) * random.uniform(1, 400, symbols)
        opened = np.concatenate([close[:1], close[:-1]])
        prices = [opened, np.maximum(opened, close), np.minimum(opened, close), close]
        made = dict(zip("ohlc", (np.round(one, 4) for one in prices), strict=True))
        ts = np.datetime64("2024-01-01", "ms").astype(np.int64) + np.arange(bars) * 60_000
        names = np.array([f"C{number:02d}/USDT" for number in range(symbols)])
        np.savez(folder / f"{name}.npz", ts=ts, v=np.round(random.lognormal(3, 0.8, close.shape), 3), sym=names, **made)
    return folder


@contextmanager
def serving(arrays: Path) -> Iterator[str]:
    """URL of the small exchange."""
    command = [sys.executable, "-m", "benchmarks.klines_server", str(arrays / "k1.npz")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield json.loads(child.stdout.readline())["rest"]
        finally:
            child.kill()


def backfill_rows(arrays: Path, peers: Path | None) -> list[Row]:
    with serving(arrays) as rest:
        ccxt, bare, kept, downloads = [], [], [], []
        for run in range(RUNS + 1):
            found = asyncio.run(ccxt_alone(rest)), ingest(rest, keep=False), ingest(rest, keep=True)
            if run:  # the first warms up
                ccxt.append(found[0])
                bare.append(found[1])
                kept.append(found[2])
                downloads += [told] if (told := ask_download(rest, START.isoformat(), 30, peers)) else []
        peaks = [peak_of_ingest(rest, days) for days in (5, 30)]
    alone, plain, whole = (statistics.median(one) for one in (ccxt, bare, kept))
    spread = f" ({min(bare):.2f} to {max(bare):.2f})"
    return [
        Row("P5: 864,000 klines through ccxt.async_support alone, nothing stored", f"{alone:.2f} s"),
        Row("P5 through Tidemill: fetched, checked, stored in SQLite", f"{plain:.2f} s{spread}"),
        Row("P5: times as fast as ccxt alone", f"{alone / plain:.2f}", "≥ 1.5"),
        Row("P5 with every raw answer kept: times as fast as ccxt alone", f"{alone / whole:.2f}", "≥ 1.2"),
        *freqtrade_rows(downloads, alone=alone, plain=plain),
        Row("peak memory of a backfill of 20 instruments × 5 days", f"{peaks[0]:.0f} MB"),
        Row("peak memory of a backfill of 20 instruments × 30 days", f"{peaks[1]:.0f} MB", "the same"),
    ]


def freqtrade_rows(downloads: list[tuple[float, str]], *, alone: float, plain: float) -> list[Row]:
    """Beside freqtrade where it ran in this run, else by its ratio to ccxt where both were measured."""
    if not downloads:
        what = "P5: times as fast as freqtrade download-data (its seconds taken as 1.77 × ccxt's, measured elsewhere)"
        return [Row(what, f"{alone * FREQTRADE_TO_CCXT / plain:.2f}", "≥ 2.5")]
    seconds = statistics.median(one for one, _ in downloads)
    return [
        Row(f"P5 through freqtrade's download ({downloads[-1][1]}), start-up apart", f"{seconds:.2f} s"),
        Row("P5: times as fast as freqtrade's download", f"{seconds / plain:.2f}", "≥ 2.5"),
    ]


async def ccxt_alone(rest: str) -> float:
    """Seconds of ccxt's own paging over all instruments at once."""
    from tidemill.adapters.ccxt.exchange import Connection, build_exchange

    exchange = build_exchange("binance", Connection(rest_url=rest))
    await exchange.load_markets()

    async def fetch(symbol: str) -> int:
        since, count = int(START.timestamp() * 1000), 0
        while page := await exchange.fetch_ohlcv(symbol, "1m", since, PAGE):
            count += len(page)
            since = page[-1][0] + 60_000
            if len(page) < PAGE:
                break
        return count

    began = time.perf_counter()
    counts = await asyncio.gather(*(fetch(symbol) for symbol in exchange.symbols))
    seconds = time.perf_counter() - began
    await exchange.close()
    assert sum(counts) == SYMBOLS * BARS
    return seconds


def ingest(rest: str, *, keep: bool, days: int = 30, workers: int = WORKERS) -> float:
    """Seconds of the backfill's own function over all instruments, into a fresh SQLite store."""
    from tidemill.adapters.ccxt.market import CcxtMarket
    from tidemill.adapters.clocks import WallClock
    from tidemill.adapters.sql.market.gaps import SqlGapLedger
    from tidemill.adapters.sql.market.store import SqlMarketStore
    from tidemill.ingest import BarFeed, SeriesJob, ingest_range

    clock = WallClock()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/market.db"
        store, gaps = SqlMarketStore(url), SqlGapLedger(url)

        def note(answers: Any) -> None:
            store.write_payloads([("bars", request, body) for request, body in answers], now=clock.now())

        source = CcxtMarket("binance", venue="B", rest_url=rest, market_clock=clock, on_payloads=note if keep else None)
        feed = BarFeed(source=source, store=store, ledger=gaps)
        instruments = source.fetch_instruments()

        def one(part: tuple[Any, int]) -> int:
            instrument, day = part
            start = START + day * timedelta(days=1)
            span = {"start": start, "end": start + timedelta(days=min(days, 30)), "now": clock.now()}
            made = ingest_range(feed, SeriesJob(instrument=instrument, timeframe="1m"), **span)
            return made.stored

        began = time.perf_counter()
        with ThreadPoolExecutor(workers) as pool:
            stored = sum(pool.map(one, [(instrument, 0) for instrument in instruments]))
        seconds = time.perf_counter() - began
        for part in (source, store, gaps):
            part.close()
    assert stored == SYMBOLS * days * 1440, stored
    return seconds


def peak_of_ingest(rest: str, days: int) -> float:
    """Peak memory in MB of a process that backfills all instruments one after the other, in parts as the flow does."""
    done = subprocess.run([sys.executable, "-c", MEMORY, rest, str(days)], stdout=subprocess.PIPE, check=True)
    return float(done.stdout.split()[-1])


def ingest_alone(rest: str, days: int) -> None:
    """What the measured process runs."""
    from benchmarks.timing import peak_megabytes

    ingest(rest, keep=True, days=days, workers=1)
    sys.stdout.write(f"\n{peak_megabytes()}\n")


def upsert_rows() -> list[Row]:
    """50 instruments x 3 bars, of which one is new each time: as a ten-minute ingest writes them."""
    from tidemill.adapters.sql.market.store import SqlMarketStore

    count = iter(range(10_000))
    with tempfile.TemporaryDirectory() as folder:
        store = SqlMarketStore(f"sqlite:///{folder}/market.db")
        bare = sqlite3.connect(f"{folder}/bare.db", isolation_level=None)
        bare.execute("PRAGMA journal_mode=WAL")
        bare.execute("PRAGMA synchronous=NORMAL")
        bare.execute(
            "CREATE TABLE bars (instrument TEXT, open_time INTEGER, open REAL, high REAL, low REAL, close REAL, "
            "volume REAL, PRIMARY KEY (instrument, open_time)) WITHOUT ROWID"
        )
        frames = [some_bars(number) for number in range(400)]
        tuples = [frame_rows(frame) for frame in frames]

        def ours() -> None:
            store.write_bars("1m", frames[next(count)], now=START)

        def sqlite() -> None:
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany(UPSERT, tuples[next(count) % 400])
            bare.execute("COMMIT")

        ours_seconds = median_seconds(ours, runs=199)
        bare_seconds = median_seconds(sqlite, runs=199)
        store.close()
        bare.close()
    return [
        Row("upsert of 50 instruments × 3 bars, bare SQLite from ready rows", f"{bare_seconds * 1000:.2f} ms"),
        Row("the same with revisions and watermark, from a frame", f"{ours_seconds * 1000:.2f} ms"),
        Row("times a bare upsert", f"{ours_seconds / bare_seconds:.2f}", "3"),
    ]


def some_bars(number: int) -> pd.DataFrame:
    names = [f"A{index}-USDT.B" for index in range(50)]
    opens = pd.DatetimeIndex([START + (number + step) * MINUTE for step in range(3)]).as_unit("us")
    # a bar is the same in every frame that holds it, as a source tells it again
    random = np.concatenate([np.random.default_rng(number + step).uniform(1, 2, 50) for step in range(3)])
    random = random.reshape(3, 50).T.ravel()
    return pd.DataFrame(
        {
            "instrument": pd.Series(np.repeat(names, 3), dtype="str"),
            "open_time": np.tile(opens, 50),
            **dict.fromkeys(("open", "high", "low", "close", "volume"), random),
            "knowledge_time": np.tile(opens, 50) + pd.Timedelta(minutes=1),
            "assumed": False,
        }
    )


def frame_rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    opens = frame["open_time"].to_numpy("datetime64[us]").astype(np.int64).tolist()
    values = [frame[name].tolist() for name in ("open", "high", "low", "close", "volume")]
    return list(zip(frame["instrument"].tolist(), opens, *values, strict=True))


def read_rows(arrays: Path) -> list[Row]:
    """One year of 1m bars out of the store and out of a snapshot."""
    from tidemill.adapters.models.parquet_snapshots import ParquetSnapshots
    from tidemill.adapters.sql.market.store import SqlMarketStore

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "market.db"
        store = SqlMarketStore(f"sqlite:///{path}")
        store.write_bars("1m", year_of_bars(arrays), now=START)
        limits = {"start": START, "end": START + YEAR * MINUTE}
        ours = median_seconds(lambda: store.read_bars(["A-USDT.B"], "1m", **limits))
        store.close()
        snapshots = ParquetSnapshots(Path(folder) / "snapshots")
        digest = snapshots.write_snapshot(read_all(path, limits))
        kept, parquet = medians_in_turn(
            lambda: snapshots.read_snapshot(digest), lambda: pd.read_parquet(snapshots.path(digest))
        )
        # a process of its own: ADBC brings a second copy of SQLite, which must not share one with ours
        bare = seconds_apart("adbc_alone", path)
    return [
        Row("525,600 bars, bare ADBC select of the same rows into a DataFrame", f"{bare * 1000:.0f} ms"),
        Row("525,600 bars from the store into a DataFrame", f"{ours * 1000:.0f} ms"),
        Row("times a bare ADBC select", f"{ours / bare:.2f}", "1.5"),
        Row("525,600 bars, bare Parquet read of the snapshot's file", f"{parquet * 1000:.0f} ms"),
        Row("525,600 bars from a snapshot, its hash checked", f"{kept * 1000:.0f} ms"),
        Row("times a bare Parquet read", f"{kept / parquet:.2f}", "1.2"),
    ]


def read_all(path: Path, limits: dict[str, datetime]) -> pd.DataFrame:
    from tidemill.adapters.sql.market.store import SqlMarketStore

    store = SqlMarketStore(f"sqlite:///{path}")
    found = store.read_bars(["A-USDT.B"], "1m", **limits)
    store.close()
    return found


def seconds_apart(name: str, path: Path) -> float:
    done = subprocess.run([sys.executable, "-c", APART, name, str(path)], stdout=subprocess.PIPE, check=True)
    return float(done.stdout.split()[-1])


def adbc_alone(path: Path) -> float:
    from adbc_driver_sqlite import dbapi

    with dbapi.connect(str(path)) as connection:

        def read() -> pd.DataFrame:
            with connection.cursor() as cursor:
                cursor.execute("SELECT * FROM bars WHERE series_id = 1 ORDER BY open_time, stored_at")
                return cursor.fetch_arrow_table().to_pandas()

        assert len(read()) == YEAR
        return median_seconds(read)


def year_of_bars(arrays: Path) -> pd.DataFrame:
    with np.load(arrays / "m1.npz") as found:
        opens = pd.DatetimeIndex((found["ts"] * 1000).astype("datetime64[us]")).tz_localize("UTC")
        values = {name: found[name[0]][:, 0] for name in ("open", "high", "low", "close", "volume")}
    known = opens + pd.Timedelta(minutes=1, seconds=1)
    return pd.DataFrame(
        {"instrument": "A-USDT.B", "open_time": opens, **values, "knowledge_time": known, "assumed": True}
    )
