"""What one worker of a sweep does, wherever it runs: in a thread, a process of its own, or on another machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tidemill.backtest import BacktestPlan
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import TRADING_DAYS_PER_YEAR
from tidemill.recording import Recording
from tidemill.research.parameter_sets import STRATEGY, FailedSet, Params, SetResult, failure_text
from tidemill.research.requests import BacktestRequest, PlanLoader, Speed

if TYPE_CHECKING:
    from tidemill.research.parameter_sets.engines import Engine

CACHED_ENGINES = 4
_opening = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepJob:
    """Sets to be tried one after another by one worker. It carries all it needs, so it may be sent anywhere."""

    plan_loader: PlanLoader
    request: BacktestRequest
    sets: tuple[Params, ...]


JobRunner = Callable[[Sequence[SweepJob]], Iterator[list[SetResult]]]
"""Runs jobs, several at a time, and gives what came of each as soon as it is done, in any order."""


def run_job(job: SweepJob) -> list[SetResult]:
    """Try every set of ``job``.

    In the order of the job's sets, one result for each. A set that fails is a result with its reason and hinders no
    other.
    """
    return [_try(job, params) for params in job.sets]


def _try(job: SweepJob, params: Params) -> SetResult:
    request = replace(job.request, strategy=str(params.get(STRATEGY, job.request.strategy)))
    try:
        engine = load_engine(job.plan_loader, request)
    except Exception as error:  # noqa: BLE001 - a strategy that cannot be loaded fails its own sets only
        return FailedSet(params=dict(params), reason=failure_text(error))
    from tidemill.research.parameter_sets import engines

    return engines.try_params(engine, params)


def load_engine(plan_loader: PlanLoader, request: BacktestRequest) -> Engine:
    """The engine of a period, made once in each process and shared by its threads.

    At most four are held at a time, and equal requests of one process get the same one. It raises what the plan loader
    and the engine raise.
    """
    # without the lock two threads that miss the cache together would both build the arrays
    with _opening:
        return _engine(plan_loader, request)


@lru_cache(maxsize=CACHED_ENGINES)
def _engine(plan_loader: PlanLoader, request: BacktestRequest) -> Engine:
    recording, plan = load_plan(plan_loader, request)
    # after the plan was loaded: the kernels ask where compiled code is kept when they are imported
    from tidemill.research.parameter_sets.engines import open_engine

    days = float(TRADING_DAYS_PER_YEAR[plan.rules.grid.calendar])
    return open_engine(recording, plan, speed=request.speed, days_per_year=days)


@lru_cache(maxsize=CACHED_ENGINES)
def load_plan(plan_loader: PlanLoader, request: BacktestRequest) -> tuple[Recording, BacktestPlan]:
    """Recording and plan of a request, loaded once in each process.

    At most four are held at a time. Equal requests give the very same objects, which nobody may change.
    """
    return plan_loader(request)


# Workers on this machine: as many as threads would be, on loopback, and no page of Dask's own beside Prefect's.
LOCAL_CLUSTER = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}


@contextmanager
def open_job_runner(runner: str, speed: Speed, workers: int, address: str = "") -> Iterator[JobRunner]:
    """Workers on this machine, or those of Dask (at ``address``, if given) where ``runner`` is "dask".

    The fast speed computes without the interpreter's lock, so threads share its arrays; the exact one holds it and
    gets processes. ConfigurationError where Dask is not installed.
    """
    with _executor(runner, speed, workers, address) as pool:

        def run_jobs(jobs: Sequence[SweepJob]) -> Iterator[list[SetResult]]:
            futures = [pool.submit(run_job, job) for job in jobs]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                for pending in futures:
                    pending.cancel()

        yield run_jobs


@contextmanager
def _executor(runner: str, speed: Speed, workers: int, address: str) -> Iterator[Executor]:
    if runner == "dask":
        with _dask_client(workers, address) as client:
            yield client
        return
    if speed == "fast":
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="sweep") as pool:
            yield pool
        return
    # started anew, not forked: this process has threads
    with ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn")) as processes:
        yield processes


@contextmanager
def _dask_client(workers: int, address: str) -> Iterator[Executor]:
    need_dask()
    from distributed import Client

    local = LOCAL_CLUSTER | {"n_workers": workers}
    with Client(address) if address else Client(**local) as client:
        yield client.get_executor()


def need_dask() -> None:
    """ConfigurationError where the extra that brings Dask is not installed.

    Called before any work is given out, so that a sweep does not fail halfway.
    """
    if find_spec("distributed") is None or find_spec("prefect_dask") is None:
        raise ConfigurationError(
            "task_runner is dask, which is not installed; install tidemill[scale], or set task_runner to threads"
        )
