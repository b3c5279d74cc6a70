"""A real PostgreSQL for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_binary(name: str) -> str | None:
    """A PostgreSQL program: Debian's real ones first, then PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(places[0]) if places else shutil.which(name)


@contextmanager
def running_postgres() -> Iterator[str]:
    """URL of a server: TIDEMILL_TEST_POSTGRES_URL, else one of our own on loopback, else nothing."""
    given = os.environ.get("TIDEMILL_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    initdb, pg_ctl = find_binary("initdb"), find_binary("pg_ctl")
    if not initdb or not pg_ctl:
        yield ""
        return
    user = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="tidemill-pg-") as folder:
        if user:
            shutil.chown(folder, user)
        data = Path(folder) / "data"

        def run(*command: object) -> None:
            subprocess.run([str(one) for one in command], check=True, capture_output=True, user=user, cwd=folder)

        run(initdb, "-D", data, "-U", "tidemill", "-A", "trust", "-E", "UTF8", "--no-sync")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        log = Path(folder) / "log"
        run(pg_ctl, "-D", data, "-o", options, "-l", log, "-w", "start")
        try:
            yield f"postgresql+psycopg://tidemill@127.0.0.1:{port}/postgres"
        finally:
            run(pg_ctl, "-D", data, "-m", "immediate", "stop")
