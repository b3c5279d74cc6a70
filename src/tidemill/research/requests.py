"""Which period of which recording is to be run, and who makes a plan of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from tidemill.backtest import BacktestPlan
from tidemill.recording import Recording

Speed = Literal["exact", "fast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRequest:
    """One period of one recording, at one speed.

    ``data`` is the recording's TOML file (None: the bundled prices). Decided are the closes c with
    ``start`` <= c < ``end``, both in UTC (without ``start`` the last 12, without ``end`` to the end of the recording).
    ``strategy`` is the name of one that ships, or a file; ``every`` thins the decisions to a timeframe such as 4h
    (None: every bar). It can be hashed and pickled, so that it may be sent to a worker and keep a plan under its name.
    """

    data: Path | None
    start: datetime | None
    end: datetime | None
    strategy: str
    every: str | None
    speed: Speed = "exact"


class PlanLoader(Protocol):
    """Makes recording and plan of a request, with rules, fees and limits of its own.

    It is sent to workers and asked again there, so it must be picklable, hashable, and answer the same request with
    the same plan. It raises DataError for a recording that cannot be read or a period without decisions,
    StrategyError and ConfigurationError for a strategy that cannot be used.
    """

    def __call__(self, request: BacktestRequest) -> tuple[Recording, BacktestPlan]:
        """Recording and plan of ``request``."""
        ...

    def __hash__(self) -> int:
        """Equal loaders give equal plans."""
        ...
