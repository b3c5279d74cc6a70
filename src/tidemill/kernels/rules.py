"""Two whole strategies on bare arrays: a crossing of means with a fixed stake, and a rebalance to weights."""

from __future__ import annotations

import numpy as np

from tidemill.kernels.simulators import STAKE, WEIGHT, run_targets
from tidemill.kernels.values import Costs, Trail, make_market, make_trail, open_state


def run_cross(
    crosses: np.ndarray, opens: np.ndarray, last: float, steps: np.ndarray, costs: Costs, *, stake: float, cash: float
) -> Trail:
    """One instrument: enter for ``stake`` quote units where ``crosses`` (T,) is +1, leave where it is -1.

    A cross at bar t is filled at the open of bar t + 1; the rows of the trail are these fills. ``opens`` is
    (T,), ``last`` the price of the final mark. A cross below before the first one above does nothing.
    """
    rows = np.flatnonzero(crosses[:-1] != 0)
    sides = crosses[rows]
    price = opens[rows + 1][:, None]
    mark = price.copy()
    mark[-1:] = last
    target = np.where(sides > 0, stake, 0.0)[:, None]
    trail = make_trail(len(rows), 1)
    run_targets(target, STAKE, 0.0, make_market(price=price, mark=mark), steps, costs, open_state(cash, 1), trail)
    return trail


def run_rebalance(
    weights: np.ndarray, price: np.ndarray, last: np.ndarray, steps: np.ndarray, costs: Costs, *, cash: float
) -> Trail:
    """One cash pool: move to ``weights`` (R, S) of equity at ``price`` (R, S), sells first; NaN keeps.

    ``last`` (S,) are the prices of the final mark.
    """
    mark = price.copy()
    mark[-1:] = last
    trail = make_trail(*weights.shape)
    state = open_state(cash, weights.shape[1])
    run_targets(weights, WEIGHT, 0.0, make_market(price=price, mark=mark), steps, costs, state, trail)
    return trail
