"""Sweeps over a recording: every set tried once, counted as a trial, and told."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tidemill.bootstrap.reporting import DAYS_PER_YEAR, plan_parameters
from tidemill.bootstrap.sweep_jobs import Fan, SweepJob, SweepRequest, sweep_engine, sweep_plan
from tidemill.bootstrap.trial_book import TrialBook
from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time
from tidemill.domain.trials import comparable_sharpes, distinct_trials
from tidemill.performance.returns import make_curve, make_returns, periods_per_year
from tidemill.performance.significance import deflated_sharpe
from tidemill.ports.trials import TrialLedger
from tidemill.recording import hash_recording
from tidemill.research.sweeps import (
    STRATEGY,
    Failed,
    Found,
    Journal,
    Outcome,
    Params,
    Search,
    best_of,
    propose,
    rank_outcomes,
)
from tidemill.settings import Settings

OnTrial = Callable[[int, int], None]
TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """What a sweep works with. ``job_size`` sets go to a worker at a time; ``on_trial(done, all)`` tells progress."""

    settings: Settings
    trials: TrialLedger
    fan: Fan
    now: Callable[[], datetime]
    job_size: int = 1
    on_trial: OnTrial = field(default=lambda _done, _all: None)

    @property
    def text(self) -> str:
        """The settings as they are sent to workers."""
        return self.settings.model_dump_json()


def run_sweep(sweeper: Sweeper, request: SweepRequest, wanted: Sequence[Params] | Search) -> dict[str, Any]:
    """Try every set of ``wanted``, or let Optuna propose them; sets tried before are not tried again.

    DataError when nothing is to be tried or no set could be. What is told: ``best`` with its deflated Sharpe ratio,
    the first of ``trials`` by rank, and ``skipped`` with the reasons.
    """
    found, resumed = try_all(sweeper, request, wanted)
    best = best_of(found)
    skipped = [one.as_dict() for one in found if isinstance(one, Failed)]
    if best is None:
        first = skipped[0]["reason"] if skipped else "there was none"
        raise DataError(f"no parameter set could be tried: {first}")
    recording, plan = sweep_plan(sweeper.text, request)
    return {
        "speed": request.speed,
        "strategy": request.strategy,
        "start": format_time(plan.start),
        "end": format_time(plan.end),
        "sets": len(found),
        "resumed": resumed,
        "skipped": skipped,
        "best": {**best.as_dict(), **_judge_best(sweeper, request, best)},
        "trials": [one.as_dict() for one in rank_outcomes(found)[:TOLD]],
        "data_hash": hash_recording(recording),
    }


def try_all(sweeper: Sweeper, request: SweepRequest, wanted: Sequence[Params] | Search) -> tuple[list[Found], int]:
    """What came of every set, in their order, and how many of them had been tried before."""
    recording, plan = sweep_plan(sweeper.text, request)
    book = TrialBook(sweeper.text, sweeper.trials, sweeper.now, request, hash_recording(recording))
    name = _identity(plan_parameters(plan), request, book.data_hash, wanted)
    journal = Journal(sweeper.settings.home / "sweeps" / f"{name}.jsonl")
    try:
        book.catch_up(journal.found())
        pen = _Pen(sweeper=sweeper, request=request, journal=journal, book=book)
        return pen.search(wanted) if isinstance(wanted, Search) else pen.grid(wanted)
    finally:
        journal.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pen:
    """Spreads sets over the workers and writes down what comes back."""

    sweeper: Sweeper
    request: SweepRequest
    journal: Journal
    book: TrialBook

    def grid(self, wanted: Sequence[Params]) -> tuple[list[Found], int]:
        left = [one for one in wanted if self.journal.find(one) is None]
        known = len(wanted) - len(left)
        self.spread(left, done=known, total=len(wanted))
        return [one for one in map(self.journal.find, wanted) if one is not None], known

    def search(self, wanted: Search) -> tuple[list[Found], int]:
        known = len(self.journal)
        while batch := propose(wanted, self.journal.found()):
            self.spread(batch, done=len(self.journal), total=wanted.count)
        return list(self.journal.found())[: wanted.count], min(known, wanted.count)

    def spread(self, sets: Sequence[Params], *, done: int, total: int) -> None:
        size, text = self.sweeper.job_size, self.sweeper.text
        parts = [tuple(sets[first : first + size]) for first in range(0, len(sets), size)]
        for found in self.sweeper.fan([SweepJob(settings=text, request=self.request, sets=part) for part in parts]):
            for one in found:
                # first the journal: what is in it and not in the ledger is brought there when the sweep goes on
                self.journal.write(one)
                self.book.record(one)
                done += 1
                self.sweeper.on_trial(done, total)


def _identity(
    parameters: dict[str, Any], request: SweepRequest, data_hash: str, wanted: Sequence[Params] | Search
) -> str:
    """Names the journal: grids over one period share it, a search has its own."""
    period = [format_time(one) if one else "" for one in (request.start, request.end)]
    search = repr(wanted) if isinstance(wanted, Search) else ""
    text = json.dumps([parameters, request.speed, period, data_hash, search], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _judge_best(sweeper: Sweeper, request: SweepRequest, best: Outcome) -> dict[str, Any]:
    """How likely the best set is more than the luckiest of all that were tried on these data."""
    recording, plan = sweep_plan(sweeper.text, request)
    chosen = replace(request, strategy=str(best.params.get(STRATEGY, request.strategy)))
    engine = sweep_engine(sweeper.text, chosen)
    curve = make_curve(engine.run(best.params)[1])
    counted = distinct_trials(sweeper.trials.load_trials(data_hash=hash_recording(recording)))
    periods = periods_per_year(curve, DAYS_PER_YEAR[engine.plan.rules.grid.calendar])
    sharpes = comparable_sharpes(counted, start=plan.start, end=plan.end)
    judged = deflated_sharpe(make_returns(curve), periods, sharpes)
    return {
        "trials_on_these_data": judged.trials,
        "expected_best_sharpe": _number(judged.expected_best),
        "deflated_sharpe": _number(judged.probability),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
