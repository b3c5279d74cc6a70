"""Files of bars as vendors publish them, read with every defect counted (see ``defects``) and none hidden."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import TIMEFRAME_SECONDS, Instrument
from tidemill.ports.frames import MICROS_PER_SECOND, PRICE_COLUMNS
from tidemill.recording.columns import off_step
from tidemill.recording.defects import (
    EQUAL,
    count_gaps,
    count_oddities,
    judge_repeats,
    judge_rows,
    read_numbers,
    read_times,
)
from tidemill.recording.layouts import Table, read_table
from tidemill.recording.values import SERIES_COLUMNS, to_bars

FINEST_DECIMALS = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImportedBars:
    """What a file held.

    ``bars`` are BARS, ascending, one per open_time, known one second after their close (assumed).
    ``rejected`` are the file's own rows with ``row`` (from 1) and ``reason``; ``refused`` the same as BARS
    with ``reason``, with whatever could not be read missing. ``price_step`` is the
    coarsest power of ten that all prices are multiples of, for an instrument whose rules are unknown.
    """

    path: Path
    layout: str
    instrument_id: str
    timeframe: str
    rows: int
    bars: pd.DataFrame
    rejected: pd.DataFrame
    refused: pd.DataFrame
    counts: Mapping[str, int]
    price_step: Decimal


def read_bars_file(
    path: Path,
    *,
    format: str = "auto",  # noqa: A002 -- the word of the command line's --format
    instrument: Instrument | None = None,
    timeframe: str | None = None,
    venue: str = "",
    name: str = "",
) -> ImportedBars:
    """Read CSV, CSV.gz, Parquet, Feather or JSON of a known layout (see ``layouts``); ``auto`` finds it.

    Without ``instrument`` its id is ``name``, else taken from the file's symbol column or name, with ``venue``;
    without ``timeframe`` it is the commonest distance of two bars. Of several rows with one open_time the first
    in the file stays. DataError names the file and what it lacks.
    """
    table = read_table(Path(path), format)
    times, counts = read_times(table)
    numbers = read_numbers(table)
    reasons = judge_rows(times, numbers, instrument, counts)
    judge_repeats(times, numbers, reasons, counts)
    count_oddities(table, numbers, counts)
    fine = reasons == ""
    if not fine.any():
        raise DataError(f"{path} has no row that is a bar; the first row's trouble: {reasons[0]}")
    series = _make_series(times, numbers, fine)
    length = timeframe or _commonest_timeframe(table.path, series)
    count_gaps(series, length, counts)
    name = instrument.id if instrument else name or table.instrument_id(venue)
    refused = _refused_bars(times, numbers, reasons, name=name, timeframe=length)
    return _report(table, series, refused, reasons, counts, name=name, timeframe=length)


def write_bars_file(path: Path, bars: pd.DataFrame) -> int:
    """Write open_time, open, high, low, close and volume of BARS as Parquet or CSV; return the rows.

    A recording can name the file. It is there when it is whole: a full disk leaves the one that was there before.
    DataError when the name ends in neither .parquet, .csv nor .csv.gz, or when the file cannot be written.
    """
    path = Path(path)
    series_bars = bars[list(SERIES_COLUMNS)].reset_index(drop=True)
    if not path.name.endswith((".parquet", ".csv", ".csv.gz")):
        raise DataError(f"{path} must end in .parquet, .csv or .csv.gz")
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        if path.name.endswith(".parquet"):
            series_bars.to_parquet(part, index=False)
        else:
            series_bars.to_csv(part, index=False)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path} cannot be written: {error}") from error
    return len(series_bars)


def _report(
    table: Table,
    series: pd.DataFrame,
    refused_bars: pd.DataFrame,
    reasons: np.ndarray,
    counts: Mapping[str, int],
    *,
    name: str,
    timeframe: str,
) -> ImportedBars:
    refused = (reasons != "") & (reasons != EQUAL)
    rejected = table.frame[refused].assign(row=np.flatnonzero(refused) + 1, reason=reasons[refused])
    return ImportedBars(
        path=table.path,
        layout=table.layout,
        instrument_id=name,
        timeframe=timeframe,
        rows=len(table.frame),
        bars=to_bars(name, timeframe, series),
        rejected=rejected.reset_index(drop=True),
        refused=refused_bars,
        counts={key: count for key, count in counts.items() if count},
        price_step=_finest_step(series),
    )


def _refused_bars(
    times: np.ndarray, numbers: pd.DataFrame, reasons: np.ndarray, *, name: str, timeframe: str
) -> pd.DataFrame:
    """The rejected rows as bars; the least int64 that marks a missing time is NaT as a time."""
    refused = (reasons != "") & (reasons != EQUAL)
    order = np.argsort(times[refused], kind="stable")
    bars = to_bars(name, timeframe, _make_series(times, numbers, refused))
    return bars.assign(reason=pd.Series(reasons[refused][order], dtype="str").array)


def _make_series(times: np.ndarray, numbers: pd.DataFrame, fine: np.ndarray) -> pd.DataFrame:
    order = np.argsort(times[fine], kind="stable")
    opens = pd.DatetimeIndex(times[fine][order].view("datetime64[us]"), tz="UTC")
    return pd.DataFrame({"open_time": opens, **{name: numbers[name].to_numpy()[fine][order] for name in numbers}})


def _commonest_timeframe(path: Path, series: pd.DataFrame) -> str:
    steps = np.diff(series["open_time"].to_numpy("datetime64[us]").astype(np.int64)) // MICROS_PER_SECOND
    if len(steps):
        values, tally = np.unique(steps, return_counts=True)
        seconds = int(values[np.argmax(tally)])
        for timeframe, length in TIMEFRAME_SECONDS.items():
            if length == seconds:
                return timeframe
    raise DataError(f"the timeframe of {path} cannot be told from its times; give it, such as --timeframe 1h")


def _finest_step(series: pd.DataFrame) -> Decimal:
    prices = series[list(PRICE_COLUMNS)].to_numpy()
    for decimals in range(FINEST_DECIMALS):
        step = Decimal(1).scaleb(-decimals)
        if not off_step(prices, step).any():
            return step
    return Decimal(1).scaleb(-FINEST_DECIMALS)
