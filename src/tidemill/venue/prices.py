"""Where the venue's prices come from: a recording, or a live source of bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError, TidemillError
from tidemill.domain.market import TIMEFRAME_SECONDS, Bar, Instrument, timeframe_seconds, to_step
from tidemill.matching import ListTape
from tidemill.ports import BarTape, MarketSource
from tidemill.recording import Recording

Kline = tuple[int, str, str, str, str, str, int]
LIVE_HISTORY_BARS = 3


class Prices(Protocol):
    """Instruments, a tape to match on, and bars to serve."""

    instruments: Mapping[str, Instrument]

    @property
    def tape(self) -> BarTape:
        """The tape as it is now."""
        ...

    def klines(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> list[Kline]:
        """At most ``limit`` bars with ``start`` <= open ms <= ``end``, up to and with the running one."""
        ...

    def refresh(self, now: datetime) -> None:
        """Fetch what is new, where prices are live."""
        ...


class RecordedPrices:
    """A recording, known up to the market clock."""

    def __init__(self, recording: Recording) -> None:
        self.instruments: Mapping[str, Instrument] = recording.instruments
        self._recording = recording
        self._tape = recording.tape()
        self._frames: dict[tuple[str, str], tuple[np.ndarray, pd.DataFrame]] = {}

    @property
    def tape(self) -> BarTape:
        """The recorded bars."""
        return self._tape

    def refresh(self, now: datetime) -> None:
        """Nothing is fetched."""

    def klines(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> list[Kline]:
        """See the protocol; the running bar shows its open only."""
        if interval not in TIMEFRAME_SECONDS:
            raise DataError(f"interval {interval}")
        opens, frame = self._bars(instrument, interval)
        length = timeframe_seconds(interval) * 1000
        moment = int(now.timestamp() * 1000)
        low = int(np.searchsorted(opens, start))
        high = int(np.searchsorted(opens, min(end, moment), side="right"))
        first = max(low, high - limit) if start == 0 else low
        rows = frame.iloc[first : min(high, first + limit)]
        return [
            _kline(row, self.instruments[instrument].price_step, length, running=row[0] + length > moment)
            for row in zip(
                opens[first : first + len(rows)].tolist(),
                *(rows[name].tolist() for name in ("open", "high", "low", "close", "volume")),
                strict=True,
            )
        ]

    def _bars(self, instrument: str, interval: str) -> tuple[np.ndarray, pd.DataFrame]:
        key = (instrument, interval)
        if key not in self._frames:
            recording = self._recording
            finest = recording.series_of(instrument)
            if timeframe_seconds(interval) < timeframe_seconds(finest.timeframe):
                raise DataError(f"interval {interval}")
            if interval == finest.timeframe:
                frame = finest.bars
            else:
                frame = recording.as_bars(instrument, recording.first_open, recording.last_close, timeframe=interval)
            self._frames[key] = (frame["open_time"].to_numpy("datetime64[ms]").astype(np.int64), frame)
        return self._frames[key]


class LivePrices:
    """Bars of a live source. The running bar is taken to open at the last close, with the last volume.

    A marketable order so fills at the last close known, moved by the slippage.
    """

    def __init__(self, source: MarketSource, universe: Sequence[str], timeframe: str, now: datetime) -> None:
        offered = {one.id: one for one in source.fetch_instruments()}
        unknown = [name for name in universe if name not in offered]
        if unknown:
            raise DataError(f"instrument {unknown[0]} is not offered by the live source")
        self.instruments: Mapping[str, Instrument] = {name: offered[name] for name in universe}
        self._source = source
        self._timeframe = timeframe
        self._length = timedelta(seconds=timeframe_seconds(timeframe))
        self._bars: dict[str, list[Bar]] = {name: [] for name in universe}
        self._tape: BarTape = ListTape(self._bars)
        self.refresh(now)

    @property
    def tape(self) -> BarTape:
        """Closed bars and the running one."""
        return self._tape

    def refresh(self, now: datetime) -> None:
        """Fetch the newest closed bars; a source that does not answer leaves the tape as it is, so it ends: a hole."""
        for name, known in self._bars.items():
            if known and known[-1].close_time + self._length > now:
                continue
            start = now - self._length * LIVE_HISTORY_BARS if not known else known[-1].close_time
            try:
                frame = self._source.fetch_bars(name, self._timeframe, start, now)
            except TidemillError:
                continue
            known += [self._to_bar(name, row) for row in frame.itertuples(index=False)]
            del known[:-LIVE_HISTORY_BARS]
        running = {name: [*known, *self._running(known, now)] for name, known in self._bars.items()}
        self._tape = ListTape(running)

    def klines(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> list[Kline]:
        """Passed on to the source; closed bars only."""
        length = timeframe_seconds(interval) * 1000
        last = min(end, int(now.timestamp() * 1000))
        first = start or last - limit * length
        begin, until = (pd.Timestamp(one, unit="ms", tz="UTC").to_pydatetime() for one in (first, last + 1))
        frame = self._source.fetch_bars(instrument, interval, begin, until).head(limit)
        step = self.instruments[instrument].price_step
        opens = frame["open_time"].to_numpy("datetime64[ms]").astype(np.int64).tolist()
        columns = (frame[name].tolist() for name in ("open", "high", "low", "close", "volume"))
        return [_kline(row, step, length, running=False) for row in zip(opens, *columns, strict=True)]

    def _to_bar(self, name: str, row: object) -> Bar:
        step = self.instruments[name].price_step
        opened = row.open_time.to_pydatetime()  # type: ignore[attr-defined]
        prices = {one: to_step(float(getattr(row, one)), step) for one in ("open", "high", "low", "close")}
        volume = Decimal(repr(float(row.volume)))  # type: ignore[attr-defined]
        return Bar(open_time=opened, close_time=opened + self._length, volume=volume, **prices)

    def _running(self, known: Sequence[Bar], now: datetime) -> list[Bar]:
        if not known or not known[-1].close_time <= now < known[-1].close_time + self._length:
            return []
        last = known[-1]
        price = last.close
        return [
            Bar(
                open_time=last.close_time,
                close_time=last.close_time + self._length,
                open=price,
                high=price,
                low=price,
                close=price,
                volume=last.volume,
            )
        ]


def _kline(row: tuple[int, float, float, float, float, float], step: Decimal, length: int, *, running: bool) -> Kline:
    opened, first, high, low, close, volume = row
    digits = max(-int(step.normalize().as_tuple().exponent), 0)
    if running:
        high = low = close = first
        volume = 0.0
    prices = [f"{price:.{digits}f}" for price in (first, high, low, close)]
    return opened, prices[0], prices[1], prices[2], prices[3], repr(volume), opened + length - 1
