"""A command in a second terminal, beside a running `tidemill up`: it finds the paper venue and the Prefect server."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from tidemill.domain.errors import ConfigurationError
from tidemill.settings import Settings

VENUE = ("rest_url", "ws_url", "admin_url", "key", "secret")


@contextmanager
def home_lock(home: Path) -> Iterator[None]:
    """Keep ``home`` to this process until it ends, however it ends; ConfigurationError when another `up` has it.

    Two of them would serve each deployment twice, each with a paper venue of its own beside one ledger.
    """
    with (home / "up.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"'tidemill up' runs already in {home}; stop that one, or set TIDEMILL_HOME to another folder"
            ) from error
        yield


def publish_up_info(home: Path, told: Mapping[str, str]) -> None:
    """Leave what a command beside needs, readable to the owner only; it holds while the lock of ``home`` is held."""
    path = home / "up.json"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(dict(told)), encoding="utf-8")


def settings_of_running_up(settings: Settings) -> Settings:
    """The settings with the paper venue of the `up` that runs in HOME; as they are when none does.

    The address of its Prefect server goes into the environment, unless one is there.
    """
    home = settings.home.absolute()
    if settings.mode != "paper" or settings.venue.rest_url or not _is_held(home / "up.lock"):
        return settings
    try:
        told = json.loads((home / "up.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return settings  # it is about to start, or to stop
    os.environ.setdefault("PREFECT_API_URL", told["api_url"])
    venue = {name: SecretStr(told[name]) if name in {"key", "secret"} else told[name] for name in VENUE}
    return settings.model_copy(update={"venue": settings.venue.model_copy(update=venue)})


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
