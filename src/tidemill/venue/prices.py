"""Where the venue's prices come from: a recording, or a live source of bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import pandas as pd

from tidemill.domain.errors import DataError, TidemillError
from tidemill.domain.market import TIMEFRAME_SECONDS, Bar, Instrument, timeframe_seconds, to_step
from tidemill.matching import ListTape
from tidemill.ports import BarTape, MarketSource
from tidemill.recording import Recording
from tidemill.venue.klines import Kline, KlineText
from tidemill.venue.parameters import to_millis

LIVE_HISTORY_BARS = 3
LONG_AFTER = 2**62


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

    def kline_body(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> bytes:
        """The same as the exchange's JSON."""
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
        self._texts: dict[tuple[str, str], KlineText] = {}

    @property
    def tape(self) -> BarTape:
        """The recorded bars."""
        return self._tape

    def refresh(self, now: datetime) -> None:
        """Nothing is fetched."""

    def klines(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> list[Kline]:
        """See the protocol; the running bar shows its open only."""
        text, moment = self._text(instrument, interval), to_millis(now)
        return text.rows(*text.find(start, end, limit, moment), moment)

    def kline_body(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> bytes:
        """See the protocol; rows come from cached text."""
        text, moment = self._text(instrument, interval), to_millis(now)
        return text.body(*text.find(start, end, limit, moment), moment)

    def _text(self, instrument: str, interval: str) -> KlineText:
        key = (instrument, interval)
        if key not in self._texts:
            if interval not in TIMEFRAME_SECONDS:
                raise DataError(f"interval {interval}")
            recording = self._recording
            finest = recording.series_of(instrument)
            if timeframe_seconds(interval) < timeframe_seconds(finest.timeframe):
                raise DataError(f"interval {interval}")
            if interval == finest.timeframe:
                frame = finest.bars
            else:
                frame = recording.as_bars(instrument, recording.first_open, recording.last_close, timeframe=interval)
            step = self.instruments[instrument].price_step
            self._texts[key] = KlineText(frame, step, timeframe_seconds(interval) * 1000)
        return self._texts[key]


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
        text = self._fetch(instrument, interval, start, end, limit, now)
        return text.rows(0, limit, LONG_AFTER)

    def kline_body(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> bytes:
        """Passed on to the source; closed bars only."""
        text = self._fetch(instrument, interval, start, end, limit, now)
        return text.body(0, len(text.opens), LONG_AFTER)

    def _fetch(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> KlineText:
        length = timeframe_seconds(interval) * 1000
        last = min(end, to_millis(now))
        first = start or last - limit * length
        begin, until = (pd.Timestamp(one, unit="ms", tz="UTC").to_pydatetime() for one in (first, last + 1))
        frame = self._source.fetch_bars(instrument, interval, begin, until).head(limit)
        return KlineText(frame, self.instruments[instrument].price_step, length)

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
