"""The flow backtest on a real Prefect API: its artifact, its page, its trial."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.artifacts import Artifact
from prefect.testing.utilities import prefect_test_harness

from tidemill.bootstrap import Overrides, Services, using
from tidemill.memory.clocks import ManualClock
from tidemill.memory.trials import MemoryTrialLedger
from tidemill.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.flow_run


@pytest.fixture(scope="module", autouse=True)
def prefect_api() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


def test_it_publishes_headline_and_warnings_and_writes_the_page(tmp_path: Path) -> None:
    from flows.backtest import backtest

    trials = MemoryTrialLedger()
    made = Services(Settings(home=tmp_path), Overrides(trials=trials, wall_clock=ManualClock(NOW)))
    with using(made):
        result = backtest(report=str(tmp_path / "page.html"))
    page = Artifact.get("backtest").data
    assert page.index("## Warnings") < page.index("## Against buy and hold")
    assert all(warning in page for warning in result["statistics"]["warnings"])
    assert [one.recorded_at for one in trials.load_trials()] == [NOW]
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_sweep_runs_on_the_task_runner_and_tells_the_best(tmp_path: Path) -> None:
    from flows.sweep import sweep

    trials = MemoryTrialLedger()
    made = Services(Settings(home=tmp_path), Overrides(trials=trials, wall_clock=ManualClock(NOW)))
    with using(made):
        told = sweep(values=["buffer_fraction=0.05,0.1", "volatility_target_annual=0.1,9"])
    page = Artifact.get("sweep").data
    assert (told["sets"], len(trials.load_trials())) == (4, 2)
    assert page.startswith("# Sweep, trend, fast")
    assert "Skipped buffer_fraction=0.05, volatility_target_annual=9" in page


def test_a_sweep_over_dask_tells_what_threads_tell(tmp_path: Path) -> None:
    from flows.sweep import sweep
    from tasks.sweep import chosen_runner

    told = []
    for runner in ("threads", "dask"):
        trials = MemoryTrialLedger()
        made = Services(
            Settings(home=tmp_path / runner, task_runner=runner), Overrides(trials=trials, wall_clock=ManualClock(NOW))
        )
        with using(made):
            assert (
                type(chosen_runner()).__name__ == {"threads": "ThreadPoolTaskRunner", "dask": "DaskTaskRunner"}[runner]
            )
            told.append(sweep(values=["buffer_fraction=0.05,0.1", "volatility_target_annual=0.1,0.2,9"]))
        counted = {(one.parameters_hash, one.sharpe, one.orders) for one in trials.load_trials()}
        told[-1]["counted"] = sorted(counted)
    assert told[0] == told[1]
    assert len(told[0]["counted"]) == 4
    assert len(told[0]["skipped"]) == 2
