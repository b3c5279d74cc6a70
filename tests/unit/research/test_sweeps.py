"""Sweeps: what may vary, what is kept, what is counted, and what a kill in the middle leaves."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tidemill.adapters.sql.ledger.trials import SqlTrialLedger
from tidemill.bootstrap import SettingsPlanLoader, keep_compiled_code
from tidemill.domain.errors import DataError
from tidemill.domain.trials import distinct_trials
from tidemill.memory.trials import MemoryTrialLedger
from tidemill.research.fast_backtest import run_fast_backtest
from tidemill.research.jobs import SweepJob, load_plan, open_job_runner, run_job
from tidemill.research.parameter_sets import (
    FailedSet,
    Journal,
    Search,
    SetResult,
    join_returns,
    make_windows,
    parameter_grid,
    plan_with,
    propose,
)
from tidemill.research.parameter_sets.journal import params_key
from tidemill.research.parameter_sets.outcomes import make_outcome
from tidemill.research.requests import BacktestRequest
from tidemill.research.sweep import Sweeper, run_sweep
from tidemill.research.walk_forward import SweepOptions, WindowLengths, run_options
from tidemill.settings import Settings, load_settings

keep_compiled_code(load_settings())
NOW = datetime(2026, 1, 1, tzinfo=UTC)
START = datetime(2021, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOURS = 24 * 40
RECORDING = """
title = "a made walk"
calendar = "24x7"

[[bars]]
venue = "TEST"
instrument = "{base}-USDT"
timeframe = "1h"
file = "{base}.csv"
price_step = "0.01"
lot_step = "0.00001"
min_notional = "5"
"""
GRID = ["buffer_fraction=0.05,0.1,0.3", "volatility_target_annual=0.1,0.3"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    random = np.random.default_rng(5)
    closes = np.round(100 * np.exp(np.cumsum(random.normal(0.001, 0.01, HOURS))), 2)
    opens = np.concatenate([[100.0], closes[:-1]])
    times = pd.date_range("2021-01-01", periods=HOURS, freq="h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    high, low = np.maximum(opens, closes), np.minimum(opens, closes)
    pd.DataFrame({"open_time": times, "open": opens, "high": high, "low": low, "close": closes, "volume": 1e6}).to_csv(
        folder / "BTC.csv", index=False
    )
    path = folder / "recording.toml"
    path.write_text(RECORDING.format(base="BTC"))
    return path


def request(data: Path, *, days: int = 8, **changes: object) -> BacktestRequest:
    made = BacktestRequest(data=data, start=START, end=START + days * DAY, strategy="trend", every=None, speed="fast")
    return replace(made, **changes)


def here(jobs: Sequence[SweepJob]) -> Iterator[list[SetResult]]:
    yield from map(run_job, jobs)


def sweeper(home: Path, trials: MemoryTrialLedger | None = None, **changes: object) -> Sweeper:
    made = Sweeper(
        plan_loader=SettingsPlanLoader.of(load_settings(home=home)),
        trials=trials or MemoryTrialLedger(),
        run_jobs=here,
        now=lambda: NOW,
        journals=home / "sweeps",
    )
    return replace(made, **changes)


def run_wanted(
    sweeper: Sweeper, request: BacktestRequest, values: list[str], ranges: list[str], trials: int, windows: object
) -> dict:
    """The report as the command writes it."""
    options = SweepOptions(values=values, ranges=ranges, trials=trials, windows=windows)
    return run_options(sweeper, request, options).to_json()


# -- grids


def test_every_set_is_the_plan_run_with_its_values(tmp_path: Path, data: Path) -> None:
    used = sweeper(tmp_path)
    told = run_wanted(used, request(data), GRID, [], 1, None)
    assert (told["sets"], told["resumed"], told["skipped"]) == (6, 0, [])
    recording, plan = load_plan(used.plan_loader, request(data))
    for one in told["trials"]:
        whole = run_fast_backtest(recording, plan_with(plan, one["params"]))
        assert one["equity_end"] == f"{whole.equity[-1]:.8f}"
        assert one["filled"] == whole.order_counts()["filled"]
    ratios = [one["sharpe"] for one in told["trials"]]
    assert ratios == sorted(ratios, reverse=True)
    assert told["best"]["params"] == told["trials"][0]["params"]


def test_threads_and_processes_and_this_thread_agree(tmp_path: Path, data: Path) -> None:
    told = []
    wanted = request(data, days=3)
    with open_job_runner("threads", "fast", 3) as run_jobs:
        told.append(run_wanted(sweeper(tmp_path / "a", run_jobs=run_jobs), wanted, GRID, [], 1, None))
    told.append(run_wanted(sweeper(tmp_path / "b", job_size=4), wanted, GRID, [], 1, None))
    assert told[0]["trials"] == told[1]["trials"]
    exact = replace(wanted, speed="exact", end=START + DAY)
    with open_job_runner("threads", "exact", 1) as run_jobs:
        told.append(run_wanted(sweeper(tmp_path / "c", run_jobs=run_jobs), exact, GRID[1:], [], 1, None))
    told.append(run_wanted(sweeper(tmp_path / "d"), exact, GRID[1:], [], 1, None))
    assert told[2]["trials"] == told[3]["trials"]


WITHOUT_DASK = """
import sys
sys.modules["distributed"] = sys.modules["prefect_dask"] = None
from tidemill.bootstrap import Services, using
from tidemill.domain.errors import ConfigurationError
from tidemill.settings import Settings
from tasks.sweep import chosen_runner
from tidemill.research.jobs import open_job_runner

def from_the_settings():
    with using(Services(Settings(home=sys.argv[1], task_runner="dask"))):
        chosen_runner()

for attempt in (lambda: open_job_runner("dask", "fast", 1).__enter__(), from_the_settings):
    try:
        attempt()
    except ConfigurationError as error:
        print(error)
"""


def test_dask_that_is_not_installed_is_said_so(tmp_path: Path) -> None:
    """In a process of its own, to which the two packages are not there."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DASK, tmp_path], capture_output=True, text=True, check=True, timeout=120
    )
    told = "task_runner is dask, which is not installed; install tidemill[scale], or set task_runner to threads"
    assert done.stdout.splitlines() == [told, told]


def test_workers_of_dask_agree_with_threads(tmp_path: Path, data: Path) -> None:
    told = []
    for runner in ("threads", "dask"):
        with open_job_runner(runner, "fast", 2) as run_jobs:
            told.append(run_wanted(sweeper(tmp_path / runner, run_jobs=run_jobs), request(data), GRID, [], 1, None))
    assert told[0]["sets"] > 2
    assert told[0] == told[1]


def test_a_set_that_fails_is_skipped_and_named(tmp_path: Path, data: Path) -> None:
    trials = MemoryTrialLedger()
    sets = [{"buffer_fraction": 0.1}, {"buffer_fraction": -1.0}, {"strategy": "nowhere.py"}]
    told = run_sweep(sweeper(tmp_path, trials), request(data, days=2), sets).to_json()
    assert told["sets"] == 3
    assert [one["params"] for one in told["skipped"]] == sets[1:]
    assert "buffer_fraction -1.0 must lie between 0 and 1" in told["skipped"][0]["reason"]
    assert "nowhere.py" in told["skipped"][1]["reason"]
    assert len(trials.load_trials()) == 1
    with pytest.raises(DataError, match="no parameter set could be tried"):
        run_sweep(sweeper(tmp_path, trials), request(data, days=2), sets[1:])


@pytest.mark.parametrize(
    ("values", "ranges", "said"),
    [
        (["lookback=3"], [], "no parameter 'lookback'"),
        (["buffer_fraction"], [], "write name=value"),
        (["buffer_fraction=a"], [], "takes numbers, not 'a'"),
        ([], ["buffer_fraction=0.3:0.1"], "range of buffer_fraction is empty"),
        ([], ["strategy=a:b"], "is no range"),
    ],
)
def test_what_is_not_understood_is_named(
    tmp_path: Path, data: Path, values: list[str], ranges: list[str], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        run_wanted(sweeper(tmp_path), request(data), values, ranges, 3, None)


# -- trials are counted, once


def test_every_set_is_a_trial_and_none_is_repeated(tmp_path: Path, data: Path) -> None:
    trials = MemoryTrialLedger()
    first = run_wanted(sweeper(tmp_path, trials), request(data), GRID, [], 1, None)
    assert len(trials.load_trials()) == 6
    seen: list[tuple[int, int]] = []
    used = sweeper(tmp_path, trials, on_trial=lambda done, total: seen.append((done, total)))
    again = run_wanted(used, request(data), [*GRID, "max_order_fraction=0.1,0.25"], [], 1, None)
    assert (again["sets"], again["resumed"]) == (12, 0)
    assert seen == [(done, 12) for done in range(1, 13)]
    same = run_wanted(used, request(data), GRID, [], 1, None)
    assert same["resumed"] == 6
    assert same["trials"] == first["trials"]
    assert len(trials.load_trials()) == 18
    assert same["best"]["trials_on_these_data"] == len(distinct_trials(trials.load_trials()))


def test_a_kill_in_the_middle_repeats_and_loses_no_trial(tmp_path: Path, data: Path) -> None:
    """The real command, killed after a few sets; then the same sweep goes on."""
    grid = ["buffer_fraction=" + ",".join(f"{0.01 * n:.2f}" for n in range(1, 26)), "volatility_target_annual=0.1,0.3"]
    code = (
        "import sys, time\n"
        "from tidemill.research.parameter_sets import engines\n"
        "slow = engines.try_params\n"
        "def tried(*given):\n"
        "    time.sleep(0.05)\n"
        "    return slow(*given)\n"
        "engines.try_params = tried\n"
        "from tidemill.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    period = ["--from", "2021-01-12T00:00:00Z", "--to", "2021-01-14T00:00:00Z", "--workers", "1"]
    command = [sys.executable, "-c", code, "sweep", "--data", str(data), *period]
    for one in grid:
        command += ["--set", one]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = None
    for _ in range(600):
        journal = next((tmp_path / ".tidemill" / "sweeps").glob("*.jsonl"), None)
        if journal and journal.read_bytes().count(b"\n") >= 5:
            break
        time.sleep(0.05)
    child.kill()
    child.wait()
    assert journal is not None
    done = journal.read_bytes().count(b"\n")
    assert 5 <= done < 50
    with journal.open("ab") as torn:
        torn.write(b'{"kind": "tried", "par')
    trials = SqlTrialLedger(f"sqlite:///{tmp_path}/.tidemill/ops.db")
    assert done - 1 <= len(trials.load_trials()) <= done
    wanted, used = request(data, days=2), sweeper(tmp_path / ".tidemill", trials)
    told = run_wanted(used, wanted, grid, [], 1, None)
    assert (told["sets"], told["resumed"]) == (50, done)
    assert len(trials.load_trials()) == len(distinct_trials(trials.load_trials())) == 50
    trials.close()


def test_two_runs_of_one_sweep_do_not_mix(tmp_path: Path) -> None:
    first = Journal(tmp_path / "one.jsonl")
    with pytest.raises(DataError, match="another run of this sweep"):
        Journal(tmp_path / "one.jsonl")
    first.close()


def test_the_journal_gives_back_what_was_written(tmp_path: Path) -> None:
    made = [
        make_outcome({"a": 1.0}, np.array([100.0, 110.0, 99.0]), 1.5, fees=1.25, orders=3, filled=2, near=1),
        make_outcome({"strategy": "trend"}, np.array([1.0, 1.0]), float("nan"), fees=0.0, orders=0, filled=0, near=0),
        FailedSet(params={"a": 2.0}, reason="it could not be"),
    ]
    journal = Journal(tmp_path / "one.jsonl")
    for one in made:
        journal.write(one)
    journal.close()
    again = Journal(tmp_path / "one.jsonl")
    assert [params_key(one.params) for one in again.results()] == [params_key(one.params) for one in made]
    assert again.find({"a": 1.0}) == made[0]
    assert again.find({"a": 2.0}) == made[2]
    assert again.find({"a": 3.0}) is None
    again.close()


# -- Optuna


def test_a_search_tries_so_many_and_goes_on_from_what_it_has(tmp_path: Path, data: Path) -> None:
    trials = MemoryTrialLedger()
    ranges = ["volatility_target_annual=0.05:0.5", "buffer_fraction=0:0.5"]
    first = run_wanted(sweeper(tmp_path, trials), request(data, days=3), [], ranges, 10, None)
    assert (first["sets"], len(trials.load_trials())) == (10, 10)
    assert all(0.05 <= one["params"]["volatility_target_annual"] <= 0.5 for one in first["trials"])
    again = run_wanted(sweeper(tmp_path, trials), request(data, days=3), [], ranges, 10, None)
    assert (again["resumed"], len(trials.load_trials())) == (10, 10)


def test_proposals_follow_what_was_good() -> None:
    """Of a hundred sets most lie near the best value, which no grid knows."""
    search = Search(ranges={"buffer_fraction": (0.0, 1.0)}, choices={}, count=100, batch=5)
    found: list[SetResult] = []
    while batch := propose(search, found):
        for params in batch:
            good = -abs(float(params["buffer_fraction"]) - 0.2)
            outcome = make_outcome(params, np.array([1.0, 1.0]), good, fees=0.0, orders=0, filled=0, near=0)
            found.append(outcome)
    late = [float(one.params["buffer_fraction"]) for one in found[50:]]
    assert len(found) == 100
    assert np.mean(np.abs(np.array(late) - 0.2) < 0.1) > 0.6


# -- walk-forward


def test_windows_follow_one_another_with_a_gap() -> None:
    made = make_windows(START, START + 40 * DAY, train=10 * DAY, test=5 * DAY, purge=2 * DAY)
    assert len(made) == 5
    for before, after in pairwise(made):
        assert after.test_start == before.test_end
    assert all(one.test_start - one.train_end == 2 * DAY for one in made)
    assert made[-1].test_end <= START + 40 * DAY
    with pytest.raises(DataError, match="do not fit"):
        make_windows(START, START + 5 * DAY, train=10 * DAY, test=5 * DAY, purge=0 * DAY)


def test_only_what_came_after_is_reported(tmp_path: Path, data: Path) -> None:
    trials = MemoryTrialLedger()
    lengths = WindowLengths(train_days=5, test_days=4, purge_bars=24)
    used, wanted = sweeper(tmp_path, trials), request(data, days=20)
    told = run_wanted(used, wanted, GRID, [], 1, lengths)
    assert len(told["windows"]) == 3
    assert len(trials.load_trials()) == 3 * (6 + 1)
    for one in told["windows"]:
        train = replace(wanted, start=_time(one["train"][0]), end=_time(one["train"][1]))
        best = run_wanted(sweeper(tmp_path / "b"), train, GRID, [], 1, None)["best"]
        assert one["chosen"] == best["params"]
        test = replace(wanted, start=_time(one["test"][0]), end=_time(one["test"][1]))
        recording, plan = load_plan(used.plan_loader, test)
        alone = run_fast_backtest(recording, plan_with(plan, one["chosen"]))
        assert one["out_of_sample"]["equity_end"] == f"{alone.equity[-1]:.8f}"
    compounded = np.prod([1 + one["out_of_sample"]["total_return"] for one in told["windows"]]) - 1
    assert told["out_of_sample"]["total_return"] == pytest.approx(compounded)
    with pytest.raises(DataError, match="not ranges"):
        run_wanted(used, wanted, [], ["buffer_fraction=0:1"], 1, lengths)


def test_what_comes_after_the_train_windows_changes_no_choice(tmp_path: Path, data: Path) -> None:
    """The same recording with other prices after the last train window: the same sets are chosen."""
    lengths = WindowLengths(train_days=5, test_days=4, purge_bars=24)
    told = run_wanted(sweeper(tmp_path), request(data, days=10), GRID, [], 1, lengths)
    bars = pd.read_csv(data.parent / "BTC.csv")
    late = bars["open_time"] >= told["windows"][0]["train"][1]
    bars.loc[late, ["open", "high", "low", "close"]] = np.round(bars.loc[late, ["open", "high", "low", "close"]] / 2, 2)
    (tmp_path / "other").mkdir()
    bars.to_csv(tmp_path / "other" / "BTC.csv", index=False)
    other = tmp_path / "other" / "recording.toml"
    other.write_text(RECORDING.format(base="BTC"))
    changed = run_wanted(sweeper(tmp_path), request(other, days=10), GRID, [], 1, lengths)
    assert changed["windows"][0]["chosen"] == told["windows"][0]["chosen"]
    assert changed["windows"][0]["out_of_sample"] != told["windows"][0]["out_of_sample"]


def test_returns_of_parts_join_to_those_of_the_whole() -> None:
    random = np.random.default_rng(1)
    returns = random.normal(0.001, 0.01, 300)
    parts = [(len(one), float(one.sum()), float((one * one).sum())) for one in np.split(returns, [100, 250])]
    whole = returns.mean() / returns.std(ddof=1) * np.sqrt(365)
    assert join_returns(parts, 365.0) == pytest.approx(whole)
    assert join_returns([(1, 0.1, 0.01)], 365.0) is None


def test_a_grid_turns_its_last_name_fastest() -> None:
    assert list(parameter_grid({"a": [1.0, 2.0], "b": [3.0, 4.0]}))[1] == {"a": 1.0, "b": 4.0}


def test_settings_reach_a_worker_without_their_secrets(tmp_path: Path) -> None:
    text = sweeper(tmp_path).plan_loader.settings
    assert Settings.model_validate_json(text).home == tmp_path
    assert "secret" not in json.dumps([one for one in json.loads(text).values() if isinstance(one, str)])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
