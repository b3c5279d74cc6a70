"""Recorded bars as the exchange's kline rows: rendered once, in chunks, and served from memory.

The row is that of "Kline/Candlestick data": open time, prices, volume and close time, then fields that no recording
has. Bars never change once closed, so their text can be kept.
"""

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
    """The bars of one instrument and interval; ``opens`` are their open times in ms, ascending.

    ``frame`` has ``open_time`` and OHLCV columns; ``step`` is the price step, whose digits prices are written with;
    ``length_ms`` is the length of a bar. At most ``MAX_CHUNKS`` chunks are kept, the least used go first.
    """

    def __init__(self, frame: pd.DataFrame, step: Decimal, length_ms: int) -> None:
        self.opens = frame["open_time"].to_numpy("datetime64[ms]").astype(np.int64)
        self._frame = frame
        self._digits = max(-int(step.normalize().as_tuple().exponent), 0)
        self._length = length_ms
        self._chunks: OrderedDict[int, tuple[bytes, list[int]]] = OrderedDict()

    def find(self, start: int, end: int, limit: int, now: int) -> tuple[int, int]:
        """Rows [first, last) with ``start`` <= open ms <= ``end`` known at ``now``, at most ``limit``.

        All times in ms, ``end`` included. Without a start (0) these are the newest, with one the oldest, as the
        exchange has it. ``first`` equals ``last`` when there is none.
        """
        low = int(np.searchsorted(self.opens, start))
        high = int(np.searchsorted(self.opens, min(end, now), side="right"))
        first = max(low, high - limit) if start == 0 else low
        return first, max(first, min(high, first + limit))

    def rows(self, first: int, last: int, now: int) -> list[Kline]:
        """Rows as tuples of text; a bar that runs at ``now`` shows its open only.

        A running bar's high, low and close are its open, and its volume 0: the recording has them, but at ``now``
        nobody could know them.
        """
        part = self._frame.iloc[first:last]
        lists = (part[name].tolist() for name in OHLCV)
        return [self._kline(row, now) for row in zip(self.opens[first:last].tolist(), *lists, strict=True)]

    def body(self, first: int, last: int, now: int) -> bytes:
        """The JSON array of rows [first, last).

        The same rows as :meth:`rows`, without making tuples: closed ones are slices of kept text.
        """
        if first >= last:
            return b"[]"
        # Only the last row can be running; it is rendered each time and never kept.
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
            # Without the last comma: rows are joined by the caller.
            parts.append(text[offsets[begin] : offsets[end] - 1])
        return b",".join(parts)

    def _chunk(self, number: int) -> tuple[bytes, list[int]]:
        """The text of one chunk, each row with a comma behind it, and where each row begins."""
        chunk = self._chunks.get(number)
        if chunk is not None:
            self._chunks.move_to_end(number)
            return chunk
        base = number * CHUNK_ROWS
        # Rendered as closed: a row that is not closed yet at the clock is never served from a chunk.
        rows = [_text(row) + b"," for row in self.rows(base, base + CHUNK_ROWS, 2**62)]
        offsets = [0, *np.cumsum([len(row) for row in rows]).tolist()]
        chunk = self._chunks[number] = (b"".join(rows), offsets)
        if len(self._chunks) > MAX_CHUNKS:
            self._chunks.popitem(last=False)
        return chunk

    def _kline(self, row: tuple[int, float, float, float, float, float], now: int) -> Kline:
        opened, first, high, low, close, volume = row
        if opened + self._length > now:
            # Without this a client would read the future out of the running bar.
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
