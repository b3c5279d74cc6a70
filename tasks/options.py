"""How stubborn tasks are, said once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import MaterializingTask

from tidemill.bootstrap import services
from tidemill.domain.errors import TransientError
from tidemill.reports import asset_key

P = ParamSpec("P")
R = TypeVar("R")


def is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Try again only what may pass: never bad data, never a refusal."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


def step(
    *, name: str, run_name: str | None = None, tags: Sequence[str] = (), retries: int = 0
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a Prefect task: no cache (order safety lives in the ledger), transient errors retried with jitter."""
    return task(
        name=name,
        task_run_name=run_name,
        tags=list(tags),
        retries=retries,
        retry_delay_seconds=5,
        retry_jitter_factor=0.5,
        retry_condition_fn=is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
        log_prints=False,
    )


def materialize_step(
    *, name: str, run_name: str, tags: Sequence[str] = (), retries: int = 0
) -> Callable[[Callable[P, R]], MaterializingTask[P, R]]:
    """Make a step of a series that tells the series' asset; which one is said per run, see :func:`run_each`."""

    def decorate(work: Callable[P, R]) -> MaterializingTask[P, R]:
        return MaterializingTask(
            fn=work,
            assets=[],
            name=name,
            task_run_name=run_name,
            tags=list(tags),
            retries=retries,
            retry_delay_seconds=5,
            retry_jitter_factor=0.5,
            retry_condition_fn=is_transient,
            cache_policy=NO_CACHE,
            persist_result=False,
            log_prints=False,
        )

    return decorate


def run_each(chosen: MaterializingTask[Any, Any], runs: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run a step of a series once per ``runs`` (instrument, timeframe, ...) side by side; their futures.

    Each run has the asset of its series. A replay does not wait between tries.
    """
    delay = services().retry_delay_seconds
    return [chosen.with_options(assets=[asset_key(*run[:2])], retry_delay_seconds=delay).submit(*run) for run in runs]


def finished(futures: Sequence[Any]) -> list[Any]:
    """The states in which runs ended, when all have."""
    for one in futures:
        one.wait()
    return [one.state for one in futures]


def patiently(chosen: Task[P, R]) -> Task[P, R]:
    """The task with the pause between tries that this mode asks for; a replay does not wait."""
    return chosen.with_options(retry_delay_seconds=services().retry_delay_seconds)
