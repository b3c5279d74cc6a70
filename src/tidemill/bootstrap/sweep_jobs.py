"""What one worker of a sweep does, wherever it runs: in a thread, a process of its own, or on another machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from tidemill.backtest import BacktestPlan
from tidemill.bootstrap.backtests import keep_compiled_code, prepare_backtest
from tidemill.bootstrap.reporting import DAYS_PER_YEAR, Speed
from tidemill.domain.errors import ConfigurationError
from tidemill.recording import Recording
from tidemill.research.sweeps import STRATEGY, Engine, Found, Params, open_engine
from tidemill.research.sweeps.engines import try_params
from tidemill.research.sweeps.outcomes import Failed, tell_failure
from tidemill.settings import Settings

ENGINES_KEPT = 4
_opening = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """One period of one recording (the bundled one when ``data`` is None), at one speed."""

    data: Path | None
    start: datetime | None
    end: datetime | None
    strategy: str
    every: str | None
    speed: Speed = "fast"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepJob:
    """Sets to be tried one after another by one worker. It carries all it needs, so it may be sent anywhere."""

    settings: str
    request: SweepRequest
    sets: tuple[Params, ...]


Fan = Callable[[Sequence[SweepJob]], Iterator[list[Found]]]
"""Runs jobs, several at a time, and gives what came of each as soon as it is done, in any order."""


def run_job(job: SweepJob) -> list[Found]:
    """Try every set of ``job``."""
    return [_try(job, params) for params in job.sets]


def _try(job: SweepJob, params: Params) -> Found:
    request = replace(job.request, strategy=str(params.get(STRATEGY, job.request.strategy)))
    try:
        engine = sweep_engine(job.settings, request)
    except Exception as error:  # noqa: BLE001 - a strategy that cannot be loaded fails its own sets only
        return Failed(params=dict(params), reason=tell_failure(error))
    return try_params(engine, params)


def sweep_engine(settings: str, request: SweepRequest) -> Engine:
    """The engine of a period, made once in each process; ``settings`` as JSON."""
    with _opening:
        return _engine(settings, request)


@lru_cache(maxsize=ENGINES_KEPT)
def _engine(settings: str, request: SweepRequest) -> Engine:
    recording, plan = sweep_plan(settings, request)
    calendar = plan.rules.grid.calendar
    return open_engine(recording, plan, speed=request.speed, days_per_year=DAYS_PER_YEAR[calendar])


@lru_cache(maxsize=ENGINES_KEPT)
def sweep_plan(settings: str, request: SweepRequest) -> tuple[Recording, BacktestPlan]:
    """Recording and plan of a request."""
    chosen = Settings.model_validate_json(settings)
    keep_compiled_code(chosen)
    return prepare_backtest(
        chosen,
        data=request.data,
        start=request.start,
        end=request.end,
        strategy=request.strategy,
        every=request.every,
    )


# Workers on this machine: as many as threads would be, on loopback, and no page of Dask's own beside Prefect's.
LOCAL_CLUSTER = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}


@contextmanager
def open_fan(runner: str, speed: Speed, workers: int, address: str = "") -> Iterator[Fan]:
    """Workers on this machine, or those of Dask (at ``address``, if given) where the settings' task runner says so.

    The fast speed computes without the interpreter's lock, so threads share its arrays; the exact one holds it and
    gets processes.
    """
    with _executor(runner, speed, workers, address) as pool:

        def fan(jobs: Sequence[SweepJob]) -> Iterator[list[Found]]:
            waiting = [pool.submit(run_job, job) for job in jobs]
            try:
                for done in as_completed(waiting):
                    yield done.result()
            finally:
                for one in waiting:
                    one.cancel()

        yield fan


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
    """ConfigurationError where the extra that brings Dask is not installed."""
    if find_spec("distributed") is None or find_spec("prefect_dask") is None:
        raise ConfigurationError(
            "task_runner is dask, which is not installed; install tidemill[scale], or set task_runner to threads"
        )
