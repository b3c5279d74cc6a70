"""Parameter sets: one call each, on whatever the task runner has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from prefect.futures import as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.artifacts import Progress
from tasks.options import step
from tidemill.bootstrap import (
    LOCAL_CLUSTER,
    Sweeper,
    SweepJob,
    SweepRequest,
    WalkForward,
    need_dask,
    run_job,
    run_wanted,
    services,
)
from tidemill.research.sweeps import Found

SETS_PER_TASK = 20


@step(name="try_sets", tags=["backtest"])
def try_sets(job: SweepJob) -> list[Found]:
    """What came of each set of one job."""
    return run_job(job)


def spread(jobs: Sequence[SweepJob]) -> Iterator[list[Found]]:
    """Submit every job to the flow's task runner; results as they come."""
    waiting = [try_sets.submit(job) for job in jobs]
    for done in as_completed(waiting):
        yield done.result()


def sweep_on_runner(
    request: SweepRequest, values: Sequence[str], ranges: Sequence[str], trials: int, lengths: WalkForward | None
) -> dict[str, Any]:
    """Every set on the task runner of the flow that calls this, with a progress artifact."""
    svc = services()
    sweeper = Sweeper(
        settings=svc.settings,
        trials=svc.trials,
        fan=spread,
        now=svc.wall_clock.now,
        job_size=SETS_PER_TASK if request.speed == "fast" else 1,
        on_trial=_Shown().reach,
    )
    return run_wanted(sweeper, request, values, ranges, trials, lengths)


class _Shown:
    """Progress told at every hundredth of the way; each window of a walk-forward counts anew."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._told = 0

    def reach(self, done: int, total: int) -> None:
        if self._progress is None or done < self._told:
            self._progress, self._told = Progress("Parameter sets", parts=total), 0
        if done == total or done - self._told >= total / 100:
            self._progress.advance(done - self._told)
            self._told = done


def chosen_runner() -> TaskRunner[Any]:
    """The task runner that the settings name; ConfigurationError when it is not installed."""
    chosen = services().settings
    if chosen.task_runner == "threads":
        return ThreadPoolTaskRunner(max_workers=2)
    need_dask()
    from prefect_dask import DaskTaskRunner

    if chosen.dask_address:
        return DaskTaskRunner(address=chosen.dask_address)
    return DaskTaskRunner(cluster_kwargs=LOCAL_CLUSTER)
