"""Public endpoints: time, rules, bars, prices, book."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tidemill.domain.market import Instrument, timeframe_seconds
from tidemill.domain.portfolio import ZERO
from tidemill.venue import errors
from tidemill.venue.parameters import Parameters, to_millis
from tidemill.venue.shapes import bar_trade, number, symbol_shape, ticker_shape
from tidemill.venue.state import VenueState

DAY_BARS = 24
MAX_KLINES, DEFAULT_KLINES = 1000, 500
BOOK_LEVELS = 20
FED_LEVELS = 100
AVERAGE_MINUTES = 5
TRADING = "TRADING"
MINI = (
    *("symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume"),
    *("openTime", "closeTime", "firstId", "lastId", "count"),
)


class MarketApi:
    """Answers that need no key.

    Routes by path below /api/v3; shapes are those of "Market Data endpoints". No price is later than the market clock.
    """

    def __init__(self, state: VenueState) -> None:
        self.state = state
        self.routes: Mapping[str, Callable[[Parameters], Any]] = {
            "ping": lambda _parameters: {},
            "time": lambda _parameters: {"serverTime": to_millis(self.state.wall())},
            "exchangeInfo": self.exchange_info,
            "klines": self.klines,
            "ticker/24hr": self.tickers,
            "ticker/price": self.prices,
            "ticker/bookTicker": self.book_tickers,
            "depth": self.depth,
            "trades": self.trades,
            "historicalTrades": self.trades,
            "aggTrades": self.agg_trades,
            "avgPrice": self.average,
            "uiKlines": self.klines,
        }

    def exchange_info(self, parameters: Parameters) -> dict[str, Any]:
        """Symbols with their trading rules."""
        return {
            "timezone": "UTC",
            "serverTime": to_millis(self.state.wall()),
            "rateLimits": self.state.usage.rows(),
            "exchangeFilters": [],
            "symbols": [symbol_shape(instrument) for instrument in self._select_instruments(parameters)],
        }

    def klines(self, parameters: Parameters) -> bytes:
        """Bars up to the market clock, as JSON made before."""
        instrument = self._need_instrument(parameters)
        interval = parameters.need("interval")
        if parameters.text("timeZone") not in {None, "0"}:  # bars are those of UTC
            raise errors.invalid("timeZone")
        return self.state.prices.kline_body(
            instrument.id,
            interval,
            parameters.moment("startTime") or 0,
            _end(parameters),
            _limit(parameters),
            self.state.now,
        )

    def tickers(self, parameters: Parameters) -> object:
        """Change over the last 24 bars; type=MINI leaves out the book and the change."""
        kind = parameters.text("type") or "FULL"
        if kind not in {"FULL", "MINI"}:
            raise errors.VenueError(-1139, "Invalid ticker type.")

        def shape(instrument: Instrument) -> dict[str, Any]:
            full = self.ticker(instrument)
            return full if kind == "FULL" else {name: full[name] for name in MINI}

        return self._each(parameters, shape)

    def prices(self, parameters: Parameters) -> object:
        """Last price."""
        return self._each(
            parameters,
            lambda instrument: {"symbol": _symbol(instrument), "price": number(self._last(instrument, self.state.now))},
        )

    def book_tickers(self, parameters: Parameters) -> object:
        """Best bid and ask: the last price and one step off it."""

        def best(instrument: Instrument) -> dict[str, str]:
            (bid, bid_size), (ask, ask_size) = self.best(instrument)
            return {
                "symbol": _symbol(instrument),
                "bidPrice": bid,
                "bidQty": bid_size,
                "askPrice": ask,
                "askQty": ask_size,
            }

        return self._each(parameters, best)

    def depth(self, parameters: Parameters) -> dict[str, Any]:
        """Levels of the book, see :meth:`book`."""
        limit = parameters.integer("limit")
        return self.book(self._need_instrument(parameters), limit)

    def best(self, instrument: Instrument) -> tuple[list[str], list[str]]:
        """Best bid and best ask as price and quantity; zeros for a side that is empty."""
        book, nothing = self.book(instrument, 1), [number(ZERO), number(ZERO)]
        return (book["bids"] or [nothing])[0], (book["asks"] or [nothing])[0]

    def book(self, instrument: Instrument, limit: int | None, moment: datetime | None = None) -> dict[str, Any]:
        """What is left of the book that was fed, else levels one step apart around the last price at ``moment``.

        None means now. Books are not recorded, so the levels stand for one.
        """
        at = self.state.now if moment is None else moment
        prices = self.state.prices
        fed = prices.fetch_book(instrument.id) if prices.is_live else self.state.exchange.book(instrument.id)
        if fed is not None:
            depth = max(1, limit or FED_LEVELS)
            sides = {name: [[number(a), number(b)] for a, b in getattr(fed, name)[:depth]] for name in ("bids", "asks")}
            return {"lastUpdateId": to_millis(at), **sides}
        last, size = self._last(instrument, at), number(instrument.lot_step * 1000)
        levels = range(1, max(1, min(limit or BOOK_LEVELS, BOOK_LEVELS)) + 1)
        bids = [last - level * instrument.price_step for level in levels]
        return {
            "lastUpdateId": to_millis(at),
            "bids": [[number(price), size] for price in bids if price > 0],
            "asks": [[number(last + level * instrument.price_step), size] for level in levels],
        }

    def trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        """One trade for each closed bar, its volume at its close: single trades are not recorded."""
        instrument = self._need_instrument(parameters)
        trades = self._bar_trades(instrument, 0, _end(parameters), _limit(parameters) + 1)
        return trades[-_limit(parameters) :]

    def agg_trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        """As trades, in the aggregated shape, from an id or within times.

        The id of a trade is its bar's open time in ms: ``fromId`` is a start. -1128 when times are sent too.
        """
        instrument, limit = self._need_instrument(parameters), _limit(parameters)
        first_id = parameters.integer("fromId")
        if first_id is not None and {"startTime", "endTime"} & set(parameters.values):
            raise errors.BAD_COMBINATION
        start = first_id + 1 if first_id is not None else parameters.moment("startTime") or 0
        trades = self._bar_trades(instrument, start, _end(parameters), limit + 1)
        return [
            {
                "a": trade["id"],
                "p": trade["price"],
                "q": trade["qty"],
                "f": trade["id"],
                "l": trade["id"],
                "T": trade["time"],
                "m": False,
                "M": True,
            }
            for trade in (trades[:limit] if start else trades[-limit:])
        ]

    def average(self, parameters: Parameters) -> dict[str, Any]:
        """The last price as the average of the last minutes: nothing finer is recorded."""
        last = number(self._last(self._need_instrument(parameters), self.state.now))
        return {"mins": AVERAGE_MINUTES, "price": last, "closeTime": to_millis(self.state.now)}

    def _bar_trades(self, instrument: Instrument, start: int, end: int, limit: int) -> list[dict[str, Any]]:
        """Closed bars whose close lies in [start, end] as trades."""
        now, interval = self.state.now, self.interval(instrument)
        length = timeframe_seconds(interval) * 1000
        from_open = max(start - length, 1) if start else 0
        rows = self.state.prices.klines(instrument.id, interval, from_open, end, limit, now)
        return [bar_trade(row) for row in rows if start <= row[6] <= end and row[6] < to_millis(now)]

    def ticker(self, instrument: Instrument) -> dict[str, Any]:
        """Change over the last 24 bars of one instrument."""
        rows = self.state.prices.klines(instrument.id, self.interval(instrument), 0, 2**53, DAY_BARS, self.state.now)
        if not rows:
            raise errors.CLOSED
        return ticker_shape(instrument, rows)

    def _last(self, instrument: Instrument, moment: datetime) -> Decimal:
        rows = self.state.prices.klines(instrument.id, self.interval(instrument), 0, 2**53, 1, moment)
        if not rows:
            raise errors.CLOSED
        return Decimal(rows[-1][4])

    def interval(self, instrument: Instrument) -> str:
        """The finest interval that there is of an instrument."""
        recording = self.state.options.recording
        return recording.series_of(instrument.id).timeframe if recording else self.state.options.timeframe

    def _need_instrument(self, parameters: Parameters) -> Instrument:
        instrument = self.state.symbols.get(parameters.symbol())
        if instrument is None:
            raise errors.INVALID_SYMBOL
        return instrument

    def _select_instruments(self, parameters: Parameters) -> list[Instrument]:
        names = parameters.text("symbols")
        status = parameters.text("symbolStatus") or TRADING
        if status not in {TRADING, "HALT", "BREAK"}:
            raise errors.VenueError(-1122, "Invalid symbolStatus.")
        if names is not None and parameters.text("symbol") is not None:
            raise errors.BAD_COMBINATION
        if status != TRADING:  # every symbol here trades
            return []
        if names is not None:
            symbols = [part.strip().strip('"') for part in names.strip("[]").split(",")]
            if any(symbol not in self.state.symbols for symbol in symbols):
                raise errors.INVALID_SYMBOL
            return [self.state.symbols[symbol] for symbol in symbols]
        return [self._need_instrument(parameters)] if parameters.text("symbol") else list(self.state.symbols.values())

    def _each(self, parameters: Parameters, shape: Callable[[Instrument], Any]) -> object:
        rows = [shape(instrument) for instrument in self._select_instruments(parameters)]
        if not parameters.text("symbol"):
            return rows
        if not rows:
            raise errors.VenueError(-1220, "The symbol's status does not match the requested symbolStatus.")
        return rows[0]


def _symbol(instrument: Instrument) -> str:
    return instrument.base + instrument.quote


def _limit(parameters: Parameters) -> int:
    sent = parameters.integer("limit")
    return max(1, min(DEFAULT_KLINES if sent is None else sent, MAX_KLINES))


def _end(parameters: Parameters) -> int:
    sent = parameters.moment("endTime")
    return 2**53 if sent is None else sent
