"""Small recordings made by hand, in memory and as files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from tidemill.domain.market import Instrument
from tidemill.recording import RecordedSeries, Recording

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC, ETH = "BTC-USDT.BINANCE", "ETH-USDT.BINANCE"
HEAD = 'title = "Two instruments"\ncalendar = "24x7"\n'
BARS = """
[[bars]]
venue = "BINANCE"
instrument = "BTC-USDT"
timeframe = "1h"
file = "btc.parquet"
rename = { timestamp = "open_time" }
price_step = "0.01"
lot_step = "0.00001"
min_notional = "5"
"""
POSTS = """
[[posts]]
source = "reddit"
file = "posts.csv"
rename = { made = "created_at", body = "text", subreddit = "channel" }
not_known_at_creation = ["score"]
"""
FUNDING = """
[[funding]]
venue = "BINANCE"
instrument = "BTC-USDT"
file = "funding.csv"
rename = { settled = "event_time" }
"""
RATES = "settled,rate\n2021-04-19T00:00:00Z,0.0001\n2021-04-19T10:00:00+02:00,-0.00012345\n"


def at(hour: int) -> datetime:
    return START + hour * HOUR


def frame(hours: list[int], base: float = 100.0) -> pd.DataFrame:
    opens = pd.DatetimeIndex([at(one) for one in hours]).as_unit("us")
    price = np.array([base + one for one in hours], dtype=float)
    return pd.DataFrame(
        {"open_time": opens, "open": price, "high": price + 2, "low": price - 1, "close": price + 1, "volume": 0.1}
    )


def instrument(base: str = "BTC", step: str = "0.01") -> Instrument:
    return Instrument(venue="BINANCE", base=base, quote="USDT", price_step=Decimal(step), lot_step=Decimal("0.001"))


def series(base: str, hours: list[int], timeframe: str = "1h") -> RecordedSeries:
    return RecordedSeries(instrument=instrument(base), timeframe=timeframe, bars=frame(hours))


def recording(**hours: list[int]) -> Recording:
    return Recording(title="t", calendar="24x7", series=tuple(series(base, own) for base, own in hours.items()))


def write(folder: Path, *, text: str = HEAD + BARS, bars: pd.DataFrame | None = None, posts: str | None = None) -> Path:
    chosen = frame([0, 1, 2]) if bars is None else bars
    chosen.rename(columns={"open_time": "timestamp"}).to_parquet(folder / "btc.parquet", index=False)
    (folder / "posts.csv").write_text(
        posts
        or "id,made,title,body,subreddit,score\nb2,2021-04-19T01:00:00Z,,later,Bitcoin,7\n"
        "a1,2021-04-19T02:00:00+02:00,Title,first,Bitcoin,9\n",
        encoding="utf-8",
    )
    path = folder / "recording.toml"
    path.write_text(text, encoding="utf-8")
    return path
