"""Public endpoints: time, rules, bars, prices, book, trades.

By the pages "Get Bybit Server Time", "Get Instruments Info", "Get Kline", "Get Tickers", "Get Orderbook" and "Get
Recent Public Trades". Bars and trades come the newest first, where the other protocol has the oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument, timeframe_seconds
from tidemill.venue.bybit import errors
from tidemill.venue.bybit.calls import Call
from tidemill.venue.bybit.shapes import instrument_shape, plain
from tidemill.venue.market_api import MarketApi
from tidemill.venue.parameters import Parameters, to_millis
from tidemill.venue.state import VenueState

MINUTES = {"1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m"}
HOURS = {"60": "1h", "120": "2h", "240": "4h", "360": "6h", "720": "12h"}
INTERVALS = MINUTES | HOURS | {"D": "1d", "W": "1w", "M": "1M"}
LONG_AFTER = 2**53
Route = Callable[[Call], Any]


class BybitMarket:
    """Answers that need no key; what is known of prices is the other protocol's.

    Only shapes and names are its own, so the two protocols cannot disagree about a price.
    """

    def __init__(self, state: VenueState, market: MarketApi) -> None:
        self._state = state
        self._market = market
        self.routes: Mapping[str, Route] = {
            "market/time": self.time,
            "market/instruments-info": self.instruments,
            "market/kline": self.klines,
            "market/tickers": self.tickers,
            "market/orderbook": self.book,
            "market/recent-trade": self.trades,
        }

    def time(self, _call: Call) -> dict[str, str]:
        """The wall clock.

        In seconds and in nanoseconds, the latter exact to the millisecond only.
        """
        millis = to_millis(self._state.wall())
        return {"timeSecond": str(millis // 1000), "timeNano": str(millis * 1_000_000)}

    def instruments(self, call: Call) -> dict[str, Any]:
        """Trading rules of one symbol or all."""
        return {
            "category": "spot",
            "nextPageCursor": "",
            "list": [instrument_shape(instrument) for instrument in self._select_instruments(call)],
        }

    def klines(self, call: Call) -> dict[str, Any]:
        """Bars, the newest first: the latest, or from the one that contains ``start`` on.

        ``interval`` is minutes or D, W, M; ``limit`` 200 unless sent, at most 1,000. Turnover is close times volume.
        """
        instrument, sent = self._need_instrument(call), call.need("interval")
        interval = INTERVALS.get(sent)
        start, end = call.integer("start"), call.integer("end")
        try:
            length = timeframe_seconds(interval or sent) * 1000
            # The bar that contains the start belongs to the answer here; the other protocol begins with the next one.
            begin = max(start - length + 1, 1) if start else 0
            until = LONG_AFTER if end is None else end
            limit = call.limit(200, 1000)
            rows = self._state.prices.klines(instrument.id, interval or sent, begin, until, limit, self._state.now)
        except DataError as error:
            raise errors.bad_parameter("Invalid period!") from error
        listed = [
            [str(row[0]), *map(_short, row[1:6]), plain(Decimal(row[4]) * Decimal(row[5]))] for row in reversed(rows)
        ]
        return {"category": "spot", "symbol": instrument.base + instrument.quote, "list": listed}

    def tickers(self, call: Call) -> dict[str, Any]:
        """Last price, best prices, and the change over the last day."""
        return {"category": "spot", "list": [self._ticker(instrument) for instrument in self._select_instruments(call)]}

    def book(self, call: Call) -> dict[str, Any]:
        """Levels of the book.

        One level unless ``limit`` asks for more. All times and sequence numbers in it are the market clock in ms.
        """
        instrument = self._need_instrument(call)
        book = self._market.book(instrument, call.limit(1, 1000))
        moment = book["lastUpdateId"]
        head = {"s": instrument.base + instrument.quote, "ts": moment, "u": moment, "seq": moment, "cts": moment}
        bids, asks = ([[_short(text) for text in level] for level in book[side]] for side in ("bids", "asks"))
        return head | {"b": bids, "a": asks}

    def trades(self, call: Call) -> dict[str, Any]:
        """One trade for each closed bar, the newest first: single trades are not recorded.

        At most 60, as for spot on the exchange. The side is always Buy: it is not recorded.
        """
        instrument, limit = self._need_instrument(call), call.limit(60, 60)
        symbol = instrument.base + instrument.quote
        # The other protocol's own parameters, unsigned: its endpoint is public.
        trades = self._market.trades(Parameters({"symbol": symbol, "limit": str(limit)}, ""))
        listed = [
            {
                "execId": str(row["id"]),
                "symbol": symbol,
                "price": _short(row["price"]),
                "size": _short(row["qty"]),
                "side": "Buy",
                "time": str(row["time"]),
                "isBlockTrade": False,
                "isRPITrade": False,
                "seq": str(row["id"]),
            }
            for row in reversed(trades)
        ]
        return {"category": "spot", "list": listed}

    def _ticker(self, instrument: Instrument) -> dict[str, str]:
        full = self._market.ticker(instrument)
        (bid, bid_size), (ask, ask_size) = self._market.best(instrument)
        ticker = {
            "bid1Price": bid,
            "bid1Size": bid_size,
            "ask1Price": ask,
            "ask1Size": ask_size,
            "lastPrice": full["lastPrice"],
            "prevPrice24h": full["openPrice"],
            "highPrice24h": full["highPrice"],
            "lowPrice24h": full["lowPrice"],
            "turnover24h": full["quoteVolume"],
            "volume24h": full["volume"],
        }
        change = f"{Decimal(full['lastPrice']) / Decimal(full['openPrice']) - 1:.4f}"
        head = {"symbol": full["symbol"], "price24hPcnt": change, "usdIndexPrice": ""}
        return head | {name: _short(text) for name, text in ticker.items()}

    def _need_instrument(self, call: Call) -> Instrument:
        call.check_category()
        instrument = self._state.symbols.get(call.need("symbol"))
        if instrument is None:
            raise errors.bad_parameter("Symbol Is Invalid")
        return instrument

    def _select_instruments(self, call: Call) -> list[Instrument]:
        call.check_category()
        return [self._need_instrument(call)] if call.text("symbol") else list(self._state.symbols.values())


def _short(text: str) -> str:
    """A number without the padding of the other protocol."""
    return plain(Decimal(text))
