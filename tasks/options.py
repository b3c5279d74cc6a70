"""How stubborn tasks are, said once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypedDict, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.tasks import MaterializingTask

from tidemill.bootstrap import services
from tidemill.domain.errors import TransientError
from tidemill.reports import asset_key

P = ParamSpec("P")
R = TypeVar("R")


def is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Try again only what may pass: never bad data, never a refusal."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


class _Stubbornness(TypedDict):
    """What all tasks have in common: how they are tried again, and that nothing of theirs is cached or persisted."""

    retry_delay_seconds: float
    retry_jitter_factor: float
    retry_condition_fn: Callable[[Any, Any, Any], bool]
    cache_policy: CachePolicy
    persist_result: bool
    log_prints: bool


def _stubbornness() -> _Stubbornness:
    return _Stubbornness(
        retry_delay_seconds=5,
        retry_jitter_factor=0.5,
        retry_condition_fn=is_transient,
        cache_policy=NO_CACHE,  # order safety lives in the ledger
        persist_result=False,
        log_prints=False,
    )


def step(
    *, name: str, run_name: str | None = None, tags: Sequence[str] = (), retries: int = 0
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a Prefect task: no cache, transient errors retried with jitter."""
    return task(
        name=name,
        task_run_name=run_name,
        tags=list(tags),
        retries=retries,
        **_stubbornness(),
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
            **_stubbornness(),
        )

    return decorate


def run_each(work: MaterializingTask[Any, Any], runs: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run a step of a series once per ``runs`` (instrument, timeframe, ...) side by side; their futures.

    Each run has the asset of its series. A replay does not wait between tries.
    """
    delay = services().retry_delay_seconds
    return [work.with_options(assets=[asset_key(*run[:2])], retry_delay_seconds=delay).submit(*run) for run in runs]


def finished(futures: Sequence[Any]) -> list[Any]:
    """The states in which runs ended, when all have."""
    for future in futures:
        future.wait()
    return [future.state for future in futures]


def patiently(work: Task[P, R]) -> Task[P, R]:
    """The task with the pause between tries that this mode asks for; a replay does not wait."""
    return work.with_options(retry_delay_seconds=services().retry_delay_seconds)
