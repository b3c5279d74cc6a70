"""Klines of Binance's protocol: a page of text as arrays, without a Python object per number.

A backfill spends most of its time in the numbers of its pages. A page of a thousand bars takes the compiled parser
0.24 ms, where Python's JSON parser and a list of floats take 2.4 ms (with orjson no less, for the objects are what
costs).
`parse_klines` is the one door. It takes the plain parser for a small page, for which nothing needs to be compiled, and
for every page when the compiled one is switched off (see `adapters/compiled_io`). Both give the double nearest to each
number's text, and tests/unit/adapters/ccxt/test_klines.py holds them together bit for bit.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tidemill.adapters import compiled_io

SMALL = 20_000
"""Up to this many bytes the plain parser is as good, and needs nothing compiled."""
Page = tuple[np.ndarray, np.ndarray]
"""Open times in ms (rows,) int64; open, high, low, close, volume (rows, 5) float64."""


def parse_klines(text: str) -> Page:
    """Open times and values of a page, each number the double nearest to its text.

    ValueError when the text is no array of rows of at least six numbers.
    """
    if len(text) <= SMALL or not compiled_io.is_on():
        return parse_small(text)
    return parse_large(text)


def parse_small(text: str) -> Page:
    """The same through the JSON parser."""
    return from_rows(json.loads(text))


def from_rows(rows: Any) -> Page:
    """The same from rows that are parsed already. ValueError when they are none."""
    try:
        opens = [int(row[0]) for row in rows]
        values = [[float(cell) for cell in row[1:6]] for row in rows]
    except (TypeError, KeyError, IndexError) as error:
        raise ValueError(f"not an array of klines: {str(rows)[:60]}") from error
    if any(len(row) < 5 for row in values):
        raise ValueError(f"a kline has fewer than six values: {str(rows)[:60]}")
    return np.array(opens, dtype=np.int64), np.array(values, dtype=np.float64).reshape(len(opens), 5)


def parse_large(text: str) -> Page:
    """The same in one compiled pass over the bytes."""
    from tidemill.kernels.klines import read_klines

    body = np.frombuffer(text.encode(), dtype=np.uint8)
    room = max(int(np.count_nonzero(body == ord("["))) - 1, 0)
    opens, values = np.empty(room, np.int64), np.empty((room, 5), np.float64)
    hard = np.empty((room * 5, 4), np.int64)
    rows, hards = read_klines(body, opens, values, hard)
    if rows < 0 or not text.rstrip().endswith("]"):
        raise ValueError(f"not an array of klines: {text[:60]!r}")
    for row, column, begun, end in hard[:hards].tolist():
        values[row, column] = float(body[begun:end].tobytes())
    return opens[:rows], values[:rows]
