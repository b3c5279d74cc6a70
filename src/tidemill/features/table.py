"""The only as-of join: feature rows that use what was known at their own as_of, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from tidemill.domain.market import DecisionGrid, split_instrument_id, timeframe_seconds, to_micros
from tidemill.features.sentiment import SENTIMENT_FEATURES, ScoreWindows
from tidemill.features.windows import LOOKBACK, WINDOW_FEATURES, InstrumentBars, window_features

CROSS_FEATURES = ("rank_ret_24", "rank_vol_24")
CALENDAR_FEATURES = ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
FEATURE_NAMES = (*WINDOW_FEATURES, *CROSS_FEATURES, *CALENDAR_FEATURES, *SENTIMENT_FEATURES)
EXTRA_COLUMNS = ("decided_open", "close", "volume", "bars_known")
# Windows of a 24x7 market that span this much more than their bars need are full of holes.
LARGEST_SPAN = 1.1
FIELDS = ("high", "low", "close", "volume")


def build_features(
    bars: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    grid: DecisionGrid,
    points: Sequence[datetime] | None,
    universe: Sequence[str],
) -> pd.DataFrame:
    """Feature rows by (point, instrument).

    ``bars`` are BARS, possibly several revisions of a bar; ``scores`` are SCORES. The row at point p uses
    bars with open_time <= decided_open(p) and knowledge_time <= as_of(p), of each the newest such
    revision, and scores known at or before the decided close. ``points`` None: every bar's point. An
    instrument whose decided bar is not known at as_of has no row.

    Columns: FEATURE_NAMES (float64, NaN where unknown), decided_open, close, volume, bars_known (bars in
    the longest window). NaN: fewer bars than a feature needs, or (24x7) a window full of holes.
    """
    clock = _PointClock(grid)
    windows = ScoreWindows(scores)
    wanted = None if points is None else np.array(sorted({to_micros(one) for one in points}), dtype=np.int64)
    parts = []
    keys = ["instrument", "open_time", "stored_at"] if "stored_at" in bars else ["instrument", "open_time"]
    ordered = bars.sort_values(keys, kind="stable") if len(bars) else bars
    by_name = {str(name): rows for name, rows in ordered.groupby("instrument", sort=False)} if len(bars) else {}
    reference = by_name.get(universe[0]) if universe else None
    parts = [
        _instrument_rows(name, by_name[name], reference, windows, clock, wanted) for name in universe if name in by_name
    ]
    table = pd.concat(parts, ignore_index=True) if parts else _empty()
    return _add_ranks(table).set_index(["point", "instrument"]).sort_index()[[*FEATURE_NAMES, *EXTRA_COLUMNS]]


class _PointClock:
    """Maps open times to points and points to as_of, in micros."""

    def __init__(self, grid: DecisionGrid) -> None:
        self.length = timeframe_seconds(grid.timeframe) * 1_000_000
        self.delay = grid.delay_seconds * 1_000_000
        self.sessions = (
            np.array([to_micros(one) for one in grid.sessions], dtype=np.int64)
            if grid.calendar == "as-recorded"
            else None
        )

    def points(self, opens: np.ndarray) -> np.ndarray:
        """The point that decides on each bar; -1 where no session follows."""
        if self.sessions is None:
            return opens + self.length
        following = np.searchsorted(self.sessions, opens, side="right")
        padded = np.append(self.sessions, -1)
        made: np.ndarray = padded[following]
        return made


def _instrument_rows(
    name: str,
    bars: pd.DataFrame,
    reference: pd.DataFrame | None,
    windows: ScoreWindows,
    clock: _PointClock,
    wanted: np.ndarray | None,
) -> pd.DataFrame:
    opens = _micros(bars["open_time"])
    known = _micros(bars["knowledge_time"])
    points = clock.points(opens)
    chosen = points >= 0 if wanted is None else np.isin(points, wanted)
    targets = np.unique(points[chosen])
    ours = _Revisions(bars, opens, known)
    theirs = (
        _Revisions(reference, _micros(reference["open_time"]), _micros(reference["knowledge_time"]))
        if (reference is not None)
        else ours
    )
    late = ours.irregular(clock) | theirs.irregular(clock)
    if late:
        parts = [_late_rows(ours, theirs, point, clock) for point in targets]
        rows, positions = (
            _stack(parts),
            np.array([p for p, part in zip(targets, parts, strict=True) if part is not None]),
        )
    else:
        rows, positions = _regular_rows(ours, theirs, targets, clock)
    return _frame(name, rows, positions, windows, clock)


class _Revisions:
    """Bars of one instrument with all their revisions, ascending by open time, then by when they were stored."""

    def __init__(self, bars: pd.DataFrame, opens: np.ndarray, known: np.ndarray) -> None:
        self.opens = opens
        self.known = known
        self.fields = {name: bars[name].to_numpy(dtype=np.float64) for name in FIELDS}

    def irregular(self, clock: _PointClock) -> bool:
        """Whether any bar was revised, or known later than the decision that it belongs to."""
        if len(self.opens) > 1 and bool(np.any(np.diff(self.opens) == 0)):
            return True
        points = clock.points(self.opens)
        return bool(np.any(self.known[points >= 0] > points[points >= 0] + clock.delay))

    def known_at(self, moment: int, last_open: int) -> np.ndarray:
        """Positions of the newest known revision of each of the last LOOKBACK bars."""
        end = int(np.searchsorted(self.opens, last_open, side="right"))
        return self.known_at_all(moment, end)[-LOOKBACK:]

    def known_at_all(self, moment: int, end: int | None = None) -> np.ndarray:
        """Positions of the newest known revision of each bar before position ``end``."""
        positions = np.flatnonzero(self.known[:end] <= moment)
        opens = self.opens[positions]
        newest = np.append(opens[1:] != opens[:-1], True) if len(opens) else np.empty(0, dtype=bool)
        made: np.ndarray = positions[newest]
        return made


def _regular_rows(
    ours: _Revisions, theirs: _Revisions, targets: np.ndarray, clock: _PointClock
) -> tuple[np.ndarray, np.ndarray]:
    """All rows at once, when every bar was known in time and never revised."""
    points = clock.points(ours.opens)
    rows = np.flatnonzero(np.isin(points, targets) & (points >= 0))
    arrays = InstrumentBars(opens=ours.opens, reference=_aligned(ours.opens, theirs, None), **ours.fields)
    made = window_features(arrays, rows)
    first = np.maximum(rows - (LOOKBACK - 1), 0)
    made[_full_of_holes(ours.opens[first], ours.opens[rows], rows - first, clock)] = np.nan
    return _with_extras(made, ours, rows, np.minimum(rows + 1, LOOKBACK)), points[rows]


def _late_rows(ours: _Revisions, theirs: _Revisions, point: int, clock: _PointClock) -> np.ndarray | None:
    """The row of one point from what was known at its as_of; None when its decided bar was not."""
    moment = point + clock.delay
    decided = _decided_open(point, clock)
    positions = ours.known_at(moment, decided)
    if not len(positions) or ours.opens[positions[-1]] != decided:
        return None
    opens = ours.opens[positions]
    arrays = InstrumentBars(
        opens=opens,
        reference=_aligned(opens, theirs, moment),
        **{name: values[positions] for name, values in ours.fields.items()},
    )
    made = window_features(arrays, np.array([len(positions) - 1]))
    made[_full_of_holes(opens[:1], opens[-1:], np.array([len(opens) - 1]), clock)] = np.nan
    return _with_extras(made, ours, positions[-1:], np.array([len(positions)]))


def _decided_open(point: int, clock: _PointClock) -> int:
    if clock.sessions is None:
        return point - clock.length
    return int(clock.sessions[np.searchsorted(clock.sessions, point) - 1])


def _aligned(opens: np.ndarray, theirs: _Revisions, moment: int | None) -> np.ndarray:
    """The reference's closes at the same open times, NaN where it has none (known at ``moment``)."""
    positions = np.arange(len(theirs.opens)) if moment is None else theirs.known_at_all(moment)
    known = theirs.opens[positions]
    if not len(known):
        return np.full(len(opens), np.nan)
    found = np.minimum(np.searchsorted(known, opens), len(known) - 1)
    closes = theirs.fields["close"][positions]
    return np.where(known[found] == opens, closes[found], np.nan)


def _full_of_holes(first: np.ndarray, last: np.ndarray, steps: np.ndarray, clock: _PointClock) -> np.ndarray:
    if clock.sessions is not None:
        return np.zeros(len(first), dtype=bool)
    made: np.ndarray = (last - first) > LARGEST_SPAN * steps * clock.length
    return made


def _with_extras(made: np.ndarray, ours: _Revisions, rows: np.ndarray, count: np.ndarray) -> np.ndarray:
    extras = (ours.opens[rows], ours.fields["close"][rows], ours.fields["volume"][rows], count)
    return np.column_stack([made, *(np.asarray(one, dtype=np.float64) for one in extras)])


def _stack(parts: Sequence[np.ndarray | None]) -> np.ndarray:
    found = [part for part in parts if part is not None]
    return np.vstack(found) if found else np.empty((0, len(WINDOW_FEATURES) + len(EXTRA_COLUMNS)))


def _frame(name: str, rows: np.ndarray, points: np.ndarray, windows: ScoreWindows, clock: _PointClock) -> pd.DataFrame:
    width = len(WINDOW_FEATURES)
    opens = rows[:, width].astype(np.int64)
    base = split_instrument_id(name)[0]
    columns: dict[str, object] = {"point": _times(points), "instrument": name}
    columns |= {feature: rows[:, index] for index, feature in enumerate(WINDOW_FEATURES)}
    columns |= _calendar(points)
    said = windows.features(base, opens + clock.length)
    columns |= {feature: said[:, index] for index, feature in enumerate(SENTIMENT_FEATURES)}
    columns |= {"decided_open": _times(opens), "close": rows[:, width + 1], "volume": rows[:, width + 2]}
    columns["bars_known"] = rows[:, width + 3].astype(np.int64)
    return pd.DataFrame(columns)


def _calendar(points: np.ndarray) -> dict[str, np.ndarray]:
    hours = points // 3_600_000_000
    day, week = 2 * np.pi * (hours % 24) / 24, 2 * np.pi * ((hours // 24 + 3) % 7) / 7
    return {
        "hour_sin": np.sin(day),
        "hour_cos": np.cos(day),
        "weekday_sin": np.sin(week),
        "weekday_cos": np.cos(week),
    }


def _add_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Rank among the instruments that have a row at the point, 0 to 1 (0.5 when alone)."""
    for feature, source in zip(CROSS_FEATURES, ("ret_24", "vol_24"), strict=True):
        groups = table.groupby("point")[source] if len(table) else None
        if groups is None:
            table[feature] = np.empty(0)
            continue
        rank, count = groups.rank(), groups.transform("count")
        table[feature] = np.where(count > 1, (rank - 1) / (count - 1).clip(lower=1), np.where(count == 1, 0.5, np.nan))
        table.loc[table[source].isna(), feature] = np.nan
    return table


def _empty() -> pd.DataFrame:
    names = [*FEATURE_NAMES, *EXTRA_COLUMNS]
    made = pd.DataFrame({name: np.empty(0) for name in names})
    return made.assign(point=_times(np.empty(0, dtype=np.int64)), instrument=pd.Series(dtype="str"))


def _micros(times: pd.Series) -> np.ndarray:
    made: np.ndarray = times.to_numpy("datetime64[us]").astype(np.int64)
    return made


def _times(micros: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(micros.astype("datetime64[us]")).tz_localize("UTC")
