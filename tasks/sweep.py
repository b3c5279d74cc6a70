"""Parameter sets: one call each, on whatever the task runner has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from prefect.futures import as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.artifacts import Progress
from tasks.options import step
from tidemill.bootstrap import SettingsPlanLoader, services
from tidemill.research.jobs import LOCAL_CLUSTER, SweepJob, need_dask, run_job
from tidemill.research.parameter_sets import SetResult
from tidemill.research.requests import BacktestRequest
from tidemill.research.sweep import Sweeper, SweepReport
from tidemill.research.walk_forward import SweepOptions, WalkForwardReport, run_options

SETS_PER_TASK = 20


@step(name="try_sets", tags=["backtest"])
def try_sets(job: SweepJob) -> list[SetResult]:
    """What came of each set of one job."""
    return run_job(job)


def run_jobs(jobs: Sequence[SweepJob]) -> Iterator[list[SetResult]]:
    """Submit every job to the flow's task runner; results as they come."""
    futures = [try_sets.submit(job) for job in jobs]
    for future in as_completed(futures):
        yield future.result()


def sweep_on_runner(request: BacktestRequest, options: SweepOptions) -> SweepReport | WalkForwardReport:
    """Every set on the task runner of the flow that calls this, with a progress artifact."""
    svc = services()
    sweeper = Sweeper(
        plan_loader=SettingsPlanLoader.of(svc.settings),
        trials=svc.stores.trials,
        run_jobs=run_jobs,
        now=svc.clocks.wall.now,
        journals=svc.settings.home / "sweeps",
        job_size=SETS_PER_TASK if request.speed == "fast" else 1,
        on_trial=_SetProgress().reach,
    )
    return run_options(sweeper, request, options)


class _SetProgress:
    """Progress published at every hundredth of the way; each window of a walk-forward counts anew."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._published = 0

    def reach(self, done: int, total: int) -> None:
        if self._progress is None or done < self._published:
            self._progress, self._published = Progress("Parameter sets", parts=total), 0
        if done == total or done - self._published >= total / 100:
            self._progress.advance(done - self._published)
            self._published = done


def chosen_runner() -> TaskRunner[Any]:
    """The task runner that the settings name; ConfigurationError when it is not installed."""
    settings = services().settings
    if settings.task_runner == "threads":
        return ThreadPoolTaskRunner(max_workers=2)
    need_dask()
    from prefect_dask import DaskTaskRunner

    if settings.dask_address:
        return DaskTaskRunner(address=settings.dask_address)
    return DaskTaskRunner(cluster_kwargs=LOCAL_CLUSTER)
