"""What a command in a second terminal takes over from a running `tidemill up`: its paper venue, its Prefect server."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from pydantic import SecretStr

from tidemill.settings.tree import Settings

PUBLISHED = ("rest_url", "ws_url", "admin_url", "key", "secret")


def settings_of_running_up(settings: Settings) -> Settings:
    """The settings with the paper venue of the `up` that runs in HOME; as they are when none does.

    The address of its Prefect server goes into the environment, unless one is there.
    """
    home = settings.home.absolute()
    if settings.mode != "paper" or settings.venue.rest_url or not _is_held(home / "up.lock"):
        return settings
    try:
        info = json.loads((home / "up.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return settings  # it is about to start, or to stop
    os.environ.setdefault("PREFECT_API_URL", info["api_url"])
    venue = {name: SecretStr(info[name]) if name in {"key", "secret"} else info[name] for name in PUBLISHED}
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
