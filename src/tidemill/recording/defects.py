"""What is odd about the rows of a file of bars.

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

import numpy as np
import pandas as pd

from tidemill.domain.market import Instrument, timeframe_seconds
from tidemill.ports.frames import MICROS_PER_SECOND, PRICE_COLUMNS
from tidemill.recording.columns import off_step
from tidemill.recording.layouts import Table
from tidemill.recording.times import Times, read_dates, read_epochs, read_moments

_TRADE_COUNTS = ("tradecount", "trades", "count")
EQUAL = "equal to an earlier row"


def read_times(table: Table) -> tuple[np.ndarray, dict[str, int]]:
    """Open times in micros (missing: the least int64) and what was odd about them.

    Counts of zero are among them. Where the file tells the time twice the date counts, and the epoch only where the
    date cannot be read.
    """
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


def read_numbers(table: Table) -> pd.DataFrame:
    """Prices and volume as float64, NaN where there is no number.

    Infinite values pass here and are rejected by :func:`judge_rows`.
    """
    columns = {name: table.frame[table.columns[name]] for name in (*PRICE_COLUMNS, "volume")}
    return pd.DataFrame(
        {
            name: pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
            for name, values in columns.items()
        }
    )


def judge_rows(
    times: np.ndarray, numbers: pd.DataFrame, instrument: Instrument | None, counts: dict[str, int]
) -> np.ndarray:
    """Why each row can be no bar, empty where it may be one; what was found is added to ``counts``.

    The reasons are an object array (rows,), and a time that cannot be read outweighs a bad number. Steps are checked
    only with an ``instrument``.
    """
    reasons = np.full(len(times), "", dtype=object)
    finite = np.isfinite(numbers.to_numpy()).all(axis=1)
    # a time that cannot be read is the least int64 and would make its neighbours look out of order
    readable = times[times != Times.MISSING]
    counts["rows_out_of_order"] = int((np.diff(readable) < 0).sum())
    counts["number_unreadable"] = int((~finite).sum())
    if instrument is not None:
        with np.errstate(invalid="ignore"):
            off = off_step(numbers[list(PRICE_COLUMNS)].to_numpy(), instrument.price_step).any(axis=1) & finite
        counts["off_step"] = int(off.sum())
        reasons[off] = f"a price is not a multiple of the step {instrument.price_step}"
    reasons[~finite] = "a price or the volume is no number"
    reasons[times == Times.MISSING] = "the time cannot be read"
    return reasons


def judge_repeats(times: np.ndarray, numbers: pd.DataFrame, reasons: np.ndarray, counts: dict[str, int]) -> None:
    """Keep the first row in the file of each open_time; the others get their reason, and are counted.

    ``reasons`` and ``counts`` are changed in place. Only rows that passed so far are compared, so a bad first row does
    not hide a good second one.
    """
    rows = np.flatnonzero(reasons == "")
    first_of = pd.Series(rows, index=times[rows]).groupby(level=0).transform("first").to_numpy()
    again = rows != first_of
    repeats, originals = rows[again], first_of[again]
    values = numbers.to_numpy()
    prices_differ = (values[repeats, :4] != values[originals, :4]).any(axis=1)
    volume_differs = values[repeats, 4] != values[originals, 4]
    reasons[repeats] = EQUAL
    reasons[repeats[volume_differs]] = "an earlier row of the same time differs in volume"
    reasons[repeats[prices_differ]] = "an earlier row of the same time differs in price"
    counts["repeated_time"] = len(repeats)
    counts["repeated_time_differs"] = int(prices_differ.sum())
    counts["repeated_volume_differs"] = int(volume_differs.sum())


def count_oddities(table: Table, numbers: pd.DataFrame, counts: dict[str, int]) -> None:
    """Count what is odd but kept.

    None of this rejects a row: venues do publish such bars.
    """
    ratio = (numbers["open"] / numbers["close"]).to_numpy()
    counts["zero_volume"] = int((numbers["volume"] == 0).sum())
    counts["open_far_from_close"] = int(((ratio > 2) | (ratio < 0.5)).sum())
    for name in _TRADE_COUNTS:
        if name in table.frame:
            counts["trade_count_missing"] = int(table.frame[name].isna().sum())


def count_gaps(series: pd.DataFrame, timeframe: str, counts: dict[str, int]) -> None:
    """Count the places where bars are absent, and how many are.

    ``series`` ascends. Between sessions bars are absent too, so for sessions the count says little.
    """
    length = timeframe_seconds(timeframe) * MICROS_PER_SECOND
    steps = np.diff(series["open_time"].to_numpy("datetime64[us]").astype(np.int64))
    wide = steps[steps > length]
    counts["gaps"] = len(wide)
    counts["missing_bars"] = int((-(-wide // length) - 1).sum())
