"""A backtest measured, counted as a trial, and reported: as values, and as a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.backtest import BacktestPlan, BacktestResult, count_bars, run_backtest
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.trials import comparable_sharpes, distinct_trials
from tidemill.pages import PageFacts, write_page
from tidemill.performance import Performance, RunRecord, measure, run_sharpe
from tidemill.ports import Clock
from tidemill.ports.trials import TrialLedger
from tidemill.recording import Recording
from tidemill.research.requests import BacktestRequest, PlanLoader, Speed
from tidemill.research.run_records import make_exact_record, make_fast_record
from tidemill.research.trial_record import PlanParameters, TrialReference, make_trial

if TYPE_CHECKING:
    from tidemill.research.fast_backtest import FastResult

OnStep = Callable[[int, int], None]
Run = Callable[[Recording, BacktestPlan, OnStep | None], tuple["BacktestResult | FastResult", RunRecord, int]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BacktestReport:
    """A backtest, what is measured of it, and the trial it was counted as.

    ``bars`` closed in the span of the decisions and ``gaps`` are missing among them; ``currency`` is what fees and
    equity are counted in; ``seconds`` are wall time.
    """

    speed: Speed
    strategy: str
    result: BacktestResult | FastResult
    bars: int
    gaps: int
    currency: str
    performance: Performance
    trial: TrialReference
    seconds: float = 0.0

    def _summary(self) -> dict[str, Any]:
        """What was run and what it did, JSON-ready: the report without its statistics."""
        counts = {"bars": self.bars, "gaps": self.gaps}
        return {"speed": self.speed, **counts, **self.result.to_json(self.strategy)}

    def page_facts(self, recording: Recording, plan: BacktestPlan, written_at: datetime) -> PageFacts:
        """What the page says beside the figures.

        ``written_at`` is wall time; both hashes are among the settings, so the page says what it rests on.
        """
        hashes = {"data_hash": self.trial.data_hash, "parameters_hash": self.trial.parameters_hash}
        settings = {**PlanParameters(plan=plan).to_json(), **hashes}
        return PageFacts(title=recording.title, written_at=written_at, settings=settings, ran=self._summary())

    def to_json(self) -> dict[str, Any]:
        """The whole, JSON-ready; money as decimal strings, null where a figure is not defined."""
        return {
            **self._summary(),
            "currency": self.currency,
            "seconds": self.seconds,
            "statistics": self.performance.to_json(),
            "trial": asdict(self.trial),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtester:
    """What a backtest works with: who makes plans, the ledger that counts trials, and the wall clock.

    It is the same at both speeds: every look at the data counts as a trial.
    """

    plan_loader: PlanLoader
    trials: TrialLedger
    clock: Clock

    def report(
        self, request: BacktestRequest, *, page: Path | None = None, on_step: OnStep | None = None
    ) -> BacktestReport:
        """Run ``request``, record it as a trial, and measure it; write the HTML ``page`` if there is to be one.

        ``on_step(done, all)`` is called after each decision. Whether the page can be written is checked by the
        caller, before. ConfigurationError when a page is asked of the fast speed; DataError names what that does
        not cover, and what the plan loader raises.
        """
        begun = self.clock.now()
        recording, plan = self.plan_loader(request)
        if request.speed == "fast" and page is not None:
            raise ConfigurationError("the page is made at speed exact only; leave the report out, or the speed")
        run: Run = _run_fast if request.speed == "fast" else _run_exact
        result, record, orders = run(recording, plan, on_step)
        performance, trial = self._count(recording, plan, record, orders, begun)
        report = BacktestReport(
            speed=request.speed,
            strategy=plan.rules.strategy,
            result=result,
            **count_bars(recording, plan),
            currency=record.currency,
            performance=performance,
            trial=trial,
        )
        if page is not None:
            write_page(page, performance, report.page_facts(recording, plan, begun))
        return replace(report, seconds=round((self.clock.now() - begun).total_seconds(), 3))

    def _count(
        self, recording: Recording, plan: BacktestPlan, record: RunRecord, orders: int, begun: datetime
    ) -> tuple[Performance, TrialReference]:
        """Record the run as a trial, then measure it among all trials on its data."""
        trial = make_trial(recording, plan, sharpe=run_sharpe(record), orders=orders, now=begun)
        number = self.trials.record_trial(trial)
        trials = distinct_trials(self.trials.load_trials(data_hash=trial.data_hash))
        sharpes = comparable_sharpes(trials, start=plan.start, end=plan.end)
        reference = TrialReference(number=number, parameters_hash=trial.parameters_hash, data_hash=trial.data_hash)
        return measure(replace(record, trial_sharpes=sharpes)), reference


def _run_exact(
    recording: Recording, plan: BacktestPlan, on_step: OnStep | None
) -> tuple[BacktestResult, RunRecord, int]:
    """Result, what is measured of it, and how many orders were intended."""
    result = run_backtest(recording, plan, on_step=on_step)
    record = make_exact_record(recording, plan, result)
    return result, record, len(record.orders)


def _run_fast(recording: Recording, plan: BacktestPlan, on_step: OnStep | None) -> tuple[FastResult, RunRecord, int]:
    """The same at the fast speed: measured alike, and counted as a trial like any other look at the data."""
    # after the plan was loaded: the kernels ask where compiled code is kept when they are imported
    from tidemill.research.fast_backtest import run_fast_backtest

    result = run_fast_backtest(recording, plan, on_step=on_step)
    return result, make_fast_record(recording, plan, result), result.order_counts()["intended"]
