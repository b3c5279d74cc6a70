"""Fixtures that many tests share: a real PostgreSQL, and hypothesis without a clock."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

settings.register_profile(
    "tidemill", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)
settings.load_profile("tidemill")


def find_binary(name: str) -> str | None:
    """A PostgreSQL program: Debian's real ones first, then PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(places[0]) if places else shutil.which(name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a server: TIDEMILL_TEST_POSTGRES_URL, else one of our own on loopback, else a visible skip."""
    given = os.environ.get("TIDEMILL_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    initdb, pg_ctl = find_binary("initdb"), find_binary("pg_ctl")
    if not initdb or not pg_ctl:
        pytest.skip("no PostgreSQL here; install the package postgresql or set TIDEMILL_TEST_POSTGRES_URL")
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


@pytest.fixture
def postgres_database(postgres_url: str) -> str:
    """URL of a fresh database."""
    name = f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return sa.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def backend(request: pytest.FixtureRequest) -> str:
    """Which adapter a contract test runs on."""
    return request.param
