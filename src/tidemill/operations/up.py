"""`tidemill up`: Prefect server, one runner with every deployment, and the paper venue, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
from rich.console import Console

from tidemill.bootstrap import (
    Services,
    build_fill_rules,
    build_live_market,
    settings_recording,
)
from tidemill.domain.errors import TransientError
from tidemill.operations.deployments import deployments_table, read_deployments
from tidemill.operations.ledger_opening import open_ledger
from tidemill.operations.prefect_server import PrefectServer
from tidemill.operations.served_recording import check_served
from tidemill.operations.up_lock import home_lock, publish_up_info
from tidemill.pages.output_files import make_folder
from tidemill.recording import Recording
from tidemill.settings import Settings, load_settings
from tidemill.strategies import choose_strategy
from tidemill.venue import VenueOptions, VenueServer


def run_up(settings: Settings, *, console: Console, port: int) -> int:
    """Start all, serve the deployments, and stop all on Ctrl-C; exit code 0 after a clean stop.

    ConfigurationError or DataError, before anything is started, for what would end it later: a port that is none
    or taken, a mode without deployments, a strategy that cannot be loaded, a folder without rights.
    """
    deployments = read_deployments(settings.mode)
    choose_strategy(settings.strategy)
    if settings.mode == "paper" and (recording := settings_recording(settings)):
        check_served(settings, recording)
    home = make_folder(settings.home.absolute())
    with ExitStack() as stack:
        stack.enter_context(home_lock(home))
        prefect = PrefectServer(home, port=port)
        stack.callback(prefect.stop)
        prefect.start()
        # flow runs are processes of their own and read their settings from the environment
        os.environ.update(prefect.environment)
        os.environ["TIDEMILL_HOME"] = str(home)
        if settings.mode == "paper":
            paper = start_paper_venue(settings, stack, console)
            stack.enter_context(paper_account(paper))
            publish_up_info(home, {**venue_account(paper), "api_url": prefect.environment["PREFECT_API_URL"]})
        console.print("waiting for the Prefect server")
        prefect.wait()
        console.print(deployments_table(deployments))
        console.print(f"Prefect UI: [link={prefect.ui_url}]{prefect.ui_url}[/link]; press Ctrl-C to stop everything")
        console.print(f"tables and pages of the newest runs: {prefect.ui_url}/artifacts")
        console.print(f"in another terminal: export PREFECT_API_URL={prefect.environment['PREFECT_API_URL']}")
        serve_deployments(settings)
    console.print("stopped")
    return 0


def start_paper_venue(settings: Settings, stack: ExitStack, console: Console) -> Settings:
    """Start the paper venue and point this process and its children at it by environment."""
    recording = settings_recording(settings)
    options = VenueOptions(
        recording=recording,
        live=None if recording else build_live_market(settings.venue.exchange, settings.venue.name),
        universe=settings.universe,
        timeframe=settings.timeframe,
        rules=build_fill_rules(settings, settings.delay_seconds, recorded=recording is not None),
        clock="real",
        database=settings.home.absolute() / "venue.db",
    )
    venue = VenueServer(options)
    stack.callback(venue.stop)
    venue.start()
    key, secret = venue_keys(settings.home.absolute())
    quote = settings.universe[0].partition(".")[0].partition("-")[2]
    _open_venue_account(venue, key, secret, quote, str(settings.start_cash))
    os.environ |= {
        "TIDEMILL_VENUE__REST_URL": venue.rest_url,
        "TIDEMILL_VENUE__WS_URL": venue.first_line()["ws"],
        "TIDEMILL_VENUE__ADMIN_URL": venue.admin_url,
        "TIDEMILL_VENUE__KEY": key,
        "TIDEMILL_VENUE__SECRET": secret,
    }
    source = f"serving {recording.title}" if isinstance(recording, Recording) else "on live public data"
    console.print(f"paper venue at {venue.rest_url}, {source}")
    return load_settings()


def venue_account(settings: Settings) -> dict[str, str]:
    """Where the paper venue is, and the key of its account."""
    venue = settings.venue
    return {
        **{name: getattr(venue, name) for name in ("rest_url", "ws_url", "admin_url")},
        **{name: getattr(venue, name).get_secret_value() for name in ("key", "secret")},
    }


def venue_keys(home: Path) -> tuple[str, str]:
    """Key and secret of the paper account, made once and kept readable only to their owner."""
    path = home / "paper-keys"
    if not path.exists():
        # the mode before the content, so that nobody else reads the key even for a moment
        path.touch(mode=0o600)
        path.write_text(f"{secrets.token_hex(16)}\n{secrets.token_hex(16)}\n", encoding="ascii")
    key, secret = path.read_text(encoding="ascii").split()
    return key, secret


def _open_venue_account(venue: VenueServer, key: str, secret: str, asset: str, amount: str) -> None:
    body = {"key": key, "secret": secret, "balances": {asset: amount}}
    answer = requests.post(f"{venue.admin_url}/accounts", json=body, headers={"X-Admin-Token": venue.token}, timeout=10)
    # a conflict is an account that an earlier run opened: its balances stay
    if not answer.ok and answer.status_code != requests.codes.conflict:
        raise TransientError(f"the paper venue refused the account: {answer.status_code}")


@contextmanager
def paper_account(settings: Settings) -> Iterator[None]:
    """Open the ledger's account with the paper venue's cash, once, and stay connected to the ledger until the end.

    Every flow run is a process of its own. SQLite takes the write-ahead log away with the last one that is connected,
    and each would write to a new one, whose growth costs an order a quarter of its time.
    """
    services = Services(settings)
    try:
        currency = settings.universe[0].partition(".")[0].partition("-")[2]
        open_ledger(services, currency, settings.start_cash)
        yield
    finally:
        services.close()


def serve_deployments(settings: Settings) -> None:
    """Serve every deployment of the mode in one runner, until interrupted."""
    from prefect.runner import Runner

    class InterruptedRunner(Runner):  # theirs ends the process at a SIGTERM, before what we started is stopped
        def handle_sigterm(self, *_args: Any, **_kwargs: Any) -> None:
            raise KeyboardInterrupt

    runner = InterruptedRunner(name=f"tidemill-{settings.mode}", limit=4)
    for deployment in read_deployments(settings.mode):
        runner.add_deployment(deployment.to_runner())
    try:
        asyncio.run(runner.start())
    except KeyboardInterrupt:
        return
