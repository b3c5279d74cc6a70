"""Raw messages of a ccxt stream: which of them made a bar or a trade, kept in blocks.

A message says nothing of its instrument until ccxt has read it, and each venue's messages differ. So what changed is
looked up after each one: ccxt keeps the newest bars and trades of every symbol that is watched.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.adapters.ccxt._pages import OnPayloads
from tidemill.adapters.ccxt._untyped import Answer, ExchangeClient

BLOCK_SECONDS, BLOCK_BYTES = 30.0, 4_000_000
"""A block is handed over after so long, or when it is that large."""


class RawMessages:
    """What a client was told of its symbols, by what it changed; ``symbols``: instrument -> ccxt's symbol."""

    def __init__(self, exchange: ExchangeClient, symbols: Mapping[str, str], timeframe: str) -> None:
        self._exchange, self._symbols, self._timeframe = exchange, symbols, timeframe
        self._bars: dict[str, dict[int, str]] = {name: {} for name in symbols}
        self._trades: dict[str, list[str]] = {name: [] for name in symbols}
        self._newest: dict[tuple[str, str], Any] = {}

    def collect_page(self, text: str) -> None:
        """Take in a message that ccxt has just read."""
        for name, symbol in self._symbols.items():
            bar = _last((self._exchange.ohlcvs.get(symbol) or {}).get(self._timeframe))
            if bar is not None and self._is_other("bars", name, list(bar)):
                self._bars[name][int(bar[0])] = text
            trade = _last(self._exchange.trades.get(symbol))
            if trade is not None and self._is_other("trades", name, (trade.get("id"), trade.get("timestamp"))):
                self._trades[name].append(text)

    def take_bars(self, name: str, opens: Sequence[int]) -> list[str]:
        """The message that last told each of the bars (open times in ms); what is older is forgotten."""
        mine = self._bars[name]
        messages = [mine[opened] for opened in opens if opened in mine]
        self._bars[name] = {opened: text for opened, text in mine.items() if opened > max(opens)}
        return messages

    def take_trades(self, name: str) -> list[str]:
        """The messages that brought trades since the last call."""
        messages, self._trades[name] = self._trades[name], []
        return messages

    def forget(self, name: str) -> None:
        """Drop what was told of unfinished bars: the stream was cut."""
        self._bars[name] = {}

    def _is_other(self, kind: str, name: str, content: Answer) -> bool:
        if self._newest.get((kind, name)) == content:
            return False
        self._newest[kind, name] = content
        return True


class Blocks:
    """Messages on their way to who keeps them: those of one kind and instrument in one payload, a line each."""

    def __init__(self, keep: OnPayloads | None) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._waiting: dict[str, list[str]] = {}
        self._bytes, self._since = 0, 0.0

    def add(self, request: str, texts: Sequence[str]) -> None:
        """Take in messages of one kind and instrument, ``bars BTC-USDT.BINANCE`` or ``trades ...``."""
        if self._keep is None or not texts:
            return
        with self._lock:
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting.setdefault(request, []).extend(texts)
            self._bytes += sum(len(text) for text in texts)

    def hand_over(self, *, at_once: bool = False) -> None:
        """Hand the block over if it is due; called by whoever follows the stream, not by its loop."""
        with self._lock:
            due = at_once or self._bytes >= BLOCK_BYTES or time.monotonic() - self._since >= BLOCK_SECONDS
            if not self._waiting or not due:
                return
            waiting, self._waiting, self._bytes = self._waiting, {}, 0
        if self._keep is not None:
            self._keep([(f"{request} by stream", "\n".join(texts).encode()) for request, texts in waiting.items()])


def _last(cache: Answer) -> Answer:
    return cache[-1] if cache else None
