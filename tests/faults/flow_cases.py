"""The whole flows `trade` and `reconcile` under Prefect's runner: killed, doubled, cut, and judged like all others.

Nothing is replaced in them: they run as deployments do, in a process that `prefect flow-run execute` starts, from the
settings in the environment. The kill comes from outside, at a moment that the ledger tells.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from case import Verdict, judge
from plan import FLOW_MOMENTS as MOMENTS
from plan import NONE, Case
from rig import Venue

from tidemill.bootstrap import Services
from tidemill.operations.ledger_opening import open_ledger
from tidemill.operations.prefect_server import PrefectServer
from tidemill.replay.drive import import_history
from tidemill.replay.plan import ReplayOptions, ReplayPlan, make_plan
from tidemill.settings import load_settings

RUN_SECONDS = 120.0
MOST_RUNS = 8
SILENT_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class World:
    """What all cases share: the plan of the recording, a market store with its history, the deployment's names."""

    plan: ReplayPlan
    as_of: datetime
    folder: Path
    template: Path


def run_flow_cases(cases: Sequence[Case], folder: Path, jobs: int, on_case: Callable[[Verdict], None]) -> list[Verdict]:
    """Run all cases on one Prefect server; each worker has a venue of its own."""
    todo: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        todo.put(case)
    verdicts: list[Verdict] = []
    failures: list[BaseException] = []
    with _world(folder) as world:

        def work(number: int) -> None:
            try:
                own = folder / f"worker{number}"
                own.mkdir()
                venue = Venue(own)
                venue.admin("POST", "clock", {"now": world.as_of.isoformat()})
                try:
                    while True:
                        verdict = _run_case(todo.get_nowait(), venue, world)
                        verdicts.append(verdict)
                        on_case(verdict)
                except queue.Empty:
                    return
                finally:
                    venue.stop()
            except BaseException as error:
                failures.append(error)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(jobs)]
        for one in workers:
            one.start()
        for one in workers:
            one.join()
    if failures:
        raise failures[0]
    return verdicts


@contextmanager
def _world(folder: Path) -> Iterator[World]:
    """A Prefect server with the two deployments, and a market store that knows the history."""
    server = PrefectServer(folder / "prefect", services=False)
    server.start()
    before = dict(os.environ)
    try:
        os.environ.update(server.environment)
        plan = make_plan(ReplayOptions(strategy="trend"), load_settings(home=folder), folder=folder)
        as_of = plan.grid.as_of(plan.points[0])
        template = folder / "template"
        template.mkdir()
        venue = Venue(template)
        venue.admin("POST", "clock", {"now": as_of.isoformat()})
        account = Case(number=0, instant=NONE, fault=NONE, combination=NONE, target="order", count=1, nth=1, delay=0)
        _import(plan, as_of, _settings(World(plan, as_of, folder, template), venue, template, f"k{account.number}"))
        venue.stop()
        server.wait()
        _deploy()
        yield World(plan, as_of, folder, template)
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.stop()


def _import(plan: ReplayPlan, as_of: datetime, values: dict[str, str]) -> None:
    before = dict(os.environ)
    os.environ.update(values)
    services = Services(load_settings())
    try:
        import_history(services, plan, now=as_of - plan.grid.delay / 2)  # what is stored at as_of is not known then
    finally:
        services.close()
        os.environ.clear()
        os.environ.update(before)


def _deploy() -> None:
    from prefect.flows import EntrypointType

    from flows.reconcile import reconcile
    from flows.trade import trade

    for chosen in (trade, reconcile):
        chosen.to_deployment(name="faults", entrypoint_type=EntrypointType.MODULE_PATH).apply()


def _settings(world: World, venue: Venue, home: Path, account: str) -> dict[str, str]:
    """The environment of a flow's process."""
    universe = ",".join(f'"{one}"' for one in world.plan.universe)
    instrument = world.plan.recording.series[0].instrument
    return {
        "TIDEMILL_HOME": str(home),
        "TIDEMILL_MODE": "paper",
        "TIDEMILL_ACCOUNT": account,
        "TIDEMILL_RECORDING": str(world.plan.source),
        "TIDEMILL_UNIVERSE": f"[{universe}]",
        "TIDEMILL_TIMEFRAME": world.plan.grid.timeframe,
        "TIDEMILL_CALENDAR": world.plan.grid.calendar,
        "TIDEMILL_STRATEGY": "trend",
        "TIDEMILL_LEASE_SECONDS": "1",
        "TIDEMILL_FILL_WAIT_SECONDS": "0",
        "TIDEMILL_MARKET_URL": f"sqlite:///{world.template / 'market.db'}",
        "TIDEMILL_VENUE__NAME": instrument.venue,
        "TIDEMILL_VENUE__REST_URL": venue.rest,
        "TIDEMILL_VENUE__ADMIN_URL": str(venue.admin_url),
        "TIDEMILL_VENUE__KEY": account,
        "TIDEMILL_VENUE__SECRET": f"secret{account}",
    }


class Run:
    """One flow run under a runner, as a process group of its own."""

    def __init__(self, flow: str, parameters: dict[str, Any], environment: dict[str, str], log: Path) -> None:
        from prefect.deployments import run_deployment

        self._run = run_deployment(f"{flow}/faults", parameters=parameters, timeout=0)
        command = [sys.executable, "-m", "prefect", "flow-run", "execute", str(self._run.id)]
        with log.open("ab") as out:
            self._runner = subprocess.Popen(
                command, env=os.environ | environment, stdout=out, stderr=out, start_new_session=True, cwd=log.parent
            )

    def kill(self, *, runner_too: bool) -> None:
        """Kill the flow's process, or it and its runner at once."""
        if runner_too:
            os.killpg(self._runner.pid, signal.SIGKILL)
            return
        for child in _children(self._runner.pid):
            os.kill(child, signal.SIGKILL)

    @property
    def runs(self) -> bool:
        """Whether the runner is there."""
        return self._runner.poll() is None

    def wait(self) -> bool:
        """Whether the flow run completed."""
        from prefect.client.orchestration import get_client

        try:
            self._runner.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._runner.pid, signal.SIGKILL)
            self._runner.wait()
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(self._run.id).state
        return state is not None and state.is_completed()


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(one) for one in task.read_text().split()]
    return found


def _run_case(case: Case, venue: Venue, world: World) -> Verdict:
    account = f"k{case.number}"
    home = world.folder / account
    home.mkdir()
    environment = _settings(world, venue, home, account)
    currency = world.plan.recording.series[0].instrument.quote
    venue.admin("POST", "accounts", {"key": account, "secret": f"secret{account}", "balances": {currency: "100000"}})
    url = f"sqlite:///{home / 'ops.db'}"
    _open_account(environment, currency)
    if case.fault != NONE:
        seconds = {"query_lag": 0.25, "zombie": 0.25}.get(case.fault, SILENT_SECONDS)
        venue.admin("POST", "faults", {"fault": case.fault, "on": case.target, "count": case.count, "seconds": seconds})
    verdict = Verdict(case=case)
    before = venue.struck(case.fault)
    parameters = {"as_of": world.as_of.isoformat(), "mode": "paper"}
    log = home / "flows.log"
    first = Run("trade", parameters, environment, log)
    others = [Run("trade", parameters, environment, log)] if case.combination == "second run" else []
    verdict.struck = _kill_at(case, first, home / "ops.db")
    began = time.monotonic()
    done = first.wait()
    for one in others:
        one.wait()
    for _ in range(MOST_RUNS):
        if done:
            break
        done = Run("trade", parameters, environment, log).wait()
    verdict.recovery_seconds = time.monotonic() - began if done else None
    verdict.fault_struck = venue.struck(case.fault) > before
    venue.admin("DELETE", "faults")
    if not done:
        verdict.lost.append(f"trade never completed, see {log}")
    if not any(Run("reconcile", {"mode": "paper"}, environment, log).wait() for _ in range(3)):
        verdict.unexplained.append(f"reconcile never completed, see {log}")
    judge(verdict, url, account, venue.admin("GET", f"truth?key={account}"))
    if verdict.is_clean:
        shutil.rmtree(home)
    return verdict


_OPENING = threading.Lock()


def _open_account(environment: dict[str, str], currency: str) -> None:
    """Open the ledger's account; one at a time, since the settings come from this process's environment."""
    with _OPENING:
        before = dict(os.environ)
        os.environ.update(environment)
        services = Services(load_settings())
        try:
            open_ledger(services, currency, services.settings.start_cash)
        finally:
            services.close()
            os.environ.clear()
            os.environ.update(before)


def _kill_at(case: Case, run: Run, ledger: Path) -> bool:
    """Wait for the case's moment, then kill; False when the run ended before it came."""
    query = MOMENTS[case.instant]
    if not query:
        return False
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5) as connection:
        while run.runs:
            if connection.execute(query).fetchone()[0]:
                time.sleep(case.delay)
                run.kill(runner_too=case.combination == "runner dies too")
                return True
            time.sleep(0.002)
    return False
