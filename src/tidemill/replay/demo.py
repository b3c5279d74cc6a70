"""`tidemill demo`: servers up, a recording replayed through the real flows, a summary, servers down."""

from __future__ import annotations

import base64
import json
import logging
import os
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tidemill.bootstrap import Overrides, Services, build_fill_rules, recorded_settings, require_sound, using
from tidemill.domain.errors import TidemillError
from tidemill.operations.ledger_opening import open_ledger
from tidemill.operations.prefect_server import PrefectServer, quiet_prefect
from tidemill.pages.output_files import write_text
from tidemill.replay.drive import import_history, run_steps
from tidemill.replay.plan import ReplayOptions, ReplayPlan, make_plan, replay_settings, write_settings_file
from tidemill.replay.plot import plot_run
from tidemill.replay.screen import ReplayScreen, show_summary, summary_page
from tidemill.replay.servers import ReplayServers
from tidemill.replay.summary import DemoSummary, make_summary, why_no_fill
from tidemill.settings import Settings

log = logging.getLogger(__name__)


def run_demo(
    options: ReplayOptions, base: Settings, *, console: Console, json_path: Path | None = None, keep: bool = False
) -> int:
    """Run a replay from start to end; the exit code (0 done, 1 a step failed or ledger and venue differ)."""
    plan = make_plan(options, base)
    with ExitStack() as stack:
        _, summary = replay_recording(plan, base, console=console, stack=stack, keep=keep)
        if json_path is not None:
            write_text(json_path, json.dumps(summary.to_json(), indent=2, default=str) + "\n", "JSON file")
        show_summary(console, summary, why_no_fill(summary), generated=plan.generated_posts)
        if keep:
            _wait_for_interrupt(console, summary.ui)
    return 1 if summary.failed else 0


def replay_recording(
    plan: ReplayPlan, base: Settings, *, console: Console, stack: ExitStack, keep: bool = False
) -> tuple[Services, DemoSummary]:
    """Servers up, all steps, the summary; ``stack`` stops and closes all that was opened.

    ``keep`` also runs Prefect's own services.
    """
    began = time.monotonic()
    try:
        require_sound(recorded_settings(base, plan.recording, plan.strategy), plan.recording, plan.grid)
    except TidemillError:
        plan.folder.rmdir()  # nothing is in it yet
        raise
    prefect = PrefectServer(plan.folder, services=keep)
    stack.callback(prefect.stop)
    prefect.start()
    os.environ.update(prefect.environment)
    with ReplayScreen(console, plan, prefect.ui_url) as screen:
        return _replay(plan, base, prefect, screen, began, stack)


def _replay(
    plan: ReplayPlan, base: Settings, prefect: PrefectServer, screen: ReplayScreen, began: float, stack: ExitStack
) -> tuple[Services, DemoSummary]:
    screen.say("starting the paper venue and the doubles of X, Reddit and NewsAPI")
    servers = ReplayServers(plan.recording, build_fill_rules(base, plan.grid.delay_seconds))
    stack.callback(servers.stop)
    servers.start()
    currency = plan.recording.series[0].instrument.quote
    servers.open_account(currency, base.start_cash)
    settings = replay_settings(plan, base, urls=servers.urls, key=servers.key, secret=servers.secret)
    write_settings_file(plan, base)
    services = Services(settings, Overrides(grid=plan.grid))
    stack.callback(services.close)
    screen.say("importing history")
    before = plan.grid.decided_open(plan.start) + plan.grid.delay / 2
    servers.move_clock(before)
    open_ledger(services, currency, base.start_cash)
    history = import_history(services, plan, now=before)
    screen.say(f"imported {history['bars']:,} bars and {history['posts']:,} posts; waiting for Prefect")
    prefect.wait()
    steps = run_steps(services, servers, plan, screen.advance)
    with using(services):
        seconds = time.monotonic() - began
        summary = make_summary(services, plan, steps, history=history, seconds=seconds, ui=prefect.ui_url)
        _publish_plot(services, summary)
    return services, summary


def _publish_plot(services: Services, summary: DemoSummary) -> None:
    """Write the picture and publish it, with the summary, as artifacts of a flow run of their own."""
    from prefect import flow
    from prefect.artifacts import create_image_artifact, create_markdown_artifact

    plan = summary.plan
    picture = plot_run(
        summary.plot,
        equity=[(plan.start, summary.equity_start), *summary.log.equity],
        decisions=services.stores.ledger.load_decisions(services.settings.account),
        title=plan.recording.title,
        currency=summary.currency,
    )

    @flow(name="summarise_replay", log_prints=False)
    def summarise_replay() -> None:
        url = "data:image/png;base64," + base64.b64encode(picture).decode()
        create_image_artifact(image_url=url, key="replay-equity", description="Equity and positions")
        page = summary_page(summary)
        create_markdown_artifact(markdown=page, key="replay-summary", description="Summary of the replay")

    with quiet_prefect():
        summarise_replay()


def _wait_for_interrupt(console: Console, ui: str) -> None:
    console.print(f"The Prefect UI stays open at [link={ui}]{ui}[/link]; press Ctrl-C to stop it.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("stopping")
