"""Points at which nothing can happen: a strategy may tell them in advance, and is not taken at its word.

At a point where the strategy names nothing, no order rests and no refusal is due, sizing, limits, planning and
matching have nothing to do: only equity is marked. All other points are decided in full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tidemill.backtest.tracks import Tracks
from tidemill.decision import BAR_FIELDS, DecisionRules
from tidemill.domain.errors import StrategyError
from tidemill.domain.market import format_time
from tidemill.recording.tape import RecordedTape

ASKED_ALL_THE_SAME = 64
CUTS = 8
Speaks = Callable[[pd.DataFrame, pd.DatetimeIndex], Any]


class Plan:
    """Which points are decided in full. ``doubted``: those told to be quiet that are asked all the same."""

    def __init__(self, spoken: np.ndarray, doubted: np.ndarray) -> None:
        self.decided = spoken | doubted
        self.doubted = doubted
        ahead = np.append(np.flatnonzero(self.decided), len(spoken))
        self._next = ahead[np.searchsorted(ahead, np.arange(len(spoken)))]

    def next_decided(self, index: int) -> int:
        """The first point from ``index`` on that is decided; their number when there is none."""
        return int(self._next[index])


def decide_all(count: int) -> Plan:
    """Every one of ``count`` points."""
    return Plan(np.ones(count, dtype=bool), np.zeros(count, dtype=bool))


def plan_points(
    rules: DecisionRules, bars: pd.DataFrame, tracks: Tracks, tape: RecordedTape, micros: np.ndarray
) -> Plan:
    """Every one of ``micros``, unless the strategy has ``speaks_at(bars, points)``: those it names, and a sample.

    StrategyError when what it says of a period changes with the bars that follow.
    """
    speaks: Speaks | None = getattr(rules.own, "speaks_at", None)
    if speaks is None or rules.grid.calendar != "24x7":
        return decide_all(len(micros))
    times = pd.DatetimeIndex(micros.astype("datetime64[us]")).tz_localize("UTC")
    visible_bars = bars[list(BAR_FIELDS)]
    spoken = _ask(rules, speaks, visible_bars, times)
    _check_past(rules, speaks, visible_bars, times, spoken)
    sure = ~spoken & tracks.are_fresh(micros) & ~tape.are_down(micros + rules.grid.delay_seconds * 1_000_000)
    doubted = np.zeros(len(micros), dtype=bool)
    quiet = np.flatnonzero(sure)
    doubted[quiet[np.linspace(0, len(quiet) - 1, min(ASKED_ALL_THE_SAME, len(quiet))).astype(int)]] = True
    return Plan(~sure, doubted)


def _ask(rules: DecisionRules, speaks: Speaks, bars: pd.DataFrame, times: pd.DatetimeIndex) -> np.ndarray:
    try:
        spoken = np.asarray(speaks(bars, times), dtype=bool)
    except Exception as error:
        raise StrategyError(
            f"speaks_at of strategy '{rules.strategy}' raised {type(error).__name__}: {error}"
        ) from error
    if spoken.shape != (len(times),):
        raise StrategyError(f"speaks_at of strategy '{rules.strategy}' must give one answer for each point")
    return spoken


def _check_past(
    rules: DecisionRules, speaks: Speaks, bars: pd.DataFrame, times: pd.DatetimeIndex, spoken: np.ndarray
) -> None:
    """What was said of the points up to a cut must be said without the bars after it as well."""
    for cut in np.linspace(0, len(times) - 1, min(CUTS, len(times))).astype(int).tolist():
        before = _ask(rules, speaks, bars[bars["open_time"] < times[cut]], times[: cut + 1])
        if not np.array_equal(before, spoken[: cut + 1]):
            raise StrategyError(
                f"strategy '{rules.strategy}' peeks: what speaks_at says of the points up to "
                f"{format_time(times[cut].to_pydatetime())} changes with the bars that follow"
            )
