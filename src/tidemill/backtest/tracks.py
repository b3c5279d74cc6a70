"""Bars found by position: what each decision sees of them, without a frame being cut."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial

import numpy as np
import pandas as pd

from tidemill.decision import (
    DecisionRules,
    LastBar,
    MarketView,
    make_last_bar,
    view_last_bars,
    why_incomplete,
    window_start,
)
from tidemill.domain.market import from_micros, timeframe_seconds, to_micros, to_step
from tidemill.domain.portfolio import ZERO
from tidemill.features import LOOKBACK
from tidemill.forecasting import FeatureRows
from tidemill.ports.frames import MICROS_PER_SECOND


class Tracks:
    """All bars of a backtest by instrument, in the order of ``bars`` (by instrument, then by open time).

    What a decision sees of them is a position in each; cutting a frame for each would cost more than deciding.
    """

    def __init__(self, bars: pd.DataFrame, rules: DecisionRules) -> None:
        self._bars = bars
        self._rules = rules
        self._length = timeframe_seconds(rules.grid.timeframe) * MICROS_PER_SECOND
        self._sessions = [to_micros(session) for session in rules.grid.sessions]
        names = bars["instrument"].to_numpy()
        self.tracks = {name: _Track(bars, np.flatnonzero(names == name), rules, name) for name in rules.universe}

    def view(self, point: datetime) -> MarketView:
        """What is visible at ``point``: every bar opened at or before the decided one's open.

        The frame of these bars is cut only when a strategy asks for it.
        """
        grid = self._rules.grid
        decided = to_micros(grid.decided_open(point))
        at = {name: track.position(decided) for name, track in self.tracks.items()}
        return view_last_bars(
            self._rules,
            point,
            {name: self.tracks[name].last(index) for name, index in at.items() if index >= 0},
            to_micros(grid.as_of(point)),
            incomplete=self._incomplete(point, decided, at),
            history=partial(self._history, point, at),
        )

    def prices(self, until: datetime, names: list[str]) -> dict[str, Decimal]:
        """Closes of the last bars closed at or before ``until``, of the instruments that have one."""
        opened = to_micros(until) - self._length
        at = {name: self.tracks[name].position(opened) for name in names}
        return {name: self.tracks[name].last(index).price for name, index in at.items() if index >= 0}

    def along(self, points: np.ndarray, names: list[str]) -> dict[str, list[Decimal]]:
        """:meth:`prices` at each of ``points`` (micros); 0 before an instrument's first bar."""
        return {name: self.tracks[name].along(points - self._length) for name in names}

    def are_fresh(self, points: np.ndarray) -> np.ndarray:
        """Whether of some instrument the decided bar and its lookback are whole, at each point (micros, 24x7).

        Where it is, no decision is refused for stale or missing bars.
        """
        any_fresh = np.zeros(len(points), dtype=bool)
        for track in self.tracks.values():
            opens = track.micros
            decided = points - self._length
            at = np.searchsorted(opens, decided, side="right") - 1
            first = np.maximum(at - LOOKBACK + 1, 0)
            has_bar = at >= 0
            fresh = opens[np.maximum(at, 0)] == decided
            any_fresh |= has_bar & fresh & (decided - opens[first] == (at - first) * self._length)
        return any_fresh

    def _incomplete(self, point: datetime, decided: int, at: Mapping[str, int]) -> dict[str, str]:
        start = to_micros(window_start(self._rules.grid, point))
        reasons = {}
        for name, index in at.items():
            opens = self.tracks[name].opens
            first = max(bisect_left(opens, start), index + 1 - LOOKBACK)
            if first > index or self._is_whole(opens[first], decided, index + 1 - first):
                continue
            if reason := why_incomplete(self._rules, point, self.tracks[name].micros[first : index + 1]):
                reasons[name] = reason
        return reasons

    def _is_whole(self, first: int, decided: int, count: int) -> bool:
        """Whether ``count`` bars are all that there can be from the one opened at ``first`` to the decided one."""
        if self._rules.grid.calendar == "24x7":
            return decided - first == (count - 1) * self._length and first % self._length == 0
        sessions = self._sessions
        return bisect_right(sessions, decided) - bisect_left(sessions, first) == count

    def _history(self, point: datetime, at: Mapping[str, int]) -> pd.DataFrame:
        """The bars of the longest window, as rows."""
        start = to_micros(window_start(self._rules.grid, point))
        parts = []
        for name, index in at.items():
            track = self.tracks[name]
            parts.append(track.rows[bisect_left(track.opens, start) : index + 1])
        return self._bars.iloc[np.sort(np.concatenate(parts))]


class _Track:
    """One instrument: ``rows`` of the frame, their opens in micros, and the last bars made of them so far."""

    def __init__(self, bars: pd.DataFrame, rows: np.ndarray, rules: DecisionRules, name: str) -> None:
        self.rows = rows
        self.micros = bars["open_time"].to_numpy("datetime64[us]").astype(np.int64)[rows]
        self.opens: list[int] = self.micros.tolist()
        self.closes: list[float] = bars["close"].to_numpy(np.float64)[rows].tolist()
        self._volumes: list[float] = bars["volume"].to_numpy(np.float64)[rows].tolist()
        self._step = rules.instruments[name].price_step
        self._made: dict[int, LastBar] = {}

    def position(self, opened: int) -> int:
        """Position of the last bar opened at or before ``opened``, -1 when there is none."""
        return bisect_right(self.opens, opened) - 1

    def along(self, opened: np.ndarray) -> list[Decimal]:
        """Closes of the last bars opened at or before each of ``opened``, ascending; 0 where there is none."""
        at = np.searchsorted(self.micros, opened, side="right") - 1
        step = self._step
        closes = {-1: ZERO}
        for index in np.unique(at[at >= 0]).tolist():
            closes[index] = to_step(self.closes[index], step)
        return [closes[index] for index in at.tolist()]

    def last(self, index: int) -> LastBar:
        """The bar at a position."""
        bar = self._made.get(index)
        if bar is None:
            opened = from_micros(self.opens[index])
            bar = make_last_bar(opened, self.closes[index], self._volumes[index], self._step)
            self._made[index] = bar
        return bar


class Rows:
    """Feature rows by (point, instrument), found by point."""

    def __init__(self, features: pd.DataFrame) -> None:
        points = features.index.get_level_values("point")
        self._micros = points.to_numpy("datetime64[us]").astype(np.int64)
        # copied, so that its columns lie together: a strategy that asks for a frame is given some of its rows
        self._table = features.droplevel("point").copy()
        whole = FeatureRows.of(self._table)
        self._names, self._columns, self._values = whole.names, whole.columns, whole.values

    def at(self, point: datetime) -> FeatureRows:
        """The rows of one point by instrument; none when there are none."""
        low, high = np.searchsorted(self._micros, [to_micros(point), to_micros(point) + 1]).tolist()
        return FeatureRows(
            self._names[low:high], self._columns, self._values[low:high], lambda: self._table.iloc[low:high]
        )
