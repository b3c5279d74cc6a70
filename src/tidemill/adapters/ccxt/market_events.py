"""Trades, order books, funding rates and open interest of an exchange, through ccxt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tidemill.adapters.ccxt._untyped import Answer
from tidemill.adapters.ccxt.calls import Work, shape_checked
from tidemill.adapters.ccxt.client import MarketAccess, build_caller, find_market
from tidemill.adapters.ccxt.exchange import OnPayload
from tidemill.domain.errors import DataError
from tidemill.domain.market import to_micros
from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind
from tidemill.ports import Clock

PAGE = 1000
WINDOW = 200
"""Records asked for at once where their distance is known: funding at most hourly, open interest every 5 minutes."""
HOUR_MS, INTEREST_MS = 3_600_000, 300_000
CAN = {
    MarketEventKind.TRADES: "fetchTrades",
    MarketEventKind.BOOKS: "fetchOrderBook",
    MarketEventKind.FUNDING: "fetchFundingRateHistory",
    MarketEventKind.OPEN_INTEREST: "fetchOpenInterestHistory",
}
ALONE = MarketAccess()
Item = Mapping[str, Any]


class CcxtMarketEvents:
    """The record source port on one ccxt client.

    A record is known when it is received (market clock). ``depth``: levels of a book on each side.
    """

    def __init__(
        self,
        exchange_id: str,
        *,
        venue: str,
        rest_url: str = "",
        market_clock: Clock,
        depth: int = 20,
        on_payload: OnPayload | None = None,
        timeout_seconds: float = 10.0,
        access: MarketAccess = ALONE,
    ) -> None:
        self._venue = venue
        self._clock = market_clock
        self._depth = depth
        self._on_payload = on_payload
        self._kind = access.kind
        self._exchange, self._caller = build_caller(
            exchange_id, venue, rest_url=rest_url, timeout_seconds=timeout_seconds, access=access
        )

    @property
    def kinds(self) -> Sequence[MarketEventKind]:
        """What the exchange has by ccxt's own table; funding and open interest of perpetuals only."""
        spot = (MarketEventKind.TRADES, MarketEventKind.BOOKS)
        offered = [kind for kind, name in CAN.items() if self._exchange.has.get(name)]
        return [kind for kind in offered if self._kind != "spot" or kind in spot]

    def fetch_market_events(
        self, kind: MarketEventKind, instrument: str, start: datetime, end: datetime
    ) -> pd.DataFrame:
        """RECORDS of ``kind`` with ``start`` <= event_time < ``end``, ascending; may be empty."""
        if kind not in self.kinds:
            raise DataError(f"{self._venue} has no {kind} that could be fetched")
        with shape_checked(self._venue):
            symbol = self._symbol(instrument)
            if kind is MarketEventKind.BOOKS:
                return self._fetch_book(instrument, symbol)
            items = self._fetch_items(kind, instrument, symbol, to_micros(start) // 1000, -(-to_micros(end) // 1000))
            rows = [(_micros(item), *_values(kind, item)) for item in items]
            inside = [row for row in rows if to_micros(start) <= row[0] < to_micros(end)]
            return self._to_frame(kind, instrument, inside)

    def close(self) -> None:
        """Close the client and its thread."""
        self._caller.close()

    def _symbol(self, instrument: str) -> str:
        markets = self._caller.call(self._exchange.load_markets)
        return str(find_market(markets, instrument, self._venue, self._kind)["symbol"])

    def _fetch_items(self, kind: MarketEventKind, instrument: str, symbol: str, since: int, until: int) -> list[Item]:
        """Everything from ``since`` to ``until`` (milliseconds); what two answers share is taken once."""
        pages = self._trade_pages if kind is MarketEventKind.TRADES else self._window_pages
        items = {_key(kind, item): item for page in pages(kind, instrument, symbol, since, until) for item in page}
        return list(items.values())

    def _trade_pages(
        self, kind: MarketEventKind, instrument: str, symbol: str, since: int, until: int
    ) -> Iterator[list[Item]]:
        """Pages that each begin where the one before ended: how many trades a time holds is not known."""
        extra = {"until": until} if self._exchange.id.startswith("binance") else {}
        while since < until:
            work = partial(self._exchange.fetch_trades, symbol, since, PAGE, extra)
            page = sorted(self._ask(kind, instrument, since, work), key=lambda item: item["timestamp"])
            yield page
            if not page or (extra and len(page) < PAGE):
                return
            newest = int(page[-1]["timestamp"])
            if newest <= since and len(page) < PAGE:
                return
            since = max(newest, since + (newest <= since))

    def _window_pages(
        self, kind: MarketEventKind, instrument: str, symbol: str, since: int, until: int
    ) -> Iterator[list[Item]]:
        """Pages of windows that hold no more than one answer may, so that an empty one is no end."""
        funding = kind is MarketEventKind.FUNDING
        step = WINDOW * (HOUR_MS if funding else INTEREST_MS)
        for begin in range(since, until, step):
            extra = {"until": min(until, begin + step) - 1}
            if funding:
                work = partial(self._exchange.fetch_funding_rate_history, symbol, begin, WINDOW, extra)
            else:
                work = partial(self._exchange.fetch_open_interest_history, symbol, "5m", begin, WINDOW, extra)
            yield self._ask(kind, instrument, begin, work)

    def _ask(self, kind: MarketEventKind, instrument: str, since: int, work: Work) -> list[Item]:
        page, body = self._caller.ask(work)
        if page:
            self._keep(f"{kind} {instrument} from {since}", body)
        return list(page)

    def _fetch_book(self, instrument: str, symbol: str) -> pd.DataFrame:
        book, body = self._caller.ask(partial(self._exchange.fetch_order_book, symbol, self._depth))
        self._keep(f"books {instrument}", body)
        moment = int(book["timestamp"]) * 1000 if book.get("timestamp") else to_micros(self._clock.now())
        rows = [
            (moment, side, float(level), float(price), float(quantity))
            for side, name in (("bid", "bids"), ("ask", "asks"))
            for level, (price, quantity) in enumerate(level_row[:2] for level_row in book[name][: self._depth])
        ]
        return self._to_frame(MarketEventKind.BOOKS, instrument, rows)

    def _keep(self, request: str, body: str) -> None:
        if self._on_payload is not None and body:
            self._on_payload(request, body.encode())

    def _to_frame(self, kind: MarketEventKind, instrument: str, rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
        shape = MARKET_EVENT_SHAPES[kind]
        names = ("event_time", *shape.texts, *shape.numbers)
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        frame = pd.DataFrame({name: list(values) for name, values in zip(names, columns, strict=True)})
        times = np.array(frame["event_time"], dtype=np.int64).astype("datetime64[us]")
        frame["event_time"] = pd.DatetimeIndex(times).tz_localize("UTC")
        now = pd.Timestamp(self._clock.now()).as_unit("us")
        events = frame.assign(instrument=instrument, knowledge_time=now, assumed=False)
        events = events.astype({"knowledge_time": "datetime64[us, UTC]", **dict.fromkeys(shape.numbers, "float64")})
        return events[list(shape.columns)].sort_values("event_time", kind="stable", ignore_index=True)


def _micros(item: Item) -> int:
    return int(item["timestamp"]) * 1000


def _key(kind: MarketEventKind, item: Item) -> Answer:
    return item["id"] if kind is MarketEventKind.TRADES else item["timestamp"]


def _values(kind: MarketEventKind, item: Item) -> tuple[Any, ...]:
    if kind is MarketEventKind.TRADES:
        return str(item["id"]), item.get("side") or "", float(item["price"]), float(item["amount"])
    if kind is MarketEventKind.FUNDING:
        return (float(item["fundingRate"]),)
    return (float(item["openInterestAmount"]),)
