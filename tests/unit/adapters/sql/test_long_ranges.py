"""Long ranges of bars in a SQLite file: compiled code and the plain way write and read the same rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tidemill.adapters import compiled_io
from tidemill.adapters.sql.market.store import SqlMarketStore

START, MINUTE = datetime(2021, 1, 1, tzinfo=UTC), timedelta(minutes=1)
COUNT = 25_000
END = START + COUNT * MINUTE
NAMES = ("A-USDT.B", "C-USDT.B")


def bars(name: str, *, changed: slice = slice(0, 0)) -> pd.DataFrame:
    """Minute bars at random prices; those of ``changed`` close one higher."""
    closes = np.random.default_rng(len(name)).uniform(1, 2, COUNT)
    closes[changed] += 1
    opens = pd.DatetimeIndex(START + np.arange(COUNT) * MINUTE).as_unit("us")
    prices = {"open": closes, "high": closes + 1, "low": closes - 1, "close": closes, "volume": closes * 7}
    known = opens + pd.Timedelta(minutes=1, seconds=1)
    return pd.DataFrame({"instrument": name, "open_time": opens, **prices, "knowledge_time": known, "assumed": True})


def fill(path: Path) -> list[int]:
    """Two series, then one of them again with a few revisions; rows added each time."""
    store = SqlMarketStore(f"sqlite:///{path}")
    both = pd.concat([bars(name) for name in NAMES], ignore_index=True)
    added = [
        store.write_bars("1m", both, now=START),
        store.write_bars("1m", both, now=START),
        store.write_bars("1m", bars(NAMES[0], changed=slice(100, 107)), now=START),
    ]
    store.close()
    return added


def read(path: Path) -> list[pd.DataFrame]:
    store = SqlMarketStore(f"sqlite:///{path}")
    middle = START + COUNT // 2 * MINUTE
    frames = [
        store.read_bars(NAMES, "1m", START, END),
        store.read_bars(NAMES, "1m", START, END, revisions=True),
        store.read_bars(NAMES, "1m", START, END, known_at=middle),
        store.read_bars(NAMES, "1m", START, END, stored_until=store.watermark() - 1),
        pd.DataFrame({"open_time": store.coverage(NAMES[0], "1m", START, END)}),
    ]
    store.close()
    return frames


def test_both_ways_write_and_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, plain = tmp_path / "compiled.db", tmp_path / "plain.db"
    assert fill(compiled) == [2 * COUNT, 0, 7]
    read_compiled = read(compiled)
    monkeypatch.setenv(compiled_io.VARIABLE, "off")
    assert fill(plain) == [2 * COUNT, 0, 7]
    for expected, same_file, other_file in zip(read_compiled, read(compiled), read(plain), strict=True):
        pd.testing.assert_frame_equal(same_file, expected, check_exact=True)
        pd.testing.assert_frame_equal(other_file, expected, check_exact=True)
    assert [len(frame) for frame in read_compiled] == [2 * COUNT, 2 * COUNT + 7, COUNT - 2, 2 * COUNT, COUNT]
