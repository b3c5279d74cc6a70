"""The layouts of bar files that are known, and which of them a file has.

=================== ==========================================================================
csv, parquet        named columns: open_time (or timestamp, time, date, datetime, unix), open, high,
                    low, close, volume; also in Feather
headerless          CSV without names: epoch, open, high, low, close, volume, ... (Kraken, Binance)
freqtrade           JSON of [epoch ms, open, high, low, close, volume], or Feather with ``date``
cryptodatadownload  CSV with ``unix``, ``date``, ``symbol`` and a volume column per asset
=================== ==========================================================================
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.ports.frames import PRICE_COLUMNS

FORMATS = ("auto", "csv", "parquet", "headerless", "freqtrade", "cryptodatadownload")
_TIME_NAMES = ("open_time", "timestamp", "datetime", "date", "time", "unix")
_POSITIONS = ("time", *PRICE_COLUMNS, "volume")
# TUSD is left out: XBTUSD would be read as XB priced in TUSD.
_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD", "EUR", "GBP", "BTC", "ETH", "BNB")
_SYMBOL_IN_NAME = re.compile(r"(?:^|_)([A-Z0-9]{2,12}?)[-_/]?(" + "|".join(_QUOTES) + r")(?=[-_.]|$)")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A file's rows, unchanged but for names in lower case, and where the canonical columns are.

    ``columns`` maps open, high, low, close and volume to the file's columns. At least one of
    ``epoch`` and ``date`` names a column of times; both when a file tells the time twice.
    """

    path: Path
    layout: str
    frame: pd.DataFrame
    columns: Mapping[str, str]
    epoch: str | None
    date: str | None

    def instrument_id(self, venue: str) -> str:
        """``BASE-QUOTE.VENUE`` by the symbol column or the file's name; DataError when neither tells it.

        The symbol column outweighs the file's name; several symbols in one file are a DataError.
        """
        text = self.path.name
        if "symbol" in self.frame:
            symbols = self.frame["symbol"].dropna().astype("str").unique()
            if len(symbols) > 1:
                raise DataError(f"{self.path} holds several symbols ({', '.join(symbols[:4])}); split it first")
            text = str(symbols[0]) if len(symbols) else text
        pair = _find_pair(text)
        if pair is None or not venue:
            raise DataError(
                f"{self.path} does not tell its instrument; give one, such as --instrument BTC-USDT.BINANCE"
            )
        return f"{pair[0]}-{pair[1]}.{venue}"


def read_table(path: Path, layout_name: str) -> Table:
    """Read the file and find its layout; DataError when it has none, or not the ``wanted`` one.

    Rows stay as they are in the file; whether they can be bars is judged later. ``auto`` takes any layout.
    """
    if layout_name not in FORMATS:
        raise DataError(f"format '{layout_name}' is unknown; use one of {', '.join(FORMATS)}")
    try:
        table = _find_layout(path, *_read_file(path))
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if layout_name not in {"auto", table.layout}:
        raise DataError(
            f"{path} has the layout {table.layout}, not {layout_name}; leave the format out to let it be found"
        )
    if not len(table.frame):
        raise DataError(f"{path} has no rows")
    return table


def _read_file(path: Path) -> tuple[pd.DataFrame, str]:
    """The rows, and the layout as far as the kind of file tells it."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".parquet", ".pq")):
        return pd.read_parquet(path), "parquet"
    if name.endswith(".feather"):
        return pd.read_feather(path), "freqtrade"
    body = gzip.decompress(path.read_bytes()) if path.name.lower().endswith(".gz") else path.read_bytes()
    if name.endswith(".json"):
        return _read_json(path, json.loads(body)), "freqtrade"
    if name.endswith((".csv", ".txt")):
        return _read_csv(body)
    raise DataError(f"{path} is no .csv, .parquet, .feather or .json file (.gz allowed); a .toml is a recording")


def _read_json(path: Path, rows: object) -> pd.DataFrame:
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) >= len(_POSITIONS) for row in rows):
        raise DataError(f"{path} is not a list of [time, open, high, low, close, volume]")
    return pd.DataFrame([row[: len(_POSITIONS)] for row in rows], columns=list(_POSITIONS))


def _read_csv(body: bytes) -> tuple[pd.DataFrame, str]:
    """Skip a line of advertisement before the names, as one vendor puts it there; see whether there are names."""
    if body.startswith(b"http"):
        body = body.partition(b"\n")[2]
    cells = body.partition(b"\n")[0].decode("utf-8-sig", "replace").strip().split(",")
    if not all(_is_number(cell) for cell in cells):
        return pd.read_csv(io.BytesIO(body)), "csv"
    if len(cells) < len(_POSITIONS):
        raise ValueError("a CSV without names needs at least time, open, high, low, close and volume")
    rest = [f"column_{number}" for number in range(len(_POSITIONS) + 1, len(cells) + 1)]
    names = [*_POSITIONS, *rest]
    return pd.read_csv(io.BytesIO(body), header=None, names=names), "headerless"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _find_layout(path: Path, frame: pd.DataFrame, layout: str) -> Table:
    frame = frame.rename(columns=lambda name: str(name).strip().lower())
    columns = {name: name for name in PRICE_COLUMNS}
    columns["volume"] = _find_volume(frame)
    epoch = next((name for name in _TIME_NAMES if name in frame), None)
    date = None
    if {"unix", "date"} <= set(frame.columns):
        epoch, date, layout = "unix", "date", "cryptodatadownload"
    missing = [name for name, column in columns.items() if column not in frame]
    if epoch is None or missing:
        lacks = ", ".join((["open_time"] if epoch is None else []) + missing)
        raise DataError(f"{path} lacks {lacks}; it has {', '.join(map(str, frame.columns))}")
    return Table(path=path, layout=layout, frame=frame, columns=columns, epoch=epoch, date=date)


def _find_volume(frame: pd.DataFrame) -> str:
    """``volume``, else the first column called so with the base asset behind (the quote's comes second)."""
    if "volume" in frame:
        return "volume"
    return next((name for name in frame.columns if name.startswith("volume ")), "volume")


def _find_pair(text: str) -> tuple[str, str] | None:
    symbol = _SYMBOL_IN_NAME.search(text.upper().replace("/", "-"))
    return (symbol[1], symbol[2]) if symbol else None
