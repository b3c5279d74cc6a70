"""One `tidemill up` a HOME, and what it leaves there for commands in other terminals."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tidemill.domain.errors import ConfigurationError


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


def publish_up_info(home: Path, info: Mapping[str, str]) -> None:
    """Leave what a command beside needs, readable to the owner only; it holds while the lock of ``home`` is held."""
    path = home / "up.json"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(dict(info)), encoding="utf-8")
