"""Recorded bars as the exchange's kline rows: rendered once, in chunks, and served from memory."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.ports.frames import OHLCV

Kline = tuple[int, str, str, str, str, str, int]
CHUNK_ROWS = 1000
MAX_CHUNKS = 1000
"""About 130 bytes a row: at most 130 MB of text."""


class KlineText:
    """The bars of one instrument and interval; ``opens`` are their open times in ms, ascending."""

    def __init__(self, frame: pd.DataFrame, step: Decimal, length_ms: int) -> None:
        self.opens = frame["open_time"].to_numpy("datetime64[ms]").astype(np.int64)
        self._frame = frame
        self._digits = max(-int(step.normalize().as_tuple().exponent), 0)
        self._length = length_ms
        self._chunks: OrderedDict[int, tuple[bytes, list[int]]] = OrderedDict()

    def find(self, start: int, end: int, limit: int, now: int) -> tuple[int, int]:
        """Rows [first, last) with ``start`` <= open ms <= ``end`` known at ``now``, at most ``limit``.

        Without a start these are the newest, with one the oldest, as the exchange has it.
        """
        low = int(np.searchsorted(self.opens, start))
        high = int(np.searchsorted(self.opens, min(end, now), side="right"))
        first = max(low, high - limit) if start == 0 else low
        return first, max(first, min(high, first + limit))

    def rows(self, first: int, last: int, now: int) -> list[Kline]:
        """Rows as tuples of text; a bar that runs at ``now`` shows its open only."""
        part = self._frame.iloc[first:last]
        lists = (part[name].tolist() for name in OHLCV)
        return [self._kline(row, now) for row in zip(self.opens[first:last].tolist(), *lists, strict=True)]

    def body(self, first: int, last: int, now: int) -> bytes:
        """The JSON array of rows [first, last)."""
        if first >= last:
            return b"[]"
        running = int(self.opens[last - 1]) + self._length > now
        closed = last - 1 if running else last
        parts = [self._slice(first, closed)] if first < closed else []
        if running:
            parts.append(_text(self.rows(closed, last, now)[0]))
        return b"[" + b",".join(parts) + b"]"

    def _slice(self, first: int, last: int) -> bytes:
        """Rows [first, last), all closed, from the chunks that hold them."""
        parts = []
        for number in range(first // CHUNK_ROWS, (last - 1) // CHUNK_ROWS + 1):
            base = number * CHUNK_ROWS
            text, offsets = self._chunk(number)
            begin, end = max(first - base, 0), min(last - base, len(offsets) - 1)
            parts.append(text[offsets[begin] : offsets[end] - 1])
        return b",".join(parts)

    def _chunk(self, number: int) -> tuple[bytes, list[int]]:
        """The text of one chunk, each row with a comma behind it, and where each row begins."""
        chunk = self._chunks.get(number)
        if chunk is not None:
            self._chunks.move_to_end(number)
            return chunk
        base = number * CHUNK_ROWS
        rows = [_text(row) + b"," for row in self.rows(base, base + CHUNK_ROWS, 2**62)]
        offsets = [0, *np.cumsum([len(row) for row in rows]).tolist()]
        chunk = self._chunks[number] = (b"".join(rows), offsets)
        if len(self._chunks) > MAX_CHUNKS:
            self._chunks.popitem(last=False)
        return chunk

    def _kline(self, row: tuple[int, float, float, float, float, float], now: int) -> Kline:
        opened, first, high, low, close, volume = row
        if opened + self._length > now:
            high = low = close = first
            volume = 0.0
        digits = self._digits
        return (
            opened,
            f"{first:.{digits}f}",
            f"{high:.{digits}f}",
            f"{low:.{digits}f}",
            f"{close:.{digits}f}",
            repr(volume),
            opened + self._length - 1,
        )


def _text(row: Kline) -> bytes:
    """One row with the fields that no recording has set to nothing: quote volume, trades, taker volumes."""
    opened, first, high, low, close, volume, closed = row
    return f'[{opened},"{first}","{high}","{low}","{close}","{volume}",{closed},"0",0,"0","0","0"]'.encode()
