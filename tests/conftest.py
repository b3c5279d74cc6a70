"""Fixtures that many tests share: a real PostgreSQL, and hypothesis without a clock."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from support.postgres import running_postgres
from xdist.scheduler import LoadScopeScheduling

settings.register_profile(
    "tidemill", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)
settings.load_profile("tidemill")


PREFECT_ROOMS = ("/flow_runs/", "/golden/contract/", "/upgrade/")
"""Whose tests start Prefect servers."""


class ByFile(LoadScopeScheduling):
    """Each file to one worker, and all that starts a Prefect server to the same one, one after another."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "flow runs" if any(room in file for room in PREFECT_ROOMS) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """Share the tests among the workers by file."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a server: TIDEMILL_TEST_POSTGRES_URL, else one of our own on loopback, else a visible skip."""
    with running_postgres() as url:
        if not url:
            pytest.skip("no PostgreSQL here; install the package postgresql or set TIDEMILL_TEST_POSTGRES_URL")
        yield url


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
