"""Kline text as numbers in one pass: rows of ``[open_ms,"open","high","low","close","volume",...]``.

A general JSON parser makes a Python object of every cell; reading the bytes once is what makes a backfill of years
bearable.
"""

from __future__ import annotations

import numpy as np

from tidemill.kernels.compilation import compiled

POINT, QUOTE, COMMA, OPENS, CLOSES, SPACE = (ord(sign) for sign in '.",[] ')
ZERO, NINE = ord("0"), ord("9")
POWERS = 10.0 ** np.arange(23)
# up to here a double holds every whole number and these powers of ten exactly, so that one division rounds once
MOST_EXACT, MOST_DIGITS = 2**53, 18
WANTED = 6


@compiled
def read_plain(text: np.ndarray, at: int) -> tuple[int, int, int, bool]:
    """The digits at ``at`` as (whole number without its point, decimals, where it ends, whether that is exact).

    No sign, no exponent, no white space: the first other byte ends it. ``exact`` is False for more than 18 digits,
    more than 2**53, or more decimals than there are exact powers of ten; the caller then lets Python read the text.
    """
    whole, decimals, digits, pointed = 0, 0, 0, False
    while at < len(text):
        byte = text[at]
        if ZERO <= byte <= NINE:
            # counted before it is added: the nineteenth digit may already overflow and look small
            digits += digits > 0 or byte != ZERO
            if digits > MOST_DIGITS:
                break
            whole = whole * 10 + (byte - ZERO)
            decimals += pointed
        elif byte == POINT and not pointed:
            pointed = True
        else:
            break
        at += 1
    return whole, decimals, at, digits <= MOST_DIGITS and whole <= MOST_EXACT and decimals < len(POWERS)


@compiled
def find_end(text: np.ndarray, at: int) -> int:
    """Where the value at ``at`` ends: the next quote, comma or bracket.

    The length of ``text`` when there is none of them.
    """
    while at < len(text) and text[at] != QUOTE and text[at] != COMMA and text[at] != CLOSES:
        at += 1
    return at


@compiled
def find_byte(text: np.ndarray, at: int, byte: int) -> int:
    """Where ``byte`` is next, at or after ``at``; the length of ``text`` when it is not."""
    while at < len(text) and text[at] != byte:
        at += 1
    return at


@compiled
def read_row(
    text: np.ndarray, at: int, row: int, opens: np.ndarray, values: np.ndarray, hard: np.ndarray, hards: int
) -> tuple[int, int]:
    """Six values of one row from behind its bracket; (where they end, hard values so far), or (-1, 0).

    The first value is the open time and must be a whole number; the other five go to ``values``, or to ``hard`` when
    one division would not give the nearest double. (-1, 0) says that the text is not of this shape.
    """
    for column in range(WANTED):
        while at < len(text) and (text[at] == QUOTE or text[at] == SPACE or text[at] == COMMA):
            at += 1
        begun = at
        whole, decimals, at, exact = read_plain(text, begun)
        end = find_end(text, at)
        if end == begun or end >= len(text):
            return -1, 0
        exact = exact and end == at
        at = end
        if column == 0:
            if not exact or decimals > 0:
                return -1, 0
            opens[row] = whole
        elif exact:
            values[row, column - 1] = whole / POWERS[decimals]
        else:
            hard[hards, 0], hard[hards, 1], hard[hards, 2], hard[hards, 3] = row, column - 1, begun, end
            hards += 1
    return at, hards


@compiled
def read_klines(text: np.ndarray, opens: np.ndarray, values: np.ndarray, hard: np.ndarray) -> tuple[int, int]:
    """Fill opens (rows) and values (rows, 5) from ``text`` (bytes of a JSON array of rows).

    Every number is the double nearest to its text. What needs more than one division for that (exponents, signs,
    more than 53 bits) is left to the caller: ``hard`` gets (row, column, begin, end) of each. Returns (rows, hard
    ones), or (-1, 0) when the text is none of this shape or has more rows than there is room for.
    """
    at = find_byte(text, 0, OPENS) + 1
    row, hards = 0, 0
    while True:
        begun = find_byte(text, at, OPENS)
        if begun == len(text):
            return (row, hards) if find_byte(text, at, CLOSES) < len(text) else (-1, 0)
        if row == len(opens):
            return -1, 0
        at, hards = read_row(text, begun + 1, row, opens, values, hard, hards)
        at = find_byte(text, at, CLOSES) + 1 if at >= 0 else -1
        if at <= 0 or at > len(text):
            return -1, 0
        row += 1
