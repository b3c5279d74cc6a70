"""Bars and trading rules of an exchange, or of the paper venue, through ccxt."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tidemill.adapters.ccxt._klines import Page, from_rows, parse_klines
from tidemill.adapters.ccxt._pages import KlineText, OnPayloads
from tidemill.adapters.ccxt._untyped import Answer
from tidemill.adapters.ccxt.calls import FIRST_BAR_MS, need_empty, need_times, shape_checked
from tidemill.adapters.ccxt.client import MarketAccess, build_caller, find_market, is_offered, need_timeframe, page_size
from tidemill.adapters.ccxt.exchange import BINANCE_SPOT
from tidemill.domain.market import Instrument, format_time, from_micros, timeframe_seconds, to_micros
from tidemill.domain.series import NotKept
from tidemill.ports import BAR_COLUMNS, Clock
from tidemill.ports.frames import OHLCV

log = logging.getLogger(__name__)
PAGE, PAGES_HELD = 1000, 50
BOOK_LEVELS = 50
ALONE = MarketAccess()


class _Payloads:
    """Raw answers on their way to who keeps them, not more than a few pages held at a time."""

    def __init__(self, keep: OnPayloads | None) -> None:
        self._keep = keep
        self._waiting: list[tuple[str, bytes]] = []

    def add(self, request: str, body: str) -> None:
        if self._keep is not None and body:
            self._waiting.append((request, body.encode()))
            if len(self._waiting) >= PAGES_HELD:
                self.hand_over()

    def hand_over(self) -> None:
        if self._keep is not None and self._waiting:
            waiting, self._waiting = self._waiting, []
            self._keep(waiting)


class CcxtMarket:
    """The market source port on one ccxt client.

    ``assumed_delay_seconds`` None: a bar is known when it is received (market clock); a number: it is taken as
    known that long after its close, and marked as assumed. ``on_payloads`` gets the raw answers of
    a fetch, some pages at a time, as (request, body).
    """

    def __init__(
        self,
        exchange_id: str,
        *,
        venue: str,
        rest_url: str = "",
        market_clock: Clock,
        assumed_delay_seconds: float | None = None,
        on_payloads: OnPayloads | None = None,
        timeout_seconds: float = 10.0,
        access: MarketAccess = ALONE,
    ) -> None:
        self._venue = venue
        self._clock = market_clock
        self._delay = assumed_delay_seconds
        self._on_payloads = on_payloads
        self._access = access
        self._exchange, self._caller = build_caller(
            exchange_id, venue, rest_url=rest_url, timeout_seconds=timeout_seconds, access=access
        )
        self._markets: dict[str, Any] = {}

    def fetch_instruments(self) -> Sequence[Instrument]:
        """Active markets of the chosen kind with their steps."""
        markets = self._caller.call(self._exchange.load_markets)
        self._markets = markets
        with shape_checked(self._venue):
            offered = [market for market in markets.values() if is_offered(market, self._access.kind)]
            return [self._to_instrument(market) for market in offered if market.get("active") is not False]

    def fetch_time(self) -> datetime:
        """The venue's own clock."""
        return from_micros(int(self._caller.call(self._exchange.fetch_time)) * 1000)

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """BARS with ``start`` <= open_time < ``end`` that have closed, ascending; may be empty.

        The bar that has not closed by the market clock is dropped.
        """
        with shape_checked(self._venue):
            return self._fetch_bars(instrument, timeframe, start, end)

    def _fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        length = timeframe_seconds(timeframe) * 1000
        symbol = self._known_symbol(instrument, timeframe)
        now = self._clock.now()
        first, last = to_micros(start) // 1000, min(to_micros(end) // 1000 - 1, to_micros(now) // 1000 - length)
        pages: list[Page] = []
        with self._payloads() as payloads:
            if self._exchange.id in BINANCE_SPOT and self._access.kind == "spot":
                pages += self._fetch_pages(instrument, symbol, timeframe, first, last, payloads)
            else:
                pages.append(from_rows(list(self._fetch_windows(instrument, symbol, timeframe, first, last, payloads))))
        opens = np.concatenate([np.empty(0, np.int64), *(page[0] for page in pages)])
        values = np.concatenate([np.empty((0, 5)), *(page[1] for page in pages)])
        need_times(opens, now, self._venue)
        inside = (opens <= last) & (opens * 1000 >= to_micros(start))
        return self._to_frame(instrument, opens[inside], values[inside], length=length, now=now)

    def fetch_book(self, instrument: str) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Bids and asks as (price, quantity), best first: the best levels that the exchange tells at once."""
        symbol = self._known_symbol(instrument)
        book = self._caller.call(partial(self._exchange.fetch_order_book, symbol, BOOK_LEVELS))
        with shape_checked(self._venue):
            bids, asks = ([(float(row[0]), float(row[1])) for row in book[side]] for side in ("bids", "asks"))
        return bids, asks

    def close(self) -> None:
        """Close the client and its thread."""
        self._caller.close()

    def _fetch_pages(
        self, instrument: str, symbol: str, timeframe: str, since: int, last: int, payloads: _Payloads
    ) -> Iterator[Page]:
        """Pages of klines of Binance's protocol, read in one pass over their text."""
        request = {"symbol": self._markets[symbol]["id"], "interval": timeframe, "endTime": last, "limit": PAGE}
        while since <= last:
            ask = partial(self._exchange.public_get_klines, {**request, "startTime": since})
            answer, body = self._caller.ask(ask, as_text=True)
            opens, values = parse_klines(answer.text) if isinstance(answer, KlineText) else from_rows(answer)
            if len(opens):
                payloads.add(f"{instrument} {timeframe} from {since}", body)
            else:
                need_empty(body, self._venue)
            yield opens, values
            if len(opens) < PAGE:
                return
            since = int(opens[-1]) + timeframe_seconds(timeframe) * 1000

    def _fetch_windows(
        self, instrument: str, symbol: str, timeframe: str, since: int, last: int, payloads: _Payloads
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
            ask = partial(self._exchange.fetch_ohlcv, symbol, timeframe, since, size, {"until": until})
            page, body = self._caller.ask(ask)
            rows = sorted(page, key=lambda row: int(row[0]))
            if not rows:
                need_empty(body, self._venue)
            else:
                payloads.add(f"{instrument} {timeframe} from {since}", body)
                # a full answer of later bars; one that is not full begins with the first bar that was traded
                if int(rows[0][0]) > last and len(rows) >= size:
                    raise _not_kept(self._venue, instrument, timeframe, int(rows[0][0]))
            yield from (row for row in rows if int(row[0]) > newest)
            newest = max([newest, *(int(row[0]) for row in rows)])
            # a venue that keeps only the newest bars answers with those: what is before them is not asked for
            since = max(until + 1, int(rows[0][0]) if rows else 0)

    @contextmanager
    def _payloads(self) -> Iterator[_Payloads]:
        """Raw answers of one fetch; what came before a failure is kept too."""
        payloads = _Payloads(self._on_payloads)
        try:
            yield payloads
        finally:
            payloads.hand_over()

    def _to_frame(
        self, instrument: str, opens: np.ndarray, values: np.ndarray, *, length: int, now: datetime
    ) -> pd.DataFrame:
        times = pd.DatetimeIndex((opens * 1000).astype("datetime64[us]")).tz_localize("UTC")
        frame = pd.DataFrame(
            {
                "instrument": pd.Series([instrument] * len(opens), dtype="str"),
                "open_time": times,
                **{name: values[:, index] for index, name in enumerate(OHLCV)},
                "knowledge_time": self._knowledge_times(times, length, now),
                "assumed": self._delay is not None,
            }
        )
        return frame[list(BAR_COLUMNS)]

    def _knowledge_times(self, opens: pd.DatetimeIndex, length: int, now: datetime) -> Answer:
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
        filters = {row["filterType"]: row for row in market["info"].get("filters", [])}
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
            listed_from=_listed_from(market.get("created")),
        )


def _not_kept(venue: str, instrument: str, timeframe: str, first: int) -> NotKept:
    moment = from_micros(first * 1000)
    return NotKept(
        f"{venue} keeps no bars of {instrument} {timeframe} before {format_time(moment)}; "
        "older ones come from a file: tidemill data import",
        first=moment,
    )


def _listed_from(created: Answer) -> datetime | None:
    """Since when a market is traded, where ccxt tells it (milliseconds)."""
    return from_micros(int(created) * 1000) if created and int(created) >= FIRST_BAR_MS else None


def _exact(value: Answer) -> Decimal:
    """A step as an exact decimal, from text where the exchange gives text."""
    return Decimal(str(value)).normalize()
