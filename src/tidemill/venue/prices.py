"""Where the venue's prices come from: a recording here, a live source in :mod:`tidemill.venue.live`.

The rest of the venue asks :class:`Prices` and is the same for both. Only the follower cares whether an answer may take
a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tidemill.domain.errors import DataError
from tidemill.domain.market import TIMEFRAME_SECONDS, Bar, Instrument, timeframe_seconds
from tidemill.matching import Book
from tidemill.ports import BarTape
from tidemill.recording import Recording
from tidemill.venue.klines import Kline, KlineText
from tidemill.venue.live import LivePrices
from tidemill.venue.options import VenueOptions
from tidemill.venue.parameters import to_millis


class Prices(Protocol):
    """Instruments, a tape to match on, and bars to serve.

    A recording is known whole and shows it up to the clock; a live source is fetched, and what was fetched is taken by
    a second call that the journal records.
    """

    instruments: Mapping[str, Instrument]
    is_live: bool
    """Whether reading prices may block on a network."""
    tape: BarTape

    def klines(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> list[Kline]:
        """At most ``limit`` bars with ``start`` <= open ms <= ``end``, up to and with the running one.

        Rows of text as :class:`~tidemill.venue.klines.KlineText` makes them, ascending. ``start`` 0 asks for the
        newest. DataError for an interval that there is not, or that is finer than the bars.
        """
        ...

    def kline_body(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> bytes:
        """The same as the exchange's JSON.

        Bytes of a JSON array, ``[]`` when no bar fits; made faster than the rows where text is kept.
        """
        ...

    def fetch_bars(self, now: datetime) -> Mapping[str, Sequence[Bar]]:
        """Bars that closed since the last ones taken, where prices are live.

        By instrument; empty on a recording and when nothing closed. May block.
        """
        ...

    def take_bars(self, name: str, bars: Sequence[Bar], met_until: datetime) -> None:
        """Put fetched bars on the tape; ``met_until`` is how far resting orders have come.

        Also called for the calls of the journal; bars that are there already change nothing. A recording refuses them.
        """
        ...

    def met_until(self, now: datetime) -> datetime:
        """How far the tape is known at ``now``.

        At most ``now``; earlier where a live source is behind.
        """
        ...

    def fetch_book(self, name: str) -> Book | None:
        """The book of this moment, where prices are live.

        None on a recording, and while the source gives none. May block.
        """
        ...


class RecordedPrices:
    """A recording, known up to the market clock.

    Nothing here waits or fails for the network; text of bars is made when a series is first asked for.
    """

    is_live = False

    def __init__(self, recording: Recording) -> None:
        self.instruments: Mapping[str, Instrument] = recording.instruments
        self._recording = recording
        self.tape: BarTape = recording.tape()
        self._texts: dict[tuple[str, str], KlineText] = {}

    def fetch_bars(self, now: datetime) -> Mapping[str, Sequence[Bar]]:
        """Nothing is fetched."""
        del now
        return {}

    def take_bars(self, name: str, bars: Sequence[Bar], met_until: datetime) -> None:
        """A journal of live prices does not fit a recording.

        It is only called when a journal holds fetched bars: that database belongs to a live venue.
        """
        del bars, met_until
        raise DataError(f"the database holds live bars of {name}, which a recording has not; use another --db")

    def met_until(self, now: datetime) -> datetime:
        """All of the recording is known."""
        return now

    def fetch_book(self, name: str) -> Book | None:
        """Books are not recorded."""
        del name
        return None

    def klines(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> list[Kline]:
        """Bars of the recording up to ``now``; the running bar shows its open only.

        Coarser intervals than the recorded one are made from it; DataError for finer ones.
        """
        text, moment = self._text(instrument, interval), to_millis(now)
        return text.rows(*text.find(start, end, limit, moment), moment)

    def kline_body(self, instrument: str, interval: str, start: int, end: int, limit: int, now: datetime) -> bytes:
        """The same bars as the exchange's JSON, from cached text.

        Backfills ask for the same months again and again, so closed bars are rendered once.
        """
        text, moment = self._text(instrument, interval), to_millis(now)
        return text.body(*text.find(start, end, limit, moment), moment)

    def _text(self, instrument: str, interval: str) -> KlineText:
        key = (instrument, interval)
        if key not in self._texts:
            if interval not in TIMEFRAME_SECONDS:
                raise DataError(f"interval {interval}")
            recording = self._recording
            finest = recording.series_of(instrument)
            # A finer bar cannot be made from a coarser one; the exchange would say that the interval is invalid.
            if timeframe_seconds(interval) < timeframe_seconds(finest.timeframe):
                raise DataError(f"interval {interval}")
            if interval == finest.timeframe:
                frame = finest.bars
            else:
                frame = recording.as_bars(instrument, recording.first_open, recording.last_close, timeframe=interval)
            step = self.instruments[instrument].price_step
            self._texts[key] = KlineText(frame, step, timeframe_seconds(interval) * 1000)
        return self._texts[key]


def open_prices(options: VenueOptions) -> Prices:
    """The prices that a venue was told to serve.

    DataError when the options name neither; a recording wins when they name both.
    """
    if options.recording is not None:
        return RecordedPrices(options.recording)
    if options.live is None:
        raise DataError("a venue needs a recording or a live source of prices")
    return LivePrices(options.live, options.universe, options.timeframe)


def name_symbols(instruments: Mapping[str, Instrument]) -> dict[str, Instrument]:
    """Instruments by the exchange's symbol; DataError when two would have the same.

    A symbol is base and quote in one word, which is ambiguous once two venues serve the same pair.
    """
    symbols: dict[str, Instrument] = {}
    for instrument in instruments.values():
        symbol = instrument.base + instrument.quote
        if symbol in symbols:
            raise DataError(
                f"{instrument.id} and {symbols[symbol].id} would both be called {symbol}; serve one of them"
            )
        symbols[symbol] = instrument
    return symbols
