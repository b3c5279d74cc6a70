"""Prices of a live source: closed bars, the running one, and the order books that orders trade on.

A live source may fail or lag, and what it said cannot be asked again. So fetching (which blocks and may fail) is apart
from taking (which the journal records): a restart takes the same bars again without asking.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import pandas as pd

from tidemill.domain.errors import DataError, TidemillError
from tidemill.domain.market import Bar, Instrument, timeframe_seconds, to_step
from tidemill.matching import Book
from tidemill.ports import BarTape, MarketSource
from tidemill.ports.frames import PRICE_COLUMNS
from tidemill.venue.klines import Kline, KlineText
from tidemill.venue.parameters import to_millis

HISTORY_BARS = 3
BOOK_SECONDS = 1.0
"""So long a fetched book is taken for the present one."""
LONG_AFTER = 2**62


class LiveSource(MarketSource, Protocol):
    """A market source that tells order books too.

    The port's bars and instruments, and the present book besides.
    """

    def fetch_book(self, instrument: str) -> tuple[Sequence[tuple[float, float]], Sequence[tuple[float, float]]]:
        """Bids and asks as (price, quantity), best first; TransientError or DataError when there is none."""
        ...

    def close(self) -> None:
        """Let go of the connection.

        The venue calls it once, when it stops or could not start.
        """
        ...


class LiveTape:
    """Closed bars, and behind the newest a running one that opens at its close and has its volume.

    ``bars`` are by instrument, ascending, and shared with whoever adds to them; ``length`` is the length of a bar. What
    a moment is told depends on the bars given alone, so a journal of them tells it again.
    """

    def __init__(self, bars: Mapping[str, Sequence[Bar]], length: timedelta) -> None:
        self._bars, self._length = bars, length

    def bar_at(self, instrument: str, moment: datetime) -> Bar | None:
        """The bar that contains ``moment``, the running one included; None when there is none.

        The running bar is made up: all its prices are the last close, since orders must fill on something while the
        source gives no book. None once the source is more than a bar behind.
        """
        bars = self._bars[instrument]
        running = next((bar for bar in reversed(bars) if bar.open_time <= moment < bar.close_time), None)
        if running is not None or not bars:
            return running
        last = bars[-1]
        if not last.close_time <= moment < last.close_time + self._length:
            return None
        # The volume of the last bar stands for that of the running one: without any, nothing could fill.
        prices = dict.fromkeys(PRICE_COLUMNS, last.close)
        until = last.close_time + self._length
        return Bar(open_time=last.close_time, close_time=until, volume=last.volume, **prices)

    def bars_closed(self, instrument: str, after: datetime, until: datetime) -> Sequence[Bar]:
        """Bars with ``after`` < close_time <= ``until``, oldest first.

        Only bars that the source has told: resting orders never meet the running one that is made up.
        """
        return [bar for bar in self._bars[instrument] if after < bar.close_time <= until]

    def is_down(self, moment: datetime) -> bool:
        """Whether the source has told nothing of this time, of any instrument.

        So the venue says "maintenance" while its source is silent, and orders are refused.
        """
        return all(self.bar_at(name, moment) is None for name in self._bars)


class LivePrices:
    """Bars and books of a live source. What is fetched is used only once it was taken: the venue journals it before.

    A marketable order fills on the book; while the source gives none, at the last close, moved by the slippage.
    """

    is_live = True

    def __init__(
        self,
        source: LiveSource,
        universe: Sequence[str],
        timeframe: str,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        offered = {instrument.id: instrument for instrument in source.fetch_instruments()}
        unknown = [name for name in universe if name not in offered]
        if unknown:
            raise DataError(f"instrument {unknown[0]} is not offered by the live source; check the universe")
        self.instruments: Mapping[str, Instrument] = {name: offered[name] for name in universe}
        self._source = source
        self._timeframe = timeframe
        self._length = timedelta(seconds=timeframe_seconds(timeframe))
        self._bars: dict[str, list[Bar]] = {name: [] for name in universe}
        self._books: dict[str, tuple[float, Book | None]] = {}
        self._steady = steady
        self.tape: BarTape = LiveTape(self._bars, self._length)

    def fetch_bars(self, now: datetime) -> dict[str, list[Bar]]:
        """Bars that closed since the last ones taken; blocks. A source that does not answer gives none: a gap.

        By instrument, only those with new bars; nothing is put on the tape yet. Without bars so far the last three are
        fetched. One instrument's failure does not keep the others waiting.
        """
        new_bars = {}
        for name, bars in self._bars.items():
            # Nothing can have closed since: most ticks ask the source nothing.
            if bars and bars[-1].close_time + self._length > now:
                continue
            start = bars[-1].close_time if bars else now - self._length * HISTORY_BARS
            try:
                frame = self._source.fetch_bars(name, self._timeframe, start, now)
            except TidemillError:
                continue
            if len(frame):
                new_bars[name] = [self._to_bar(name, row) for row in frame.itertuples(index=False)]
        return new_bars

    def take_bars(self, name: str, bars: Sequence[Bar], met_until: datetime) -> None:
        """Put closed bars on the tape; those that resting orders have met by ``met_until`` go, but for the newest.

        Bars that are on the tape already are skipped, so taking twice is harmless. Three bars are kept at least, for
        the running one is made from the newest.
        """
        history = self._bars[name]
        # A source may send the last bar again; on the tape it would fill orders twice.
        history += [bar for bar in bars if not history or bar.open_time >= history[-1].close_time]
        history[:] = [
            bar for at, bar in enumerate(history) if at >= len(history) - HISTORY_BARS or bar.close_time > met_until
        ]

    def met_until(self, now: datetime) -> datetime:
        """How far every instrument's bars are known: resting orders meet no bar later than this.

        The instrument that is furthest behind decides, so that fills keep one order of time.
        """
        closes = [bars[-1].close_time for bars in self._bars.values() if bars]
        return min([now, *closes])

    def fetch_book(self, name: str) -> Book | None:
        """The source's book, at most a second old; None when it gives none. Blocks.

        A failure is remembered for a second too: a source that is down is not asked again by every order.
        """
        cached = self._books.get(name)
        if cached is not None and self._steady() - cached[0] < BOOK_SECONDS:
            return cached[1]
        step = self.instruments[name].price_step
        try:
            sides = ([(to_step(a, step), Decimal(repr(b))) for a, b in side] for side in self._source.fetch_book(name))
            book: Book | None = Book.of(*sides)
        except TidemillError:
            book = None
        self._books[name] = self._steady(), book
        return book

    def klines(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> list[Kline]:
        """Passed on to the source; closed bars only. Blocks.

        The source's history, not the tape's: it reaches further back. TransientError or DataError as the source has it.
        """
        text = self._fetch(instrument, interval, start, end, limit, now)
        return text.rows(0, limit, LONG_AFTER)

    def kline_body(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> bytes:
        """Passed on to the source; closed bars only. Blocks."""
        text = self._fetch(instrument, interval, start, end, limit, now)
        return text.body(0, len(text.opens), LONG_AFTER)

    def _fetch(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> KlineText:
        length = timeframe_seconds(interval) * 1000
        last = min(end, to_millis(now))
        # Without a start these are the newest: one more is asked for, since the running bar is left out.
        first = start or last - (limit + 1) * length
        # One ms later: the exchange includes the end, the port does not.
        begin, until = (pd.Timestamp(millis, unit="ms", tz="UTC").to_pydatetime() for millis in (first, last + 1))
        frame = self._source.fetch_bars(instrument, interval, begin, until)
        rows = frame.head(limit) if start else frame.tail(limit)
        return KlineText(rows, self.instruments[instrument].price_step, length)

    def _to_bar(self, name: str, row: object) -> Bar:
        step = self.instruments[name].price_step
        opened = row.open_time.to_pydatetime()  # type: ignore[attr-defined]
        prices = {column: to_step(float(getattr(row, column)), step) for column in PRICE_COLUMNS}
        volume = Decimal(repr(float(row.volume)))  # type: ignore[attr-defined]
        return Bar(open_time=opened, close_time=opened + self._length, volume=volume, **prices)
