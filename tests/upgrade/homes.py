"""The code of an older commit beside this tree's, in the same environment; each runs in processes of its own."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
COMMIT = "3bbaa44c366b292c245492ed48d5247582c50048"
SECONDS = 900


def old_tree(folder: Path) -> Path | None:
    """The tree of ``COMMIT`` below ``folder``; None when this clone has no such commit."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", COMMIT], capture_output=True, check=False)
    if archive.returncode:
        return None
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def environment(tree: Path, **more: str) -> dict[str, str]:
    """This process's environment without settings, in which Python takes its code from ``tree``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEMILL_", "PREFECT_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join((str(tree / "src"), str(tree))), "NO_COLOR": "1", **more}


def run(tree: Path, folder: Path, *arguments: str, code: int = 0, **more: str) -> str:
    """Run Python with ``arguments`` on the code of ``tree``; what it printed. It must end with ``code``."""
    command = [sys.executable, *arguments]
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment(tree, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    printed = ended.stdout + ended.stderr
    assert ended.returncode == code, f"{arguments} ended with {ended.returncode}:\n{printed[-4000:]}"
    return ended.stdout


def tidemill(tree: Path, folder: Path, *arguments: str, code: int = 0, **more: str) -> str:
    """Run a command of tidemill."""
    return run(tree, folder, "-m", "tidemill", *arguments, code=code, **more)


def answers(tree: Path, folder: Path, *commands: tuple[str, ...], code: int = 0) -> list[Any]:
    """The JSON that each of some commands writes, all in one process; each must end with ``code``."""
    files = [folder / f"answer{place}.json" for place in range(len(commands))]
    full = [[*command, "--json", str(file)] for command, file in zip(commands, files, strict=True)]
    printed = run(tree, folder, str(HERE / "run_commands.py"), json.dumps(full))
    assert json.loads(printed.splitlines()[-1]) == [code] * len(commands), printed[-4000:]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def flows(tree: Path, folder: Path, *calls: tuple[str, dict[str, Any]], **more: str) -> list[Any]:
    """What flows returned that ran one after another."""
    printed = run(tree, folder, str(HERE / "run_flows.py"), json.dumps(calls), **more)
    return list(json.loads(printed.splitlines()[-1]))


class Venue:
    """A paper venue in a process of its own; its database outlives it."""

    def __init__(self, first_line: dict[str, Any]) -> None:
        self._said = first_line

    def settings(self, key: str) -> dict[str, str]:
        """The settings that lead to it, as environment variables."""
        values = {
            "REST_URL": self._said["rest"],
            "ADMIN_URL": self._said["admin"],
            "KEY": key,
            "SECRET": f"secret {key}",
        }
        return {f"TIDEMILL_VENUE__{name}": str(value) for name, value in values.items()}

    def admin(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the admin URL: POST with a body, else GET."""
        headers = {"X-Admin-Token": str(self._said["token"]), "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self._said['admin']}/{path}", data, headers), timeout=30) as response:
            return dict(json.loads(response.read() or b"{}"))


@contextmanager
def running_venue(tree: Path, folder: Path) -> Iterator[Venue]:
    """A venue of ``tree`` on the bundled prices and on ``venue.db``; killed at the end, as by a power cut."""
    options = ("--recording", "bundled", "--clock", "recorded", "--db", str(folder / "venue.db"))
    with subprocess.Popen(
        [sys.executable, "-m", "tidemill", "venue", *options],
        cwd=folder,
        env=environment(tree),
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            yield Venue(json.loads(child.stdout.readline()))
        finally:
            child.kill()


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    """What a query of a SQLite database gives."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()
