"""Two processes on one SQLite file: what one opens beside its own connections must not cost it their locks."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.adapters.sql.ledger.trials import SqlTrialLedger
from tidemill.adapters.sql.market.series_status import SqlSeriesStatus
from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import Account

NOW = datetime(2021, 4, 22, tzinfo=UTC)
STAMP = Stamp(market=NOW, wall=NOW)
LOOK = """
import sys
from tidemill.adapters.sql.ledger.ledger import SqlLedger
ledger = SqlLedger(sys.argv[1])
print([one.reason for one in ledger.load_freezes()])
ledger.close()
"""


def look_from_another_process(url: str) -> str:
    """The stops that another process reads; it closes the store behind it, as each flow run does."""
    return subprocess.run(
        [sys.executable, "-c", LOOK, url], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


@pytest.fixture
def ledger(tmp_path: Path) -> SqlLedger:
    made = SqlLedger(f"sqlite:///{tmp_path / 'ops.db'}")
    account = Account(account="main", venue="V", currency="USD", opened_at=NOW)
    made.open_account(account, {"USD": Decimal(1)}, stamp=STAMP)
    return made


def test_what_is_committed_is_there_for_all(ledger: SqlLedger, tmp_path: Path) -> None:
    """Before, the log went with the other process, and a halt committed after that was seen by ourselves alone."""
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    trials = SqlTrialLedger(url)
    assert look_from_another_process(url) == "[]"
    assert (tmp_path / "ops.db-wal").exists()
    ledger.freeze("*", "stop", stamp=STAMP)
    assert look_from_another_process(url) == "['stop']"
    trials.close()
    ledger.close()


def test_the_log_goes_with_a_descriptor_that_is_closed_beside(ledger: SqlLedger, tmp_path: Path) -> None:
    """Control: the damage that the rule keeps away is real."""
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    with (tmp_path / "ops.db").open("rb") as file:
        file.read(32)
    assert look_from_another_process(url) == "[]"
    assert not (tmp_path / "ops.db-wal").exists()


def test_a_damaged_file_is_found_again_once_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    store, marks = SqlMarketStore(f"sqlite:///{path}"), SqlSeriesStatus(f"sqlite:///{path}")
    store.close()
    marks.close()
    path.write_bytes(b"x" * 4096)
    with pytest.raises(ConfigurationError, match="damaged"):
        SqlSeriesStatus(f"sqlite:///{path}")
