"""What is kept of one parameter set."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tidemill.domain.errors import TidemillError
from tidemill.research.parameter_sets.spaces import Params


def failure_text(error: Exception) -> str:
    """Why a set could not be tried; errors of ours are sentences already, others need their kind.

    For a foreign exception the name of its class stands in front, because its text alone seldom says enough.
    """
    return str(error) if isinstance(error, TidemillError) else f"{type(error).__name__}: {error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One parameter set and what came of it; money in account currency.

    ``returns`` is (count, sum, sum of squares) of the simple returns between marks, from which ratios of several
    runs are joined; ``sharpe`` is annual, None where it is not defined.
    """

    params: Params
    sharpe: float | None
    total_return: float
    equity_end: float
    max_drawdown: float
    fees: float
    orders: int
    filled: int
    near_threshold: int
    returns: tuple[int, float, float]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings.

        The sums behind ``returns`` are left out: they serve to join runs and mean nothing to a reader.
        """
        fields = asdict(self) | {"params": dict(self.params)}
        fields.pop("returns")
        return fields | {"equity_end": f"{self.equity_end:.8f}", "fees": f"{self.fees:.8f}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedSet:
    """A parameter set that could not be tried, with the reason.

    It is reported and kept in the journal, so a sweep that goes on does not try it again.
    """

    params: Params
    reason: str

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"params": dict(self.params), "reason": self.reason}


SetResult = Outcome | FailedSet


def make_outcome(
    params: Params, equity: np.ndarray, sharpe: float, *, fees: float, orders: int, filled: int, near: int
) -> Outcome:
    """The outcome of a run whose marks are ``equity`` float64 (N,), N >= 2.

    ``equity`` is positive and in account currency, the start among it; ``sharpe`` may be NaN, which becomes None.
    ``near`` counts comparisons too close for float64 to decide.
    """
    moves = equity[1:] / equity[:-1] - 1
    peaks = np.maximum.accumulate(equity)
    return Outcome(
        params=dict(params),
        sharpe=sharpe if math.isfinite(sharpe) else None,
        total_return=float(equity[-1] / equity[0] - 1),
        equity_end=float(equity[-1]),
        max_drawdown=float(np.max(1 - equity / peaks)),
        fees=fees,
        orders=orders,
        filled=filled,
        near_threshold=near,
        returns=(len(moves), float(moves.sum()), float((moves * moves).sum())),
    )


def rank_outcomes(results: Iterable[SetResult]) -> list[Outcome]:
    """Outcomes by Sharpe ratio, the best first; equal ones by return, then as they came. Without a ratio: last.

    Failed sets are left out.
    """
    return sorted((result for result in results if isinstance(result, Outcome)), key=_rank, reverse=True)


def _rank(outcome: Outcome) -> tuple[float, float]:
    return (-math.inf if outcome.sharpe is None else outcome.sharpe), outcome.total_return


def best_of(results: Iterable[SetResult]) -> Outcome | None:
    """The outcome that ranks first, None when no set could be tried.

    Best by Sharpe ratio; whether that is more than luck is for the odds to say, not for the rank.
    """
    return next(iter(rank_outcomes(results)), None)
