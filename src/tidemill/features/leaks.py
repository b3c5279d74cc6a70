"""Does a feature table look into the future? Sampled rows are made again from truncated inputs and compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from tidemill.domain.market import DecisionGrid

Builder = Callable[..., pd.DataFrame]
SAMPLED_POINTS = 12


def find_leaks(
    build: Builder,
    bars: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    grid: DecisionGrid,
    universe: Sequence[str],
    sampled: int = SAMPLED_POINTS,
) -> list[str]:
    """Names of features whose value at some sampled point changes once later knowledge is taken away.

    The points are spread evenly over the table. Equality is bit for bit, NaN equal to NaN.

    Empty when none leaks or there is no point to look at. ``rows`` stands for a different set of instruments at a
    point. ``build`` is called as :func:`build_features` is.
    """
    whole = build(bars, scores, grid=grid, points=None, universe=universe)
    points = whole.index.get_level_values("point").unique()
    if not len(points):
        return []
    sample = points[np.unique(np.linspace(0, len(points) - 1, sampled).astype(int))]
    leaks: set[str] = set()
    for point in sample:
        leaks |= _compare(build, whole, bars, scores, pd.Timestamp(point), grid, universe)
    return sorted(leaks)


def _compare(
    build: Builder,
    whole: pd.DataFrame,
    bars: pd.DataFrame,
    scores: pd.DataFrame,
    point: pd.Timestamp,
    grid: DecisionGrid,
    universe: Sequence[str],
) -> set[str]:
    as_of = grid.as_of(point.to_pydatetime())
    known_bars = bars[(bars["knowledge_time"] <= as_of) & (bars["open_time"] < point)]
    known_scores = scores[scores["knowledge_time"] <= as_of] if len(scores) else scores
    alone = build(known_bars, known_scores, grid=grid, points=[point.to_pydatetime()], universe=universe)
    here = whole.xs(point, level="point")
    again = alone.xs(point, level="point") if len(alone) else alone
    if list(here.index) != list(again.index):
        return {"rows"}
    columns = [name for name in here.columns if name in again.columns and here[name].dtype.kind == "f"]
    return {name for name in columns if not np.array_equal(here[name], again[name], equal_nan=True)}
