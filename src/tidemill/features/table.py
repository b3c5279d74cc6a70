"""The only as-of join: feature rows that use what was known at their own as_of, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from tidemill.domain.market import DecisionGrid, InstrumentId, to_micros
from tidemill.features.bar_history import BarHistory, PointClock
from tidemill.features.sentiment import HOUR_MICROS, SENTIMENT_FEATURES, ScoreWindows
from tidemill.features.window_rows import WindowRows, make_window_rows
from tidemill.features.windows import WINDOW_FEATURES
from tidemill.ports.frames import times

RANKED = {"rank_ret_24": "ret_24", "rank_vol_24": "vol_24"}
CROSS_FEATURES = tuple(RANKED)
CALENDAR_FEATURES = ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
FEATURE_NAMES = (*WINDOW_FEATURES, *CROSS_FEATURES, *CALENDAR_FEATURES, *SENTIMENT_FEATURES)
EXTRA_COLUMNS = ("decided_open", "close", "volume", "bars_known")


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
    the longest window). NaN: fewer bars than a feature needs, or (24x7) a window with too many gaps.
    """
    clock = PointClock(grid)
    histories = _histories(bars, clock)
    score_windows = ScoreWindows(scores)
    wanted_points = None if points is None else np.array(sorted({to_micros(point) for point in points}), dtype=np.int64)
    parts = [
        _instrument_table(InstrumentId(name), histories, universe[0], score_windows, clock, wanted_points)
        for name in universe
        if name in histories
    ]
    table = pd.concat(parts, ignore_index=True) if parts else _empty_table()
    return _add_ranks(table).set_index(["point", "instrument"]).sort_index()[[*FEATURE_NAMES, *EXTRA_COLUMNS]]


def _histories(bars: pd.DataFrame, clock: PointClock) -> dict[str, BarHistory]:
    """The bars of each instrument; of one bar the revision stored last comes last."""
    if not len(bars):
        return {}
    keys = ["instrument", "open_time", "stored_at"] if "stored_at" in bars else ["instrument", "open_time"]
    ordered = bars.sort_values(keys, kind="stable")
    return {str(name): BarHistory(rows, clock) for name, rows in ordered.groupby("instrument", sort=False)}


def _instrument_table(
    name: InstrumentId,
    histories: Mapping[str, BarHistory],
    reference: str,
    scores: ScoreWindows,
    clock: PointClock,
    wanted_points: np.ndarray | None,
) -> pd.DataFrame:
    """All columns of one instrument but the ranks; ``reference`` names the instrument that it is compared with."""
    bars = histories[name]
    points = np.unique(clock.points(bars.opens))
    points = points[points >= 0] if wanted_points is None else np.intersect1d(points, wanted_points)
    # where the first instrument has no bars at all, an instrument is compared with itself
    rows = make_window_rows(bars, histories.get(reference, bars), points, clock)
    return _frame(name, bars, rows, scores, clock)


def _frame(
    name: InstrumentId, bars: BarHistory, rows: WindowRows, scores: ScoreWindows, clock: PointClock
) -> pd.DataFrame:
    decided_opens = bars.opens[rows.decided]
    sentiment = scores.features(name.base, decided_opens + clock.length)
    columns: dict[str, object] = {"point": times(rows.points), "instrument": str(name)}
    columns |= {feature: rows.values[:, index] for index, feature in enumerate(WINDOW_FEATURES)}
    columns |= _calendar_features(rows.points)
    columns |= {feature: sentiment[:, index] for index, feature in enumerate(SENTIMENT_FEATURES)}
    columns |= {"decided_open": times(decided_opens)}
    columns |= {field: bars.values[field][rows.decided] for field in ("close", "volume")}
    return pd.DataFrame(columns | {"bars_known": rows.bars_known.astype(np.int64)})


def _calendar_features(points: np.ndarray) -> dict[str, np.ndarray]:
    """Hour of the day and of the week on circles, so that midnight lies beside the hour before it."""
    hours = points // HOUR_MICROS
    # the first day of 1970 was a Thursday, three days into its week
    day, week = 2 * np.pi * (hours % 24) / 24, 2 * np.pi * ((hours // 24 + 3) % 7) / 7
    return dict(zip(CALENDAR_FEATURES, (np.sin(day), np.cos(day), np.sin(week), np.cos(week)), strict=True))


def _add_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Rank among the instruments that have a row at the point, 0 to 1 (0.5 when alone)."""
    for feature, source in RANKED.items():
        if not len(table):
            table[feature] = np.empty(0)
            continue
        groups = table.groupby("point")[source]
        rank, count = groups.rank(), groups.transform("count")
        table[feature] = np.where(count > 1, (rank - 1) / (count - 1).clip(lower=1), np.where(count == 1, 0.5, np.nan))
        table.loc[table[source].isna(), feature] = np.nan
    return table


def _empty_table() -> pd.DataFrame:
    table = pd.DataFrame({name: np.empty(0) for name in (*FEATURE_NAMES, *EXTRA_COLUMNS)})
    return table.assign(point=times(np.empty(0, dtype=np.int64)), instrument=pd.Series(dtype="str"))
