"""The market's streams: bars, trades, prices and book, told when the market clock moves.

Single trades are not recorded: every bar is told as one trade, of its volume at its close.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument
from tidemill.venue.market_api import MarketApi
from tidemill.venue.parameters import to_millis
from tidemill.venue.shapes import bar_trade
from tidemill.venue.state import VenueState

MAX_BARS = 1000
STREAM = re.compile(
    r"(?P<symbol>[a-z0-9]{1,30})@(?P<kind>kline_\w{2,3}|trade|aggTrade|ticker|miniTicker|bookTicker|avgPrice"
    r"|depth(?P<levels>5|10|20)?)(@(?P<speed>100ms|1000ms))?"
)
ALL_MARKET = {"!ticker@arr": "ticker", "!miniTicker@arr": "miniTicker", "!bookTicker": "bookTicker"}


class MarketStreams:
    """Events of a stream by its name; an unknown name is a stream on which nothing is ever told.

    Names and shapes are those of the page "WebSocket Streams"; ``market`` answers what REST would say, so both agree.
    """

    def __init__(self, state: VenueState, market: MarketApi) -> None:
        self._state = state
        self._market = market
        # Per instrument: when its book was last told, what it was before, and what was told; the same to all.
        self._published: dict[str, tuple[datetime, dict[str, Any], dict[str, Any]]] = {}
        self._kinds: dict[str, Callable[[Instrument, datetime, datetime], Iterator[Any]]] = {
            "trade": self._trades,
            "aggTrade": self._agg_trades,
            "ticker": self._ticker,
            "miniTicker": self._mini_ticker,
            "bookTicker": self._book_ticker,
            "avgPrice": self._average,
            "depth": self._book_changes,
        }

    def events(self, name: str, since: datetime, until: datetime) -> Iterator[Any]:
        """What a stream tells of the time between two stands of the market clock.

        Bars and trades: all that closed in between. Tickers and books: the state at the end, once, however far the
        clock has moved. An unknown name gives nothing.
        """
        if name in ALL_MARKET:
            tell = self._kinds[ALL_MARKET[name]]
            events = [event for instrument in self._state.symbols.values() for event in tell(instrument, since, until)]
            # The array streams tell all symbols in one message, the others one message a symbol.
            yield from [events] if name.endswith("@arr") else events
            return
        parts = STREAM.fullmatch(name)
        instrument = self._state.symbols.get(parts["symbol"].upper()) if parts else None
        if parts is None or instrument is None:
            return
        if parts["kind"].startswith("kline_"):
            yield from self._klines(instrument, parts["kind"].removeprefix("kline_"), since, until)
        elif parts["levels"]:
            yield self._market.book(instrument, int(parts["levels"]))
        else:
            yield from self._kinds[parts["kind"]](instrument, since, until)

    def _klines(self, instrument: Instrument, interval: str, since: datetime, until: datetime) -> Iterator[Any]:
        """Every bar closed since then, and the running one."""
        begin, now = to_millis(since), to_millis(until)
        try:
            rows = self._state.prices.klines(instrument.id, interval, 0, 2**53, MAX_BARS, until)
        except DataError:
            return
        for row in rows:
            opened, first, high, low, close, volume, closed = row
            if closed < begin:
                continue
            bar = {
                "t": opened,
                "T": closed,
                "s": instrument.base + instrument.quote,
                "i": interval,
                "f": -1,
                "L": -1,
                "o": first,
                "c": close,
                "h": high,
                "l": low,
                "v": volume,
                "n": 0,
                "x": closed < now,
                "q": "0",
                "V": "0",
                "Q": "0",
                "B": "0",
            }
            yield {"e": "kline", "E": now, "s": bar["s"], "k": bar}

    def _closed(self, instrument: Instrument, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
        begin, now = to_millis(since), to_millis(until)
        rows = self._state.prices.klines(instrument.id, self._market.interval(instrument), 0, 2**53, MAX_BARS, until)
        return (bar_trade(row) for row in rows if begin <= row[6] < now)

    def _trades(self, instrument: Instrument, since: datetime, until: datetime) -> Iterator[Any]:
        for trade in self._closed(instrument, since, until):
            yield self._head("trade", instrument, until) | {
                "t": trade["id"],
                "p": trade["price"],
                "q": trade["qty"],
                "T": trade["time"],
                "m": False,
                "M": True,
            }

    def _agg_trades(self, instrument: Instrument, since: datetime, until: datetime) -> Iterator[Any]:
        for trade in self._closed(instrument, since, until):
            yield self._head("aggTrade", instrument, until) | {
                "a": trade["id"],
                "p": trade["price"],
                "q": trade["qty"],
                "f": trade["id"],
                "l": trade["id"],
                "T": trade["time"],
                "m": False,
                "M": True,
            }

    def _ticker(self, instrument: Instrument, _since: datetime, until: datetime) -> Iterator[Any]:
        full = self._market.ticker(instrument)
        names = {
            "p": "priceChange",
            "P": "priceChangePercent",
            "w": "weightedAvgPrice",
            "x": "prevClosePrice",
            "c": "lastPrice",
            "Q": "lastQty",
            "b": "bidPrice",
            "B": "bidQty",
            "a": "askPrice",
            "A": "askQty",
            "o": "openPrice",
            "h": "highPrice",
            "l": "lowPrice",
            "v": "volume",
            "q": "quoteVolume",
            "O": "openTime",
            "C": "closeTime",
            "F": "firstId",
            "L": "lastId",
            "n": "count",
        }
        yield self._head("24hrTicker", instrument, until) | {short: full[name] for short, name in names.items()}

    def _mini_ticker(self, instrument: Instrument, since: datetime, until: datetime) -> Iterator[Any]:
        full = next(self._ticker(instrument, since, until))
        names = ("c", "o", "h", "l", "v", "q")
        yield self._head("24hrMiniTicker", instrument, until) | {name: full[name] for name in names}

    def _book_ticker(self, instrument: Instrument, _since: datetime, _until: datetime) -> Iterator[Any]:
        (bid, bid_size), (ask, ask_size) = self._market.best(instrument)
        head = {"u": to_millis(self._state.now), "s": instrument.base + instrument.quote}
        yield head | {"b": bid, "B": bid_size, "a": ask, "A": ask_size}

    def _average(self, instrument: Instrument, _since: datetime, until: datetime) -> Iterator[Any]:
        price = self._market.ticker(instrument)["lastPrice"]
        yield self._head("avgPrice", instrument, until) | {"i": "5m", "w": price, "T": to_millis(until)}

    def _book_changes(self, instrument: Instrument, since: datetime, until: datetime) -> Iterator[Any]:
        """Levels that went (quantity 0) and levels that are, numbered by the clock without a gap.

        A book that was fed or dropped is told with the clock's next move.
        """
        published = self._published.get(instrument.id)
        # Several names show the same book (speeds, listeners): what changed is worked out once for all.
        if published is None or published[0] != until:
            old = published[2] if published else self._market.book(instrument, None, since)
            published = self._published[instrument.id] = until, old, self._market.book(instrument, None, until)
        _, old, new = published
        event = self._head("depthUpdate", instrument, until) | {"U": to_millis(since) + 1, "u": to_millis(until)}
        for short, side in (("b", "bids"), ("a", "asks")):
            now = dict(new[side])
            # A level that is gone must be told as zero: clients keep books by applying changes.
            removed = [[price, "0.00000000"] for price, _ in old[side] if price not in now]
            event[short] = [*removed, *new[side]]
        yield event

    @staticmethod
    def _head(kind: str, instrument: Instrument, until: datetime) -> dict[str, Any]:
        return {"e": kind, "E": to_millis(until), "s": instrument.base + instrument.quote}
