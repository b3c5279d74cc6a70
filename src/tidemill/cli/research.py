"""sweep."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tidemill.cli.options import Data, End, Every, JsonPath, Start, write_json
from tidemill.domain.errors import DataError
from tidemill.settings import load_settings

console = Console()


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(sweep)


def sweep(
    data: Data = None,
    strategy: Annotated[str, typer.Option("--strategy", help="What decides, where no --set names several.")] = "trend",
    start: Start = None,
    end: End = None,
    every: Every = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=V,V,...", help="Values of one parameter; repeat for others."),
    ] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="NAME=LOW:HIGH", help="Let Optuna choose between two ends; repeat."),
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="How many sets Optuna may try.")] = 50,
    train_days: Annotated[
        float, typer.Option("--train-days", min=0, help="Walk forward: days to choose a set on, then ...")
    ] = 0,
    test_days: Annotated[float, typer.Option("--test-days", min=0, help="... days to tell it on.")] = 0,
    purge_bars: Annotated[int, typer.Option("--purge-bars", min=0, help="Bars left out between the two.")] = 24,
    speed: Annotated[
        Literal["exact", "fast"], typer.Option("--speed", help="fast: trend and reversion. exact: any strategy.")
    ] = "fast",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Sets tried at once.")] = 2,
    json: JsonPath = None,
) -> None:
    """Try many parameter sets over one period; every one is counted as a trial.

    A sweep that was stopped goes on where it was when it is started again. A set that fails is skipped and named.
    With --train-days and --test-days the best set of each train window is told on the test window after it.
    """
    from tidemill.bootstrap import Services, SettingsPlanLoader
    from tidemill.pages import outcome_rows
    from tidemill.research.jobs import open_job_runner
    from tidemill.research.requests import BacktestRequest
    from tidemill.research.sweep import Sweeper
    from tidemill.research.walk_forward import SweepOptions, WindowLengths, run_options

    if bool(train_days) != bool(test_days):
        raise DataError("walking forward needs both --train-days and --test-days")
    services = Services(load_settings())
    request = BacktestRequest(data=data, start=start, end=end, strategy=strategy, every=every, speed=speed)
    windows = WindowLengths(train_days=train_days, test_days=test_days, purge_bars=purge_bars) if train_days else None
    options = SweepOptions(values=values or (), ranges=ranges or (), trials=trials, windows=windows)
    columns = (TextColumn("trying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    settings = services.settings
    runner = open_job_runner(settings.task_runner, speed, workers, settings.dask_address)
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with progress as bar, runner as run_jobs:
        task = bar.add_task("trying", total=None)
        sweeper = Sweeper(
            plan_loader=SettingsPlanLoader.of(settings),
            trials=services.stores.trials,
            run_jobs=run_jobs,
            now=services.clocks.wall.now,
            journals=settings.home / "sweeps",
            on_trial=lambda done, total: bar.update(task, completed=done, total=total),
        )
        report = run_options(sweeper, request, options).to_json()
    services.close()
    write_json(json, report)
    _show(report, outcome_rows(report["trials"]) if "trials" in report else [])


def _show(report: dict[str, Any], rows: list[dict[str, str]]) -> None:
    from tidemill.pages import verdict_lines
    from tidemill.replay.screen import plain_table

    if rows:
        console.print(plain_table(rows))
    for line in verdict_lines(report):
        console.print(line, highlight=False, soft_wrap=True)
    if not rows:
        for window in report["windows"]:
            test = " to ".join(window["test"])
            console.print(f"{test}: {window['chosen']}", highlight=False, soft_wrap=True)
