"""Many who write to one ledger: leases, races, and one that is killed or stands still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from support.ledger_steps import LONG, lease, opened
from support.ledger_story import NOW, STAMP, decision, intent

from tidemill.adapters.sql import engine as _sql
from tidemill.adapters.sql.ledger._stops import LOCK
from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.domain.errors import TransientError
from tidemill.domain.portfolio import Account


@pytest.fixture
def ledger(backend: str, tmp_path, request) -> Iterator[object]:
    made = opened(backend, tmp_path, request)
    yield made
    made.close()


def test_of_many_runs_one_records(ledger) -> None:
    epoch = lease(ledger)
    won: list[bool] = []

    def run() -> None:
        won.append(ledger.record_decision(decision(), (intent(),), epoch=epoch))

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 19 + [True]


def test_one_of_twenty_gets_the_lease(ledger) -> None:
    won: list[int | None] = []

    def run(owner: str) -> None:
        won.append(ledger.acquire("b", owner, ttl_seconds=LONG, now=NOW))

    threads = [threading.Thread(target=run, args=(f"o{number}",)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one for one in won if one is not None) == [1]


def test_an_expired_lease_changes_hands_and_cannot_be_renewed(ledger) -> None:
    first = ledger.acquire("b", "one", ttl_seconds=10, now=NOW)
    later = NOW + timedelta(seconds=11)
    assert ledger.acquire("b", "two", ttl_seconds=10, now=NOW) is None
    assert ledger.acquire("b", "two", ttl_seconds=10, now=later) == first + 1
    assert not ledger.renew("b", "one", first, ttl_seconds=10, now=later)


CHILD = """
import sys
from datetime import UTC, datetime
from decimal import Decimal
from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import CashEvent
now = datetime(2021, 1, 1, tzinfo=UTC)
ledger = SqlLedger(sys.argv[1])
for number in range(100_000):
    event = CashEvent(event_id=str(number), account="a", asset="USDT", amount=Decimal(1), kind="deposit", because="x")
    ledger.record_cash_event(event, stamp=Stamp(market=now, wall=now))
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    for _ in range(3):
        fresh = tmp_path / "ops.db"
        fresh.unlink(missing_ok=True)
        child = subprocess.Popen([sys.executable, "-c", CHILD, url], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        last = [child.stdout.readline() for _ in range(15)][-1]
        os.kill(child.pid, signal.SIGKILL)
        last = (child.stdout.read().splitlines() or [last])[-1]
        child.wait()
        ledger = SqlLedger(url)
        acknowledged = int(last) + 1
        assert acknowledged <= ledger.load_portfolio("a").quantity("USDT") <= acknowledged + 1
        ledger.close()


def test_a_migration_may_think_longer_than_a_writer_may_stand_still(postgres_database) -> None:
    """Between two of its statements Python works; a server that ended it would leave a store that cannot be opened."""
    engine, thought = _sql.open_engine(postgres_database, durable=True, wait_ms=800), []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def think(_connection, _cursor, statement: str, *_more) -> None:
        if "CREATE TABLE decisions" in statement:
            time.sleep(0.8)  # twice as long as a writer may
            thought.append(statement)

    _sql.upgrade(engine, "ops")
    engine.dispose()
    assert thought


def test_a_writer_that_stands_still_does_not_hold_up_the_others(postgres_database) -> None:
    """A process stopped in mid-transaction loses it, and what it wrote; the next writer goes on."""
    ledger = SqlLedger(postgres_database, wait_ms=1000)
    ledger.open_account(Account(account="a", venue="T", currency="USDT", opened_at=NOW), {}, stamp=STAMP)
    other = SqlLedger(postgres_database, wait_ms=1000)
    epoch = ledger.acquire("a", "one", ttl_seconds=LONG, now=NOW)
    standing = _sql.open_engine(postgres_database, durable=True, wait_ms=1000)

    def stand_still() -> None:
        with _sql.write(standing, lock=LOCK) as connection:
            connection.execute(sa.text("UPDATE leases SET owner = 'nobody'"))
            time.sleep(0.8)  # longer than a transaction may stand still
            assert other.record_decision(decision(1), [intent(1)], epoch=epoch)
            connection.execute(sa.text("SELECT 1"))

    with pytest.raises(TransientError, match="did not answer"):
        stand_still()
    standing.dispose()
    assert [one.decision_id for one in other.load_decisions("a")] == ["d1"]
    ledger.close()
    other.close()
