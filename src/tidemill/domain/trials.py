"""A trial: one backtest that was looked at, and so one chance of being lucky."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time, require_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One backtest run.

    ``parameters_hash`` and ``data_hash`` are SHA-256 hex digests: of everything but the period that decides, and of
    the whole recording. The period is [``start``, ``end``) of decided closes. ``sharpe`` is annual, None where it is
    not defined; ``orders`` is how many were intended. DataError for a time without zone, an empty hash or
    strategy, a period that ends before it starts, and a ratio that is not a number.
    """

    recorded_at: datetime
    strategy: str
    parameters_hash: str
    start: datetime
    end: datetime
    data_hash: str
    sharpe: float | None
    orders: int

    def __post_init__(self) -> None:
        for name in ("recorded_at", "start", "end"):
            require_utc(getattr(self, name), name)
        for name in ("strategy", "parameters_hash", "data_hash"):
            if not getattr(self, name):
                raise DataError(f"a trial needs its {name}; it is empty")
        if self.end <= self.start:
            raise DataError(f"the trial's period ends {format_time(self.end)}, not after {format_time(self.start)}")
        if self.sharpe is not None and not math.isfinite(self.sharpe):
            raise DataError(f"the Sharpe ratio of a trial is a number or None, not {self.sharpe}")

    @property
    def key(self) -> tuple[str, str, datetime, datetime, str]:
        """What makes it another trial; the same run again is none.

        The recording of the run's time and its outcome are no part of it: looking twice at one setting is one chance
        of luck.
        """
        return self.strategy, self.parameters_hash, self.start, self.end, self.data_hash


def distinct_trials(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """The newest run of each trial, in the order in which they were first made.

    ``trials`` are in order of storage, so the last of equal keys is the newest.
    """
    return tuple({trial.key: trial for trial in trials}.values())


def comparable_sharpes(trials: Iterable[Trial], *, start: datetime, end: datetime) -> list[float | None]:
    """The annual Sharpe ratio of each trial; None, besides where unknown, where it is not comparable.

    A ratio scatters by one over the length of its trial, so beside a run from ``start`` to ``end`` only those
    of half to twice its length say how far trials of its kind scatter. The others are counted all the same.
    """
    span = end - start
    return [trial.sharpe if span / 2 <= trial.end - trial.start <= 2 * span else None for trial in trials]
