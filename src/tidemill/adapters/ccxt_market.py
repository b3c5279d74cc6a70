"""Bars and trading rules of an exchange, or of the paper venue, through ccxt."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from tidemill.adapters._ccxt import GRACE_SECONDS, LoopThread, OnPayload, build_exchange, unified_symbol
from tidemill.domain.errors import DataError, TransientError
from tidemill.domain.market import Instrument, timeframe_seconds, to_micros
from tidemill.ports import BAR_COLUMNS, Clock

log = logging.getLogger(__name__)
PAGE = 1000
BOOK_LEVELS = 50


class CcxtMarket:
    """The market source port on one ccxt client.

    ``assumed_delay_seconds`` None: a bar is known when it is received (market clock); a number: it is taken as
    known that long after its close, and marked as assumed. ``on_payload`` gets the raw answers.
    """

    def __init__(
        self,
        exchange_id: str,
        *,
        venue: str,
        rest_url: str = "",
        market_clock: Clock,
        assumed_delay_seconds: float | None = None,
        on_payload: OnPayload | None = None,
        timeout_seconds: float = 10.0,
    ) -> None:
        self._venue = venue
        self._clock = market_clock
        self._delay = assumed_delay_seconds
        self._on_payload = on_payload
        self._timeout = timeout_seconds
        self._exchange = build_exchange(exchange_id, rest_url=rest_url, timeout_seconds=timeout_seconds)
        self._exchange.enableLastHttpResponse = True
        self._thread = LoopThread(f"ccxt market {exchange_id}")
        self._markets: dict[str, Any] = {}

    def fetch_instruments(self) -> Sequence[Instrument]:
        """Active spot markets with their steps."""
        markets = self._call(self._exchange.load_markets())
        self._markets = markets
        found = [one for one in markets.values() if one.get("spot") and one.get("active") is not False]
        return [self._to_instrument(one) for one in found]

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """See the port; the bar that has not closed by the market clock is dropped."""
        length = timeframe_seconds(timeframe) * 1000
        symbol = self._known_symbol(instrument, timeframe)
        now = self._clock.now()
        last = min(to_micros(end) // 1000 - 1, to_micros(now) // 1000 - length)
        rows: list[Sequence[Any]] = []
        since = to_micros(start) // 1000
        while since <= last:
            page = self._fetch_page(instrument, symbol, timeframe, since, last)
            rows += page
            if len(page) < PAGE:
                break
            since = int(page[-1][0]) + length
        return self._to_frame(instrument, rows, since_micros=to_micros(start), last=last, length=length, now=now)

    def fetch_book(self, instrument: str) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Bids and asks as (price, quantity), best first: the best levels that the exchange tells at once."""
        symbol = self._known_symbol(instrument)
        found = self._call(self._exchange.fetch_order_book(symbol, BOOK_LEVELS))
        bids, asks = ([(float(row[0]), float(row[1])) for row in found[side]] for side in ("bids", "asks"))
        return bids, asks

    def close(self) -> None:
        """Close the client and its thread."""
        self._thread.run(self._exchange.close(), GRACE_SECONDS)
        self._thread.close()

    def _fetch_page(self, instrument: str, symbol: str, timeframe: str, since: int, last: int) -> list[Any]:
        """One page of raw klines, in one pass where the protocol is known, else through ccxt's parser."""
        if hasattr(self._exchange, "public_get_klines"):
            market = self._markets[symbol]["id"]
            request = {"symbol": market, "interval": timeframe, "startTime": since, "endTime": last, "limit": PAGE}
            page: list[Any] = self._call(self._exchange.public_get_klines(request))
        else:
            page = self._call(self._exchange.fetch_ohlcv(symbol, timeframe, since, PAGE))
        body = self._exchange.last_http_response
        if self._on_payload is not None and page and body:
            self._on_payload(f"{instrument} {timeframe} from {since}", str(body).encode())
        return page

    def _to_frame(
        self, instrument: str, rows: list[Sequence[Any]], *, since_micros: int, last: int, length: int, now: datetime
    ) -> pd.DataFrame:
        values = np.array([row[:6] for row in rows], dtype=np.float64).reshape(len(rows), 6)
        opens = values[:, 0].astype(np.int64)
        kept = (opens <= last) & (opens * 1000 >= since_micros)
        opens, values = opens[kept], values[kept]
        times = pd.DatetimeIndex((opens * 1000).astype("datetime64[us]")).tz_localize("UTC")
        frame = pd.DataFrame(
            {
                "instrument": pd.Series([instrument] * len(opens), dtype="str"),
                "open_time": times,
                **{name: values[:, index + 1] for index, name in enumerate(("open", "high", "low", "close", "volume"))},
                "knowledge_time": self._known(times, length, now),
                "assumed": self._delay is not None,
            }
        )
        return frame[list(BAR_COLUMNS)]

    def _known(self, opens: pd.DatetimeIndex, length: int, now: datetime) -> Any:
        if self._delay is None:
            return pd.DatetimeIndex([now] * len(opens), tz="UTC").as_unit("us")
        return opens + timedelta(milliseconds=length) + timedelta(seconds=self._delay)

    def _known_symbol(self, instrument: str, timeframe: str | None = None) -> str:
        if not self._markets:
            self.fetch_instruments()
        symbol = unified_symbol(instrument)
        if symbol not in self._markets:
            raise DataError(f"{instrument} is not traded at {self._venue}; check the universe in the settings")
        if timeframe is not None and timeframe not in self._exchange.timeframes:
            raise DataError(f"{self._venue} has no bars of {timeframe}")
        return symbol

    def _to_instrument(self, market: dict[str, Any]) -> Instrument:
        filters = {one["filterType"]: one for one in market["info"].get("filters", [])}
        price, lot = market["precision"]["price"], market["precision"]["amount"]
        cost = market["limits"]["cost"]["min"]
        if filters:
            price, lot = filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]
            cost = filters.get("NOTIONAL", {}).get("minNotional", cost)
        return Instrument(
            venue=self._venue,
            base=market["base"],
            quote=market["quote"],
            price_step=_exact(price),
            lot_step=_exact(lot),
            min_notional=_exact(cost or 0),
        )

    def _call(self, work: Any) -> Any:
        """Run one request; what the network or the exchange does wrong becomes our own error."""
        import ccxt

        try:
            return self._thread.run(work, self._timeout + GRACE_SECONDS)
        except (ccxt.BadSymbol, ccxt.BadRequest, ccxt.NotSupported) as error:
            raise DataError(f"{self._venue} refused the request for market data: {_short(error)}") from error
        except (ccxt.BaseError, TimeoutError) as error:
            raise TransientError(f"{self._venue} does not answer: {_short(error)}") from error


def _exact(value: Any) -> Decimal:
    """A step as an exact decimal, from text where the exchange gives text."""
    return Decimal(str(value)).normalize()


def _short(error: BaseException) -> str:
    return f"{type(error).__name__} {str(error)[:160]}"
