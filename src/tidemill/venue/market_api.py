"""Public endpoints: time, rules, bars, prices, book."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO
from tidemill.venue import errors
from tidemill.venue.parameters import Parameters, to_millis
from tidemill.venue.shapes import number, symbol_shape
from tidemill.venue.state import VenueState

DAY_BARS = 24
MOST_KLINES, DEFAULT_KLINES = 1000, 500
BOOK_LEVELS = 5


class MarketApi:
    """Answers that need no key."""

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
            "aggTrades": self.agg_trades,
        }

    def exchange_info(self, parameters: Parameters) -> dict[str, Any]:
        """Symbols with their trading rules."""
        return {
            "timezone": "UTC",
            "serverTime": to_millis(self.state.wall()),
            "rateLimits": [
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": self.state.options.weight_limit,
                }
            ],
            "exchangeFilters": [],
            "symbols": [symbol_shape(one) for one in self._chosen(parameters)],
        }

    def klines(self, parameters: Parameters) -> list[list[Any]]:
        """Bars up to the market clock."""
        instrument = self._one(parameters)
        interval = parameters.need("interval")
        limit = parameters.integer("limit")
        rows = self.state.prices.klines(
            instrument.id,
            interval,
            parameters.integer("startTime") or 0,
            parameters.integer("endTime") or 2**53,
            max(1, min(DEFAULT_KLINES if limit is None else limit, MOST_KLINES)),
            self.state.now,
        )
        return [[*row, "0", 0, "0", "0", "0"] for row in rows]

    def tickers(self, parameters: Parameters) -> Any:
        """Change over the last 24 bars."""
        return self._each(parameters, self._ticker)

    def prices(self, parameters: Parameters) -> Any:
        """Last price."""
        return self._each(parameters, lambda one: {"symbol": _symbol(one), "price": number(self._last(one))})

    def book_tickers(self, parameters: Parameters) -> Any:
        """Best bid and ask: the last price and one step off it."""

        def best(one: Instrument) -> dict[str, str]:
            last = self._last(one)
            size = number(one.lot_step * 1000)
            below, above = number(last - one.price_step), number(last + one.price_step)
            return {"symbol": _symbol(one), "bidPrice": below, "bidQty": size, "askPrice": above, "askQty": size}

        return self._each(parameters, best)

    def depth(self, parameters: Parameters) -> dict[str, Any]:
        """A few levels around the last price, one step apart."""
        one = self._one(parameters)
        last, size = self._last(one), number(one.lot_step * 1000)
        levels = range(1, BOOK_LEVELS + 1)
        return {
            "lastUpdateId": to_millis(self.state.now),
            "bids": [[number(last - level * one.price_step), size] for level in levels],
            "asks": [[number(last + level * one.price_step), size] for level in levels],
        }

    def trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        """The last price as one trade: single trades are not recorded."""
        one = self._one(parameters)
        price, when = number(self._last(one)), to_millis(self.state.now)
        shape = {"id": 1, "price": price, "qty": number(one.lot_step), "quoteQty": price, "time": when}
        return [{**shape, "isBuyerMaker": False, "isBestMatch": True}]

    def agg_trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        """As trades, in the aggregated shape."""
        one = self.trades(parameters)[0]
        head = {"a": 1, "p": one["price"], "q": one["qty"], "f": 1, "l": 1}
        return [{**head, "T": one["time"], "m": False, "M": True}]

    def _ticker(self, one: Instrument) -> dict[str, Any]:
        rows = self.state.prices.klines(one.id, self._interval(one), 0, 2**53, DAY_BARS, self.state.now)
        last = Decimal(rows[-1][4]) if rows else ZERO
        first = Decimal(rows[0][1]) if rows else ZERO
        return {
            "symbol": _symbol(one),
            "priceChange": number(last - first),
            "priceChangePercent": f"{(last / first - 1) * 100:.3f}" if first else "0.000",
            "weightedAvgPrice": number(last),
            "lastPrice": number(last),
            "lastQty": number(one.lot_step),
            "bidPrice": number(max(last - one.price_step, ZERO)),
            "bidQty": number(one.lot_step),
            "askPrice": number(last + one.price_step),
            "askQty": number(one.lot_step),
            "openPrice": number(first),
            "highPrice": number(max((Decimal(row[2]) for row in rows), default=ZERO)),
            "lowPrice": number(min((Decimal(row[3]) for row in rows), default=ZERO)),
            "volume": number(sum((Decimal(row[5]) for row in rows), ZERO)),
            "quoteVolume": "0.00000000",
            "openTime": rows[0][0] if rows else 0,
            "closeTime": rows[-1][6] if rows else 0,
            "firstId": -1,
            "lastId": -1,
            "count": 0,
        }

    def _last(self, one: Instrument) -> Decimal:
        rows = self.state.prices.klines(one.id, self._interval(one), 0, 2**53, 1, self.state.now)
        if not rows:
            raise errors.VenueError(-1013, "Market is closed.")
        return Decimal(rows[-1][4])

    def _interval(self, one: Instrument) -> str:
        recording = self.state.options.recording
        return recording.series_of(one.id).timeframe if recording else self.state.options.timeframe

    def _one(self, parameters: Parameters) -> Instrument:
        found = self.state.symbols.get(parameters.need("symbol"))
        if found is None:
            raise errors.INVALID_SYMBOL
        return found

    def _chosen(self, parameters: Parameters) -> list[Instrument]:
        names = parameters.text("symbols")
        if names is not None:
            wanted = [part.strip().strip('"') for part in names.strip("[]").split(",")]
            if any(one not in self.state.symbols for one in wanted):
                raise errors.INVALID_SYMBOL
            return [self.state.symbols[one] for one in wanted]
        return [self._one(parameters)] if parameters.text("symbol") else list(self.state.symbols.values())

    def _each(self, parameters: Parameters, shape: Callable[[Instrument], Any]) -> Any:
        made = [shape(one) for one in self._chosen(parameters)]
        return made[0] if parameters.text("symbol") else made


def _symbol(one: Instrument) -> str:
    return one.base + one.quote
