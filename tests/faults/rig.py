"""The venue, the databases and the processes of a case."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tidemill.adapters.sql.ledger.ledger import SqlLedger

PATIENCE_SECONDS = 120.0
RESTARTS, RESTART_SECONDS = 20, 0.25


class Venue:
    """One paper venue process with its database, killed and started again at will."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = 0
        self._struck_before: Counter[str] = Counter()
        self._start()

    def _start(self, *, tries: int = 1) -> None:
        told = self._spawn()
        while not told and (tries := tries - 1):
            self._child.wait(30)
            self._log.close()
            time.sleep(RESTART_SECONDS)
            told = self._spawn()
        self._told = json.loads(told)
        self.rest = str(self._told["rest"])
        self._port = int(self.rest.rpartition(":")[2])

    def _spawn(self) -> str:
        """Start the process; its first line, empty when it ended at once."""
        command = [sys.executable, "-m", "tidemill", "venue", "--recording", "bundled", "--clock", "recorded"]
        command += ["--unlimited", "--db", str(self._folder / "venue.db"), "--port", str(self._port)]
        self._log = (self._folder / "venue.log").open("a")
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=self._folder)
        assert self._child.stdout is not None
        return self._child.stdout.readline()

    @property
    def admin_url(self) -> str:
        """Where the admin API listens."""
        return str(self._told["admin"])

    def restart(self) -> None:
        """Kill it and start it again on the same port and database; what struck until then stays counted.

        While nobody listens there, the system may give the port to some client for a moment: then try again.
        """
        self._struck_before.update(self.admin("GET", "truth?key=nobody")["struck"])
        self.stop(signal.SIGKILL)
        self._start(tries=RESTARTS)

    def struck(self, fault: str) -> int:
        """How often the fault struck, before restarts too."""
        return self._struck_before[fault] + int(self.admin("GET", "truth?key=nobody")["struck"].get(fault, 0))

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the process."""
        self._child.send_signal(number)
        self._child.wait(30)
        self._log.close()

    def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the admin API."""
        head = {"X-Admin-Token": str(self._told["token"]), "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self._told['admin']}/{path}", data, head, method=method)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.loads(answer.read())  # type: ignore[no-any-return]


class SqliteStore:
    """Ledgers as files, copied from one that is up to date."""

    name = "sqlite"
    longest_stop = 5.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"
        ledger = SqlLedger(f"sqlite:///{self._template}")
        ledger.close()
        with sqlite3.connect(self._template) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def make(self, name: str) -> str:
        """URL of a fresh ledger."""
        path = self._folder / f"{name}.db"
        shutil.copy(self._template, path)
        return f"sqlite:///{path}"

    def refuse(self, url: str, seconds: float) -> None:
        """Let nobody write for so long."""
        with sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=30) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")

    def drop(self, url: str) -> None:
        """Remove a ledger."""
        for suffix in ("", "-wal", "-shm"):
            Path(url.removeprefix("sqlite:///") + suffix).unlink(missing_ok=True)


class PostgresStore:
    """Ledgers as databases, copied from one that is up to date."""

    name = "postgres"
    longest_stop = 12.0

    def __init__(self, url: str, tag: str) -> None:
        self._server = sa.make_url(url)
        self._template = f"template_{tag}"
        self._tag = tag
        self._run(f"CREATE DATABASE {self._template}")
        ledger = SqlLedger(self._url(self._template))
        ledger.close()

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)

    def _run(self, *statements: str) -> None:
        engine = sa.create_engine(self._server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
        engine.dispose()

    def make(self, name: str) -> str:
        """URL of a fresh ledger."""
        self._run(f"CREATE DATABASE {name}_{self._tag} TEMPLATE {self._template}")
        return self._url(f"{name}_{self._tag}")

    def refuse(self, url: str, seconds: float) -> None:
        """Cut every connection and take no new one for so long."""
        name = sa.make_url(url).database
        ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        self._run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", ends)
        time.sleep(seconds)
        self._run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    def drop(self, url: str) -> None:
        """Remove a ledger."""
        self._run(f"DROP DATABASE IF EXISTS {sa.make_url(url).database} WITH (FORCE)")


class Process:
    """A forked child of this warmed process; its errors go to a file."""

    def __init__(self, work: Callable[[], None], log: Path) -> None:
        self.status: int | None = None
        self.stopped = False
        self.pid = os.fork()
        if self.pid == 0:
            _run_and_exit(work, log)

    def wait(self, seconds: float = PATIENCE_SECONDS, *, stopped: bool = False) -> bool:
        """Whether it has ended (or, if asked, been stopped) within so long."""
        end = time.monotonic() + seconds
        while self.status is None and time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG | (os.WUNTRACED if stopped else 0))
            if pid and os.WIFSTOPPED(status):
                self.stopped = True
                return True
            if pid:
                self.status = status
            else:
                time.sleep(0.005)
        return self.status is not None

    def signal(self, number: int) -> None:
        """Send a signal while it lives."""
        if self.status is None:
            os.kill(self.pid, number)

    @property
    def done(self) -> bool:
        """Whether it ended well."""
        return self.status == 0

    @property
    def killed(self) -> bool:
        """Whether a signal ended it."""
        return self.status is not None and os.WIFSIGNALED(self.status)


def _run_and_exit(work: Callable[[], None], log: Path) -> None:
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        with log.open("a") as out:
            traceback.print_exc(file=out)
    finally:
        os._exit(code)
