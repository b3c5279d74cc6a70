"""A bar store on the double of InfluxDB, beside SQLite."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from support.influx_double import BUCKET, ORG, TOKEN, Double

from tidemill.adapters.influx.market import InfluxMarketStore, Place
from tidemill.adapters.influx.wire import CHUNK_LINES, Api
from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.domain.market import to_micros

START, MINUTE = datetime(2021, 1, 1, tzinfo=UTC), timedelta(minutes=1)
NAME = "BTC-USDT.T"
APIS: dict[str, Api] = {"2": "v2", "1.8": "v2-influxql", "3": "v2-influxql"}


class Desk:
    """A store on the double, and the pauses that it made."""

    def __init__(self, double: Double, tmp_path, token: str = TOKEN, bucket: str = BUCKET) -> None:
        self.pauses: list[float] = []
        self.beside = SqlMarketStore(f"sqlite:///{tmp_path / 'market.db'}")
        place = Place(url=double.url, token=token, org=ORG, bucket=bucket)
        self.store = InfluxMarketStore(place, self.beside, api=APIS[double.version], sleep=self.pauses.append)

    def write(self, *closes: float) -> int:
        return self.store.write_bars("1m", bars(*closes), now=START)

    def closes(self, **limits) -> list[float]:
        return list(self.store.read_bars([NAME], "1m", START, START + timedelta(days=9), **limits)["close"])


def bars(*closes: float) -> pd.DataFrame:
    opens = pd.DatetimeIndex([START + row * MINUTE for row in range(len(closes))]).as_unit("us")
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), np.array(closes, dtype=np.float64))
    known = opens + pd.Timedelta(minutes=1)
    return pd.DataFrame({"instrument": NAME, "open_time": opens, **values, "knowledge_time": known, "assumed": True})


def some(count: int = CHUNK_LINES + 5) -> list[float]:
    return [float(row + 1) for row in range(count)]


def is_there(double: Double) -> list[float]:
    """Closes of the points that a server has, read or not."""
    return [float(fields["c"]) for (name, _, _), fields in double.points.items() if name == "bars"]


class Alone:
    """A store beside that keeps nothing but the watermark."""

    def __init__(self) -> None:
        self.mark = 0

    def stamped(self, work, *, now: datetime) -> int:
        stored = max(to_micros(now), self.mark + 1)
        added = work(stored)
        self.mark = stored if added else self.mark
        return added

    def watermark(self) -> int:
        return self.mark

    def close(self) -> None: ...
