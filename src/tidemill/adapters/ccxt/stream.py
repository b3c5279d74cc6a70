"""Bars and trades as they happen, through ccxt's WebSocket clients."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from tidemill.adapters.ccxt._pages import OnPayloads
from tidemill.adapters.ccxt._raw_messages import Blocks, RawMessages
from tidemill.adapters.ccxt.calls import shape_checked
from tidemill.adapters.ccxt.client import MarketAccess, build_caller, find_market, need_timeframe
from tidemill.domain.errors import ConfigurationError, TransientError
from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind
from tidemill.ports import BAR_COLUMNS, Clock, StreamPart
from tidemill.ports.frames import OHLCV

ALONE = MarketAccess()
TICK_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds before a cut stream is joined again, doubled while it does not hold."""


Watch = Callable[[], Coroutine[Any, Any, StreamPart | None]]
"""One look at a channel: what came, or None when nothing is to be told."""


class CcxtStream:
    """The market stream port on one ccxt.pro client.

    A bar has closed when the stream tells a later one; it is known when that came. ``trades``: trades as well.
    ``on_payloads`` gets the raw messages: the last one of each bar that closed, all that brought trades; of some
    seconds at a time, as (request, messages a line each).
    """

    def __init__(
        self,
        exchange_id: str,
        *,
        venue: str,
        rest_url: str = "",
        ws_url: str = "",
        market_clock: Clock,
        trades: bool = False,
        on_payloads: OnPayloads | None = None,
        timeout_seconds: float = 10.0,
        access: MarketAccess = ALONE,
    ) -> None:
        self._venue = venue
        self._clock = market_clock
        self._kind = access.kind
        self._trades = trades
        self._blocks = Blocks(on_payloads)
        self._exchange, self._caller = build_caller(
            exchange_id,
            venue,
            rest_url=rest_url,
            ws_url=ws_url,
            timeout_seconds=timeout_seconds,
            access=access,
            streaming=True,
        )

    def watch(self, instruments: Sequence[str], timeframe: str, *, seconds: float) -> Iterator[StreamPart]:
        """Parts as they come, for ``seconds`` of the wall clock, at least one a second."""
        if not self._exchange.has.get("watchOHLCV"):
            raise ConfigurationError(f"{self._venue} tells no bars by stream; ingest_market fetches them by request")
        markets = self._caller.call(self._exchange.load_markets)
        need_timeframe(self._exchange, timeframe, self._venue)
        symbols = {name: str(find_market(markets, name, self._venue, self._kind)["symbol"]) for name in instruments}
        raw = RawMessages(self._exchange, symbols, timeframe)
        self._exchange.on_text = raw.collect_page
        parts: queue.Queue[StreamPart | Exception] = queue.Queue()
        watching = self._caller.start(self._watch_all(symbols, timeframe, parts, raw))
        deadline = time.monotonic() + seconds
        try:
            while (seconds_left := deadline - time.monotonic()) > 0:
                try:
                    part = parts.get(timeout=min(TICK_SECONDS, seconds_left))
                except queue.Empty:
                    part = StreamPart()
                self._blocks.hand_over()
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            watching.cancel()
            self._exchange.on_text = None
            self._blocks.hand_over(at_once=True)

    def close(self) -> None:
        """Close the client and its thread."""
        self._caller.close()

    async def _watch_all(
        self, symbols: dict[str, str], timeframe: str, parts: queue.Queue[Any], raw: RawMessages
    ) -> None:
        watches = [self._watch_bars(name, symbol, timeframe, parts, raw) for name, symbol in symbols.items()]
        if self._trades:
            watches += [self._watch_trades(name, symbol, parts, raw) for name, symbol in symbols.items()]
        try:
            await asyncio.gather(*watches)
        except Exception as error:  # noqa: BLE001 -- told to whoever follows, who would wait in vain otherwise
            parts.put(error)

    async def _watch_bars(
        self, name: str, symbol: str, timeframe: str, parts: queue.Queue[Any], raw: RawMessages
    ) -> None:
        running: dict[int, list[float]] = {}

        async def once() -> StreamPart | None:
            rows = await self._exchange.watch_ohlcv(symbol, timeframe)
            running.update({int(row[0]): [float(number) for number in row[1:6]] for row in rows})
            closed = sorted(running)[:-1]
            closed_bars = [(opened, *running.pop(opened)) for opened in closed]
            self._blocks.add(f"bars {name}", raw.take_bars(name, closed) if closed else [])
            return StreamPart(instrument=name, bars=self._to_bars(name, closed_bars)) if closed_bars else None

        def lost() -> None:
            running.clear()
            raw.forget(name)

        await self._keep_watching(name, once, parts, lost=lost)

    async def _watch_trades(self, name: str, symbol: str, parts: queue.Queue[Any], raw: RawMessages) -> None:
        # Binance numbers single and aggregated trades apart; by request ccxt gets the aggregated ones
        extra = {"name": "aggTrade"} if self._exchange.id.startswith("binance") else {}

        async def once() -> StreamPart:
            trades = await self._exchange.watch_trades(symbol, None, None, extra)
            self._blocks.add(f"trades {name}", raw.take_trades(name))
            return StreamPart(instrument=name, trades=self._to_trades(name, trades))

        await self._keep_watching(name, once, parts, lost=lambda: None)

    async def _keep_watching(
        self,
        name: str,
        once: Callable[[], Coroutine[Any, Any, StreamPart | None]],
        parts: queue.Queue[Any],
        *,
        lost: Any,
    ) -> None:
        """Tell what comes; after a cut say so, forget what was unfinished, pause, and join again."""
        pause, cuts = FIRST_PAUSE, _cuts()
        while True:
            try:
                with shape_checked(self._venue):
                    part = await once()
                pause = FIRST_PAUSE
                if part is not None:
                    parts.put(part)
            except cuts as error:
                lost()
                parts.put(StreamPart(instrument=name, broken=f"{type(error).__name__} {str(error)[:160]}"))
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)

    def _to_bars(self, name: str, rows: Sequence[tuple[float, ...]]) -> pd.DataFrame:
        opens = np.array([row[0] for row in rows], dtype=np.int64) * 1000
        frame = pd.DataFrame([row[1:] for row in rows], columns=list(OHLCV))
        times = pd.DatetimeIndex(opens.astype("datetime64[us]")).tz_localize("UTC")
        typed = frame.astype("float64").assign(instrument=name, open_time=times, assumed=False)
        return typed.assign(knowledge_time=_knowledge_times(self._clock.now(), len(rows)))[list(BAR_COLUMNS)]

    def _to_trades(self, name: str, trades: Sequence[Any]) -> pd.DataFrame:
        frame = pd.DataFrame(
            {
                "instrument": pd.Series([name] * len(trades), dtype="str"),
                "event_time": _times([int(trade["timestamp"]) for trade in trades]),
                "trade_id": [str(trade["id"]) for trade in trades],
                "side": [trade.get("side") or "" for trade in trades],
                "price": [float(trade["price"]) for trade in trades],
                "quantity": [float(trade["amount"]) for trade in trades],
                "knowledge_time": _knowledge_times(self._clock.now(), len(trades)),
                "assumed": False,
            }
        )
        return frame[list(MARKET_EVENT_SHAPES[MarketEventKind.TRADES].columns)]


def _times(millis: Sequence[int]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex((np.array(millis, dtype=np.int64) * 1000).astype("datetime64[us]")).tz_localize("UTC")


def _knowledge_times(now: datetime, count: int) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([now] * count, tz="UTC").as_unit("us")


def _cuts() -> tuple[type[Exception], ...]:
    """What comes when a stream ends or cannot be joined."""
    import ccxt

    return TransientError, ccxt.NetworkError, ccxt.ExchangeError
