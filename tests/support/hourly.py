"""Two instruments of a venue with bars of one hour, and a source that has what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.domain.errors import TransientError
from tidemill.domain.market import Instrument
from tidemill.gap_repair import SeriesGroup
from tidemill.recording import to_bars

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC = Instrument(venue="T", base="BTC", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal("0.001"))
ETH = Instrument(venue="T", base="ETH", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal("0.001"))
GROUP = SeriesGroup(names=(BTC.id, ETH.id), timeframe="1h", publish_delay=timedelta(minutes=1))


def at(hour: float) -> datetime:
    return START + hour * HOUR


def bars(instrument: Instrument, hours: Sequence[int], prices: dict[int, float] | None = None) -> pd.DataFrame:
    close = np.array([(prices or {}).get(hour, 100.0 + hour % 5) for hour in hours])
    opens = pd.DatetimeIndex([at(hour) for hour in hours], dtype="datetime64[us, UTC]")
    series = pd.DataFrame(
        {"open_time": opens, "open": close, "high": close + 1, "low": close - 1, "close": close}
    ).assign(volume=np.abs(np.array(hours, dtype=np.float64)) + 1)
    return to_bars(instrument.id, "1h", series)


@dataclass
class Source:
    """A venue that has the bars it is given, and notes what it was asked."""

    frames: list[pd.DataFrame]
    instruments: tuple[Instrument, ...] = (BTC, ETH)
    asked: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    down: bool = False

    def fetch_instruments(self) -> Sequence[Instrument]:
        return self.instruments

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        self.asked.append((instrument, start, end))
        if self.down:
            raise TransientError("the venue does not answer")
        frame = pd.concat(self.frames)
        inside = (frame["instrument"] == instrument) & (frame["open_time"] >= start) & (frame["open_time"] < end)
        return frame[inside].sort_values("open_time").reset_index(drop=True)
