"""Sweeps over a recording: every set tried once, counted as a trial, and reported."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tidemill.domain.errors import DataError
from tidemill.domain.market import TRADING_DAYS_PER_YEAR, format_time
from tidemill.domain.trials import comparable_sharpes, distinct_trials
from tidemill.performance.returns import make_curve, make_returns, periods_per_year
from tidemill.performance.significance import deflated_sharpe
from tidemill.ports.trials import TrialLedger
from tidemill.recording import hash_recording
from tidemill.research.jobs import JobRunner, SweepJob, load_engine, load_plan
from tidemill.research.parameter_sets import (
    STRATEGY,
    FailedSet,
    Journal,
    Outcome,
    Params,
    Search,
    SetResult,
    best_of,
    propose,
    rank_outcomes,
)
from tidemill.research.requests import BacktestRequest, PlanLoader, Speed
from tidemill.research.trial_record import PlanParameters, SweepTrials

OnTrial = Callable[[int, int], None]
# As many outcomes are reported, the best ones; all are in the journal and in the trial ledger.
REPORTED_OUTCOMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """What a sweep works with.

    ``journals`` is the folder of its files, ``job_size`` sets go to a worker at a time, ``now`` is the wall clock, and
    ``on_trial(tried, all)`` tells progress.
    """

    plan_loader: PlanLoader
    trials: TrialLedger
    run_jobs: JobRunner
    now: Callable[[], datetime]
    journals: Path
    job_size: int = 1
    on_trial: OnTrial = field(default=lambda _tried, _all: None)


class TriedSets(NamedTuple):
    """What came of every set, in their order, and how many of them had been tried before.

    Results stand in the order of the sets, for a search in the order in which they were tried.
    """

    results: list[SetResult]
    resumed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """How likely the best set is more than the luckiest of all that were tried on these data; None: not defined.

    The deflated Sharpe ratio of Bailey and López de Prado (2014) prices in how many trials there were.
    """

    trials_on_these_data: int
    expected_best_sharpe: float | None
    deflated_sharpe: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What came of a sweep: the ``best`` set with its odds, the first ``outcomes`` by rank, and what was skipped.

    ``sets`` were tried in all, ``resumed`` of them by an earlier run.
    """

    speed: Speed
    strategy: str
    start: datetime
    end: datetime
    sets: int
    resumed: int
    skipped: tuple[FailedSet, ...]
    best: Outcome
    odds: Odds
    outcomes: tuple[Outcome, ...]
    data_hash: str

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings.

        At most 20 outcomes are listed; all are in the journal and in the trial ledger.
        """
        return {
            "speed": self.speed,
            "strategy": self.strategy,
            "start": format_time(self.start),
            "end": format_time(self.end),
            "sets": self.sets,
            "resumed": self.resumed,
            "skipped": [failed.to_json() for failed in self.skipped],
            "best": {**self.best.to_json(), **asdict(self.odds)},
            "trials": [outcome.to_json() for outcome in self.outcomes],
            "data_hash": self.data_hash,
        }


def run_sweep(sweeper: Sweeper, request: BacktestRequest, sets: Sequence[Params] | Search) -> SweepReport:
    """Try every one of ``sets``, or let Optuna propose them; sets tried before are not tried again.

    DataError when nothing is to be tried or no set could be, and when another run of the sweep is under way.
    """
    results, resumed = try_sets(sweeper, request, sets)
    best = best_of(results)
    skipped = tuple(result for result in results if isinstance(result, FailedSet))
    if best is None:
        first = skipped[0].reason if skipped else "there was none"
        raise DataError(f"no parameter set could be tried: {first}")
    recording, plan = load_plan(sweeper.plan_loader, request)
    return SweepReport(
        speed=request.speed,
        strategy=request.strategy,
        start=plan.start,
        end=plan.end,
        sets=len(results),
        resumed=resumed,
        skipped=skipped,
        best=best,
        odds=_judge_best(sweeper, request, best),
        outcomes=tuple(rank_outcomes(results)[:REPORTED_OUTCOMES]),
        data_hash=hash_recording(recording),
    )


def try_sets(sweeper: Sweeper, request: BacktestRequest, sets: Sequence[Params] | Search) -> TriedSets:
    """Try what was not tried before, and record it as trials.

    A journal named by plan, period, speed and data remembers what was tried; it is locked meanwhile. DataError when
    another run has it open.
    """
    recording, plan = load_plan(sweeper.plan_loader, request)
    trials = SweepTrials(
        plan_loader=sweeper.plan_loader,
        ledger=sweeper.trials,
        now=sweeper.now,
        request=request,
        data_hash=hash_recording(recording),
    )
    identity = [
        PlanParameters(plan=plan).to_json(),
        request.speed,
        _period(request),
        trials.data_hash,
        _search_text(sets),
    ]
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    journal = Journal(sweeper.journals / f"{name}.jsonl")
    try:
        trials.catch_up(journal.results())
        run = _SweepRun(sweeper=sweeper, request=request, journal=journal, trials=trials)
        return run.search(sets) if isinstance(sets, Search) else run.grid(sets)
    finally:
        journal.close()


def _period(request: BacktestRequest) -> list[str]:
    return [format_time(moment) if moment else "" for moment in (request.start, request.end)]


def _search_text(sets: Sequence[Params] | Search) -> str:
    # grids over one period share a journal, a search has its own: what it proposes depends on what it has tried
    return repr(sets) if isinstance(sets, Search) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _SweepRun:
    """Spreads sets over the workers and writes down what comes back."""

    sweeper: Sweeper
    request: BacktestRequest
    journal: Journal
    trials: SweepTrials

    def grid(self, sets: Sequence[Params]) -> TriedSets:
        untried = [params for params in sets if self.journal.find(params) is None]
        resumed = len(sets) - len(untried)
        self._spread(untried, tried=resumed, total=len(sets))
        return TriedSets([result for result in map(self.journal.find, sets) if result is not None], resumed)

    def search(self, search: Search) -> TriedSets:
        before = len(self.journal)
        while batch := propose(search, self.journal.results()):
            self._spread(batch, tried=len(self.journal), total=search.count)
        return TriedSets(list(self.journal.results())[: search.count], min(before, search.count))

    def _spread(self, sets: Sequence[Params], *, tried: int, total: int) -> None:
        size, loader = self.sweeper.job_size, self.sweeper.plan_loader
        parts = [tuple(sets[first : first + size]) for first in range(0, len(sets), size)]
        jobs = [SweepJob(plan_loader=loader, request=self.request, sets=part) for part in parts]
        for results in self.sweeper.run_jobs(jobs):
            for result in results:
                # first the journal: what is in it and not in the ledger is brought there when the sweep goes on
                self.journal.write(result)
                self.trials.record(result)
                tried += 1
                self.sweeper.on_trial(tried, total)


def _judge_best(sweeper: Sweeper, request: BacktestRequest, best: Outcome) -> Odds:
    recording, plan = load_plan(sweeper.plan_loader, request)
    best_request = replace(request, strategy=str(best.params.get(STRATEGY, request.strategy)))
    engine = load_engine(sweeper.plan_loader, best_request)
    curve = make_curve(engine.run(best.params)[1])
    trials = distinct_trials(sweeper.trials.load_trials(data_hash=hash_recording(recording)))
    periods = periods_per_year(curve, TRADING_DAYS_PER_YEAR[engine.plan.rules.grid.calendar])
    sharpes = comparable_sharpes(trials, start=plan.start, end=plan.end)
    deflated = deflated_sharpe(make_returns(curve), periods, sharpes)
    return Odds(
        trials_on_these_data=deflated.trials,
        expected_best_sharpe=_defined(deflated.expected_best),
        deflated_sharpe=_defined(deflated.probability),
    )


def _defined(value: float) -> float | None:
    return value if math.isfinite(value) else None
