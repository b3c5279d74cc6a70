"""Bars and trading rules of an exchange, or of the paper venue, through ccxt."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from tidemill.adapters._ccxt import GRACE_SECONDS, LoopThread, OnPayload, build_exchange, unified_symbol
from tidemill.adapters._ccxt_pages import KlineText, keep_text, with_body
from tidemill.adapters._klines import from_rows, parse_klines
from tidemill.domain.errors import DataError, TransientError
from tidemill.domain.market import Instrument, timeframe_seconds, to_micros
from tidemill.ports import BAR_COLUMNS, Clock

log = logging.getLogger(__name__)
PAGE = 1000
PAGES_AT_ONCE = 50
"""How much of a long window is held as text at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Page:
    """Klines asked for from ``since`` (ms): open times in ms, values (rows, 5), and the answer's body."""

    since: int
    opens: np.ndarray
    values: np.ndarray
    body: str


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
        keep_text(self._exchange)
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
        first = to_micros(start) // 1000
        last = min(to_micros(end) // 1000 - 1, to_micros(now) // 1000 - length)
        opens, values = [np.empty(0, np.int64)], [np.empty((0, 5))]
        since: int | None = first
        while since is not None and since <= last:
            pages, since = self._call(self._fetch_pages(symbol, timeframe, since, last), requests=PAGES_AT_ONCE)
            for page in pages:
                self._keep(f"{instrument} {timeframe} from {page.since}", page)
                opens.append(page.opens)
                values.append(page.values)
        found = np.concatenate(opens)
        kept = (found <= last) & (found * 1000 >= to_micros(start))
        return self._to_frame(instrument, found[kept], np.concatenate(values)[kept], length=length, now=now)

    def close(self) -> None:
        """Close the client and its thread."""
        self._thread.run(self._exchange.close(), GRACE_SECONDS)
        self._thread.close()

    async def _fetch_pages(self, symbol: str, timeframe: str, since: int, last: int) -> tuple[list[_Page], int | None]:
        """The next few pages, and where those after them begin; None when the venue has told all."""
        pages: list[_Page] = []
        at = since
        while at <= last and len(pages) < PAGES_AT_ONCE:
            page = await self._fetch_page(symbol, timeframe, at, last)
            pages.append(page)
            if len(page.opens) < PAGE:
                return pages, None
            at = int(page.opens[-1]) + timeframe_seconds(timeframe) * 1000
        return pages, at

    async def _fetch_page(self, symbol: str, timeframe: str, since: int, last: int) -> _Page:
        """One page of klines, in one pass where the protocol is known, else through ccxt's parser."""
        exchange = self._exchange
        if hasattr(exchange, "public_get_klines"):
            market = self._markets[symbol]["id"]
            request = {"symbol": market, "interval": timeframe, "startTime": since, "endTime": last, "limit": PAGE}
            answer, body = await with_body(lambda: exchange.public_get_klines(request))
            opens, values = parse_klines(answer.text) if isinstance(answer, KlineText) else from_rows(answer)
        else:
            answer, body = await with_body(lambda: exchange.fetch_ohlcv(symbol, timeframe, since, PAGE))
            opens, values = from_rows(answer)
        return _Page(since=since, opens=opens, values=values, body=body)

    def _keep(self, request: str, page: _Page) -> None:
        if self._on_payload is not None and len(page.opens) and page.body:
            self._on_payload(request, page.body.encode())

    def _to_frame(
        self, instrument: str, opens: np.ndarray, values: np.ndarray, *, length: int, now: datetime
    ) -> pd.DataFrame:
        times = pd.DatetimeIndex((opens * 1000).astype("datetime64[us]")).tz_localize("UTC")
        frame = pd.DataFrame(
            {
                "instrument": pd.Series([instrument] * len(opens), dtype="str"),
                "open_time": times,
                **{name: values[:, index] for index, name in enumerate(("open", "high", "low", "close", "volume"))},
                "knowledge_time": self._known(times, length, now),
                "assumed": self._delay is not None,
            }
        )
        return frame[list(BAR_COLUMNS)]

    def _known(self, opens: pd.DatetimeIndex, length: int, now: datetime) -> Any:
        if self._delay is None:
            return pd.DatetimeIndex([now] * len(opens), tz="UTC").as_unit("us")
        return opens + timedelta(milliseconds=length) + timedelta(seconds=self._delay)

    def _known_symbol(self, instrument: str, timeframe: str) -> str:
        if not self._markets:
            self.fetch_instruments()
        symbol = unified_symbol(instrument)
        if symbol not in self._markets:
            raise DataError(f"{instrument} is not traded at {self._venue}; check the universe in the settings")
        if timeframe not in self._exchange.timeframes:
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

    def _call(self, work: Any, *, requests: int = 1) -> Any:
        """Run one request; what the network or the exchange does wrong becomes our own error."""
        import ccxt

        try:
            return self._thread.run(work, requests * self._timeout + GRACE_SECONDS)
        except (ccxt.BadSymbol, ccxt.BadRequest, ccxt.NotSupported) as error:
            raise DataError(f"{self._venue} refused the request for market data: {_short(error)}") from error
        except (ccxt.BaseError, TimeoutError) as error:
            raise TransientError(f"{self._venue} does not answer: {_short(error)}") from error
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise DataError(f"{self._venue} sent an answer that cannot be read: {_short(error)}") from error


def _exact(value: Any) -> Decimal:
    """A step as an exact decimal, from text where the exchange gives text."""
    return Decimal(str(value)).normalize()


def _short(error: BaseException) -> str:
    return f"{type(error).__name__} {str(error)[:160]}"
