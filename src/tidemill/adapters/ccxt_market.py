"""Bars and trading rules of an exchange, or of the paper venue, through ccxt."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tidemill.adapters._ccxt import BINANCE_SPOT, OnPayload
from tidemill.adapters._ccxt_calls import need_empty, shape_checked
from tidemill.adapters._ccxt_client import (
    MarketAccess,
    build_caller,
    find_market,
    is_offered,
    need_timeframe,
    page_size,
)
from tidemill.domain.market import Instrument, format_time, from_micros, timeframe_seconds, to_micros
from tidemill.domain.series import NotKept
from tidemill.ports import BAR_COLUMNS, Clock

log = logging.getLogger(__name__)
PAGE = 1000
BOOK_LEVELS = 50
ALONE = MarketAccess()


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
        access: MarketAccess = ALONE,
    ) -> None:
        self._venue = venue
        self._clock = market_clock
        self._delay = assumed_delay_seconds
        self._on_payload = on_payload
        self._access = access
        self._exchange, self._caller = build_caller(
            exchange_id, venue, rest_url=rest_url, timeout_seconds=timeout_seconds, access=access
        )
        self._exchange.enableLastHttpResponse = True
        self._markets: dict[str, Any] = {}

    def fetch_instruments(self) -> Sequence[Instrument]:
        """Active markets of the chosen kind with their steps."""
        markets = self._caller.call(self._exchange.load_markets)
        self._markets = markets
        with shape_checked(self._venue):
            found = [one for one in markets.values() if is_offered(one, self._access.kind)]
            return [self._to_instrument(one) for one in found if one.get("active") is not False]

    def fetch_time(self) -> datetime:
        """The venue's own clock."""
        return from_micros(int(self._caller.call(self._exchange.fetch_time)) * 1000)

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """See the port; the bar that has not closed by the market clock is dropped."""
        with shape_checked(self._venue):
            bars = self._fetch_bars(instrument, timeframe, start, end)
            if not len(bars) and self._exchange.id in BINANCE_SPOT:
                need_empty(self._exchange.last_http_response, self._venue)
            return bars

    def _fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        length = timeframe_seconds(timeframe) * 1000
        symbol = self._known_symbol(instrument, timeframe)
        now = self._clock.now()
        last = min(to_micros(end) // 1000 - 1, to_micros(now) // 1000 - length)
        rows: list[Sequence[Any]] = []
        since = to_micros(start) // 1000
        if self._exchange.id not in BINANCE_SPOT:
            rows = list(self._fetch_windows(instrument, symbol, timeframe, since, last))
            return self._to_frame(instrument, rows, since_micros=to_micros(start), last=last, length=length, now=now)
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
        found = self._caller.call(partial(self._exchange.fetch_order_book, symbol, BOOK_LEVELS))
        with shape_checked(self._venue):
            bids, asks = ([(float(row[0]), float(row[1])) for row in found[side]] for side in ("bids", "asks"))
        return bids, asks

    def close(self) -> None:
        """Close the client and its thread."""
        self._caller.close()

    def _fetch_page(self, instrument: str, symbol: str, timeframe: str, since: int, last: int) -> list[Any]:
        """One page of raw klines of Binance's protocol."""
        market = self._markets[symbol]["id"]
        request = {"symbol": market, "interval": timeframe, "startTime": since, "endTime": last, "limit": PAGE}
        page: list[Any] = self._caller.call(lambda: self._exchange.public_get_klines(request))
        self._keep(f"{instrument} {timeframe} from {since}", told=bool(page))
        return page

    def _fetch_windows(
        self, instrument: str, symbol: str, timeframe: str, since: int, last: int
    ) -> Iterator[Sequence[Any]]:
        """Rows through ccxt's parser, ascending and each once.

        Asked for in windows of as many bars as the venue gives at once: venues differ in which end of a longer
        range they answer, and an empty window is no end.
        """
        length = timeframe_seconds(timeframe) * 1000
        size = page_size(self._exchange, symbol)
        newest = -1
        while since <= last:
            until = min(last, since + size * length - 1)
            page = self._caller.call(
                partial(self._exchange.fetch_ohlcv, symbol, timeframe, since, size, {"until": until})
            )
            self._keep(f"{instrument} {timeframe} from {since}", told=bool(page))
            rows = sorted(page, key=lambda one: int(one[0]))
            if not rows:
                need_empty(self._exchange.last_http_response, self._venue)
            elif int(rows[0][0]) > last:
                raise _not_kept(self._venue, instrument, timeframe, int(rows[0][0]))
            yield from (row for row in rows if int(row[0]) > newest)
            newest = max([newest, *(int(row[0]) for row in rows)])
            # a venue that keeps only the newest bars answers with those: what is before them is not asked for
            since = max(until + 1, int(rows[0][0]) if rows else 0)

    def _keep(self, request: str, *, told: bool) -> None:
        body = self._exchange.last_http_response
        if self._on_payload is not None and told and body:
            self._on_payload(request, str(body).encode())

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
        market = find_market(self._markets, instrument, self._venue, self._access.kind)
        if timeframe is not None:
            need_timeframe(self._exchange, timeframe, self._venue)
        return str(market["symbol"])

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


def _not_kept(venue: str, instrument: str, timeframe: str, first: int) -> NotKept:
    moment = from_micros(first * 1000)
    return NotKept(
        f"{venue} keeps no bars of {instrument} {timeframe} before {format_time(moment)}; "
        "older ones come from a file: tidemill data import",
        first=moment,
    )


def _exact(value: Any) -> Decimal:
    """A step as an exact decimal, from text where the exchange gives text."""
    return Decimal(str(value)).normalize()
