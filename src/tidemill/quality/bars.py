"""Bars judged: the good ones, the rejected ones with their reason, and what is missing between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import BarSchedule, Instrument, format_time, from_micros, timeframe_seconds, to_micros
from tidemill.ports import BAR_COLUMNS, GAP_COLUMNS
from tidemill.ports.frames import MICROS_PER_SECOND, PRICE_COLUMNS

STEP_TOLERANCE = 1e-9
VENUE_DOWN, UNKNOWN = "venue down", "unknown"
DIFFERS = "differs from the bar kept for the same open_time"
Outages = Callable[[datetime], bool] | Sequence[tuple[datetime, datetime]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedBars:
    """What came of a check.

    ``good``: BARS, ascending, one per open_time. ``rejected``: BARS with ``reason``, by open_time.
    ``gaps``: GAPS. ``repeated``: rows dropped because they were equal to a good one in every price
    and in volume.
    """

    good: pd.DataFrame
    rejected: pd.DataFrame
    gaps: pd.DataFrame
    repeated: int

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> number of bars rejected for it."""
        return {str(reason): int(count) for reason, count in self.rejected["reason"].value_counts().items()}


def check_bars(
    bars: pd.DataFrame,
    *,
    instrument: Instrument,
    schedule: BarSchedule,
    as_of: datetime | None = None,
    expected_from: datetime | None = None,
    expected_until: datetime | None = None,
    down: Outages | None = None,
) -> CheckedBars:
    """Judge BARS of one instrument, in any order.

    Rejected, with the first reason that applies: another instrument's bar, no time, off the grid of
    the timeframe, not closed at ``as_of`` (None: all count as closed), a number missing or infinite, a
    price <= 0, a volume < 0, high or low inside the others, a price off the price step (by more than
    1e-9 relative). Of several good rows with one open_time the first stays: an equal one is dropped and
    counted, one that differs is rejected.

    Gaps are the slots without a good bar between ``expected_from`` (default the first good bar) and
    ``expected_until`` (exclusive; default the last good bar); nothing is filled. The slots are those of the
    schedule (as-recorded without sessions: no gap can be known). Their cause is
    ``venue down`` where ``down`` says so of the slot, else ``unknown``.

    DataError when a column is missing or open_time has no zone.
    """
    frame = _ordered(bars)
    length = timeframe_seconds(schedule.timeframe) * MICROS_PER_SECOND
    sessions = _micros(schedule.sessions) if schedule.calendar == "as-recorded" else None
    opens = frame["open_time"].to_numpy("datetime64[us]").astype(np.int64)
    grid = _Grid(length=length, sessions=_micros(()) if sessions is None else sessions)
    reasons, repeated = _judge(frame, opens, _judgements(frame, opens, instrument, grid, as_of))
    refused = reasons != ""
    good = ~refused & ~repeated
    slots = _Slots(length=length, sessions=sessions)
    gaps = slots.find_gaps(opens[good], expected_from, expected_until, down)
    return CheckedBars(
        good=frame[good].reset_index(drop=True),
        rejected=frame[refused].assign(reason=pd.Series(reasons[refused], dtype="str").array).reset_index(drop=True),
        gaps=_make_gaps(gaps, instrument.id, schedule.timeframe),
        repeated=int(repeated.sum()),
    )


def off_step(values: np.ndarray, step: Decimal) -> np.ndarray:
    """Which of ``values`` are further than 1e-9 relative from a multiple of ``step``, as ``to_step`` judges."""
    size = float(step)
    wrong: np.ndarray = np.abs(np.rint(values / size) * size - values) > np.abs(values) * STEP_TOLERANCE
    return wrong


def _ordered(bars: pd.DataFrame) -> pd.DataFrame:
    for name in BAR_COLUMNS:
        if name not in bars:
            raise DataError(f"bars need the column '{name}'; they have {', '.join(map(str, bars.columns))}")
    if not isinstance(bars["open_time"].dtype, pd.DatetimeTZDtype):
        raise DataError(f"open_time of bars must be times with a zone, not {bars['open_time'].dtype}")
    frame = bars[list(BAR_COLUMNS)]
    if not frame["open_time"].is_monotonic_increasing:
        frame = frame.sort_values("open_time", kind="stable")
    return frame.reset_index(drop=True)


def _micros(moments: Sequence[datetime]) -> np.ndarray:
    return np.array([to_micros(moment) for moment in moments], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Grid:
    """Where bars may open: multiples of ``length`` since 1970, and ``sessions``."""

    length: int
    sessions: np.ndarray

    def is_off(self, opens: np.ndarray) -> np.ndarray:
        off: np.ndarray = (opens % self.length != 0) & ~np.isin(opens, self.sessions)
        return off


def _judgements(
    frame: pd.DataFrame, opens: np.ndarray, instrument: Instrument, grid: _Grid, as_of: datetime | None
) -> Iterator[tuple[str, np.ndarray]]:
    """Pairs (reason, rows it applies to), in the order in which they are told."""
    yield f"not a bar of {instrument.id}", (frame["instrument"] != instrument.id).to_numpy(bool)
    yield "no open_time", frame["open_time"].isna().to_numpy(bool)
    yield "off the grid of the timeframe", grid.is_off(opens)
    if as_of is not None:
        now = to_micros(as_of)
        yield f"opens after {format_time(as_of)}", opens > now
        yield f"not closed at {format_time(as_of)}", opens + grid.length > now
    prices = frame[list(PRICE_COLUMNS)].to_numpy(np.float64)
    volume = frame["volume"].to_numpy(np.float64)
    finite = np.asarray(np.isfinite(prices).all(axis=1) & np.isfinite(volume))
    yield "a number is missing or infinite", ~finite
    yield "a price is not positive", np.asarray((prices <= 0).any(axis=1))
    yield "the volume is negative", volume < 0
    first, high, low, last = prices.T
    yield "high is below open, close or low", high < np.maximum(np.maximum(first, last), low)
    yield "low is above open or close", low > np.minimum(first, last)
    with np.errstate(invalid="ignore"):
        off = np.asarray(off_step(prices, instrument.price_step).any(axis=1))
    yield f"a price is not a multiple of the step {instrument.price_step}", off


def _judge(
    frame: pd.DataFrame, opens: np.ndarray, judgements: Iterator[tuple[str, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Each row's first reason ("" when it is fine), and which rows repeat a fine one."""
    reasons_seen, codes = [""], np.zeros(len(frame), dtype=np.int8)
    for reason, wrong in judgements:
        codes[wrong & (codes == 0)] = len(reasons_seen)
        reasons_seen.append(reason)
    repeated, differing = _judge_repeats(frame, opens, codes == 0)
    codes[differing] = len(reasons_seen)
    return np.array([*reasons_seen, DIFFERS], dtype=object)[codes], repeated


def _judge_repeats(frame: pd.DataFrame, opens: np.ndarray, fine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows equal to an earlier fine one of the same open_time, and rows that differ from it."""
    rows = np.flatnonzero(fine)
    again = np.concatenate([[False], np.diff(opens[rows]) == 0]) if len(rows) else np.zeros(0, dtype=bool)
    repeated, differing = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    if not again.any():
        return repeated, differing
    firsts = np.maximum.accumulate(np.where(again, 0, np.arange(len(rows))))
    values = frame[[*PRICE_COLUMNS, "volume"]].to_numpy(np.float64)
    equal = (values[rows] == values[rows[firsts]]).all(axis=1)
    repeated[rows[again & equal]] = True
    differing[rows[again & ~equal]] = True
    return repeated, differing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Slots:
    """Numbers the opens that bars should have: every ``length`` (sessions None), or the sessions."""

    length: int
    sessions: np.ndarray | None

    def find_gaps(
        self, opens: np.ndarray, start: datetime | None, end: datetime | None, down: Outages | None
    ) -> list[tuple[int, int, int, str]]:
        """Gaps as (start, end, missing, cause), times in micros; ``opens`` ascending and unique."""
        numbers = self._number(opens)
        if self.sessions is not None:
            numbers = numbers[np.isin(opens, self.sessions)]
        if not len(numbers) and (start is None or end is None):
            return []
        first = numbers[0] if start is None else self._number(_micros([start]))[0]
        beyond = numbers[-1] + 1 if end is None else self._number(_micros([end]))[0]
        inside = numbers[(numbers >= first) & (numbers < beyond)]
        marks = np.concatenate([[first - 1], inside, [max(beyond, first)]])
        jumps = np.flatnonzero(np.diff(marks) > 1)
        return [part for jump in jumps for part in self._split(int(marks[jump]) + 1, int(marks[jump + 1]), down)]

    def _number(self, micros: np.ndarray) -> np.ndarray:
        """Number of the first slot that opens at or after each time."""
        return -(-micros // self.length) if self.sessions is None else np.searchsorted(self.sessions, micros)

    def _open(self, number: int) -> int:
        return number * self.length if self.sessions is None else int(self.sessions[number])

    def _split(self, first: int, beyond: int, down: Outages | None) -> Iterator[tuple[int, int, int, str]]:
        """The gap of slots ``first`` to ``beyond`` (exclusive), cut where its cause changes."""
        if down is None:
            yield self._open(first), self._open(beyond - 1) + self.length, beyond - first, UNKNOWN
            return
        causes = [self._cause(self._open(number), down) for number in range(first, beyond)]
        begun = 0
        for at in range(1, len(causes) + 1):
            if at == len(causes) or causes[at] != causes[begun]:
                ended = self._open(first + at - 1) + self.length
                yield self._open(first + begun), ended, at - begun, causes[begun]
                begun = at

    def _cause(self, opened: int, down: Outages) -> str:
        if callable(down):
            is_down = down(from_micros(opened))
        else:
            closed = opened + self.length
            is_down = any(to_micros(start) <= opened and closed <= to_micros(end) for start, end in down)
        return VENUE_DOWN if is_down else UNKNOWN


def _make_gaps(gaps: list[tuple[int, int, int, str]], instrument: str, timeframe: str) -> pd.DataFrame:
    columns = list(zip(*gaps, strict=True)) or [(), (), (), ()]
    starts, ends = (pd.DatetimeIndex(np.array(edge, dtype="datetime64[us]"), tz="UTC") for edge in columns[:2])
    return pd.DataFrame(
        {
            "instrument": pd.Series([instrument] * len(gaps), dtype="str"),
            "timeframe": pd.Series([timeframe] * len(gaps), dtype="str"),
            "start": starts,
            "end": ends,
            "missing": np.array(columns[2], dtype=np.int64),
            "cause": pd.Series(list(columns[3]), dtype="str"),
        },
        columns=list(GAP_COLUMNS),
    )
