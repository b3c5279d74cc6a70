"""One switch for the two places where bars are read and written by compiled code of our own.

They are `adapters/sql/_bulk` (long ranges of a SQLite file) and `adapters/ccxt/_klines` (pages of Binance's protocol).
Each has a plain way beside it that gives the same numbers to the last bit, and takes that by itself wherever the
compiled one cannot go. ``TIDEMILL_COMPILED_IO=off`` takes the plain way everywhere: when one of them is suspected, or
on a machine where compiled code may not run. docs/fast-paths.md has what it costs.
"""

from __future__ import annotations

import os

VARIABLE = "TIDEMILL_COMPILED_IO"
OFF = frozenset({"off", "0", "false", "no"})


def is_on() -> bool:
    """Whether compiled code may read and write bars; asked whenever a store is opened and for each page."""
    return os.environ.get(VARIABLE, "on").strip().lower() not in OFF
