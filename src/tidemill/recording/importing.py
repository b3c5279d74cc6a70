"""Files of bars as vendors publish them, read with every defect counted and none hidden.

Defects, as named in ``ImportedBars.counts`` (only those that occur):

======================== =====================================================================
rows_out_of_order        rows earlier than the row before them (a file that is newest first: nearly all)
time_in_s, _ms, _us, _ns rows by unit of their epoch time, when a file mixes units
date_as_*                rows by form of their date text, when a file mixes forms
time_without_zone        rows whose time carries no zone; taken as UTC
time_unreadable          rows without a time that can be read: rejected
unix_differs_from_date   rows whose two times disagree; the date is taken
number_unreadable        rows in which a price or the volume is no number: rejected
off_step                 rows with a price off the price step of the instrument given: rejected
repeated_time            rows whose open_time an earlier row of the file has: not kept
repeated_time_differs    of these, in any price: rejected
repeated_volume_differs  of these, in volume
trade_count_missing      rows without the number of trades that the file has a column for
zero_volume              rows in which nothing was traded (kept)
open_far_from_close      rows whose open is more than twice or less than half their close (kept)
gaps, missing_bars       places where bars are absent, and how many bars are
======================== =====================================================================

Whether a bar can have been (high and low, grid, closed) is judged afterwards by ``quality.check_bars``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import TIMEFRAME_SECONDS, Instrument, timeframe_seconds
from tidemill.recording.columns import PRICES, off_step
from tidemill.recording.layouts import Table, read_table
from tidemill.recording.times import Times, read_dates, read_epochs, read_moments
from tidemill.recording.values import SERIES_COLUMNS, to_bars

MICROS = 1_000_000
FINEST_DECIMALS = 12
_TRADE_COUNTS = ("tradecount", "trades", "count")


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
    times, counts = _read_times(table)
    numbers = _read_numbers(table)
    reasons = _judge(times, numbers, instrument, counts)
    _judge_repeats(times, numbers, reasons, counts)
    _count_oddities(table, numbers, counts)
    fine = reasons == ""
    if not fine.any():
        raise DataError(f"{path} has no row that is a bar; the first row's trouble: {reasons[0]}")
    series = _make_series(times, numbers, fine)
    chosen = timeframe or _commonest_timeframe(table.path, series)
    _count_gaps(series, chosen, counts)
    name = instrument.id if instrument else name or table.instrument_id(venue)
    refused = _refused_bars(times, numbers, reasons, name=name, timeframe=chosen)
    return _report(table, series, refused, reasons, counts, name=name, timeframe=chosen)


def write_bars_file(path: Path, bars: pd.DataFrame) -> int:
    """Write open_time, open, high, low, close and volume of BARS as Parquet or CSV; return the rows.

    A recording can name the file. It is there when it is whole: a full disk leaves the one that was there before.
    DataError when the name ends in neither .parquet, .csv nor .csv.gz, or when the file cannot be written.
    """
    path = Path(path)
    kept = bars[list(SERIES_COLUMNS)].reset_index(drop=True)
    if not path.name.endswith((".parquet", ".csv", ".csv.gz")):
        raise DataError(f"{path} must end in .parquet, .csv or .csv.gz")
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        if path.name.endswith(".parquet"):
            kept.to_parquet(part, index=False)
        else:
            kept.to_csv(part, index=False)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path} cannot be written: {error}") from error
    return len(kept)


_EQUAL = "equal to an earlier row"


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
    refused = (reasons != "") & (reasons != _EQUAL)
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
    refused = (reasons != "") & (reasons != _EQUAL)
    order = np.argsort(times[refused], kind="stable")
    bars = to_bars(name, timeframe, _make_series(times, numbers, refused))
    return bars.assign(reason=pd.Series(reasons[refused][order], dtype="str").array)


def _read_times(table: Table) -> tuple[np.ndarray, dict[str, int]]:
    """Open times in micros (missing: the least int64) and what was odd about them."""
    if table.date is None or table.epoch is None:
        times: Times = read_moments(table.frame[table.date or table.epoch])
        return times.micros, {**times.counts, "time_unreadable": int(times.unreadable.sum())}
    epochs, dates = read_epochs(table.frame[table.epoch]), read_dates(table.frame[table.date])
    both = ~epochs.unreadable & ~dates.unreadable
    micros = np.where(dates.unreadable, epochs.micros, dates.micros)
    counts = {**epochs.counts, **dates.counts}
    counts.pop("time_without_zone", None)  # the epoch beside it tells the zone: UTC
    counts["time_unreadable"] = int((epochs.unreadable & dates.unreadable).sum())
    counts["unix_differs_from_date"] = int((both & (epochs.micros != dates.micros)).sum())
    return micros, counts


def _read_numbers(table: Table) -> pd.DataFrame:
    columns = {name: table.frame[table.columns[name]] for name in (*PRICES, "volume")}
    return pd.DataFrame(
        {
            name: pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
            for name, values in columns.items()
        }
    )


def _judge(
    times: np.ndarray, numbers: pd.DataFrame, instrument: Instrument | None, counts: dict[str, int]
) -> np.ndarray:
    reasons = np.full(len(times), "", dtype=object)
    finite = np.isfinite(numbers.to_numpy()).all(axis=1)
    known = times[times != Times.MISSING]
    counts["rows_out_of_order"] = int((np.diff(known) < 0).sum())
    counts["number_unreadable"] = int((~finite).sum())
    if instrument is not None:
        with np.errstate(invalid="ignore"):
            off = off_step(numbers[list(PRICES)].to_numpy(), instrument.price_step).any(axis=1) & finite
        counts["off_step"] = int(off.sum())
        reasons[off] = f"a price is not a multiple of the step {instrument.price_step}"
    reasons[~finite] = "a price or the volume is no number"
    reasons[times == Times.MISSING] = "the time cannot be read"
    return reasons


def _judge_repeats(times: np.ndarray, numbers: pd.DataFrame, reasons: np.ndarray, counts: dict[str, int]) -> None:
    """Keep the first row in the file of each open_time."""
    rows = np.flatnonzero(reasons == "")
    first_of = pd.Series(rows, index=times[rows]).groupby(level=0).transform("first").to_numpy()
    again = rows != first_of
    repeats, originals = rows[again], first_of[again]
    values = numbers.to_numpy()
    prices_differ = (values[repeats, :4] != values[originals, :4]).any(axis=1)
    volume_differs = values[repeats, 4] != values[originals, 4]
    reasons[repeats] = _EQUAL
    reasons[repeats[volume_differs]] = "an earlier row of the same time differs in volume"
    reasons[repeats[prices_differ]] = "an earlier row of the same time differs in price"
    counts["repeated_time"] = len(repeats)
    counts["repeated_time_differs"] = int(prices_differ.sum())
    counts["repeated_volume_differs"] = int(volume_differs.sum())


def _count_oddities(table: Table, numbers: pd.DataFrame, counts: dict[str, int]) -> None:
    ratio = (numbers["open"] / numbers["close"]).to_numpy()
    counts["zero_volume"] = int((numbers["volume"] == 0).sum())
    counts["open_far_from_close"] = int(((ratio > 2) | (ratio < 0.5)).sum())
    for name in _TRADE_COUNTS:
        if name in table.frame:
            counts["trade_count_missing"] = int(table.frame[name].isna().sum())


def _make_series(times: np.ndarray, numbers: pd.DataFrame, fine: np.ndarray) -> pd.DataFrame:
    order = np.argsort(times[fine], kind="stable")
    opens = pd.DatetimeIndex(times[fine][order].view("datetime64[us]"), tz="UTC")
    return pd.DataFrame({"open_time": opens, **{name: numbers[name].to_numpy()[fine][order] for name in numbers}})


def _commonest_timeframe(path: Path, series: pd.DataFrame) -> str:
    steps = np.diff(series["open_time"].to_numpy("datetime64[us]").astype(np.int64)) // MICROS
    if len(steps):
        values, tally = np.unique(steps, return_counts=True)
        seconds = int(values[np.argmax(tally)])
        for timeframe, length in TIMEFRAME_SECONDS.items():
            if length == seconds:
                return timeframe
    raise DataError(f"the timeframe of {path} cannot be told from its times; give it, such as --timeframe 1h")


def _count_gaps(series: pd.DataFrame, timeframe: str, counts: dict[str, int]) -> None:
    length = timeframe_seconds(timeframe) * MICROS
    steps = np.diff(series["open_time"].to_numpy("datetime64[us]").astype(np.int64))
    wide = steps[steps > length]
    counts["gaps"] = len(wide)
    counts["missing_bars"] = int((-(-wide // length) - 1).sum())


def _finest_step(series: pd.DataFrame) -> Decimal:
    prices = series[list(PRICES)].to_numpy()
    for decimals in range(FINEST_DECIMALS):
        step = Decimal(1).scaleb(-decimals)
        if not off_step(prices, step).any():
            return step
    return Decimal(1).scaleb(-FINEST_DECIMALS)
