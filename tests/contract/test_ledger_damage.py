"""A ledger that is damaged trades nothing and says why; what a backup does not know, the venue tells."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from support.ledger_story import NOW, STAMP, decision, intent

import tidemill.adapters.sql
from tidemill.adapters.sql.engine import open_engine, write
from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import Bar, Instrument
from tidemill.domain.portfolio import Account
from tidemill.domain.trading import OrderState, OrderTiming
from tidemill.execution import Desk, compare_account, freeze_differences, place_order, resolve_open_orders
from tidemill.matching import Exchange, FillRules, ListTape
from tidemill.memory.broker import MemoryBroker
from tidemill.memory.clocks import ManualClock
from tidemill.operations.doctor import examine
from tidemill.settings import Settings

BTC = Instrument(venue="T", base="BTC", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal("0.001"))


def make_ledger(path: Path, orders: int = 40) -> None:
    """A ledger with many decisions, all but one of whose orders were rejected; the last is planned."""
    ledger = SqlLedger(f"sqlite:///{path}")
    account = Account(account="a", venue="T", currency="USDT", opened_at=NOW)
    ledger.open_account(account, {"USDT": Decimal(1000)}, stamp=STAMP)
    epoch = ledger.acquire("a", "me", ttl_seconds=10**6, now=NOW) or 0
    for number in range(orders):
        ledger.record_decision(decision(number), [intent(number)], epoch=epoch)
    ledger.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def write_over(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 1000)


def cut_in_half(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def overwrite_the_middle(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[8192:] = b"\xa5" * (len(whole) - 8192)
    path.write_bytes(bytes(whole))


@pytest.mark.parametrize("harm", [write_over, cut_in_half, overwrite_the_middle])
def test_a_damaged_ledger_is_refused_with_a_sentence(harm: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "ops.db"
    make_ledger(path)
    harm(path)

    def use() -> None:
        ledger = SqlLedger(f"sqlite:///{path}")
        ledger.load_orders(account="a")
        ledger.load_portfolio("a")

    with pytest.raises(ConfigurationError, match=r"damaged: .*nothing is traded on it, 'tidemill doctor' tells"):
        use()
    settings = Settings(home=tmp_path, ops_url=f"sqlite:///{path}")
    told = {one.subject: one for one in examine(lambda: settings, live=False)}
    assert not told["ops store"].ok
    for word in ("damaged", "stop all runs", "backup", "reconcile", "resume --accept-venue", "account open"):
        assert word in told["ops store"].text


def break_off_a_checkpoint(path: Path, folder: Path) -> Path:
    """A copy of the ledger as a full disk leaves it: the header says how long the file is, the pages are in the log."""
    made, whole = folder / "ops.db", folder / "whole.db"
    with sqlite3.connect(path, isolation_level=None) as kept:
        # while a reader looks at the log it is not emptied
        kept.execute("PRAGMA journal_mode=WAL")
        kept.execute("PRAGMA wal_autocheckpoint=0")
        kept.execute("VACUUM")
        shutil.copy(f"{path}-wal", f"{made}-wal")
        kept.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(path, whole)
    made.write_bytes(whole.read_bytes()[:4096])
    return made


def test_what_a_full_disk_kept_a_checkpoint_from_is_no_damage(tmp_path: Path) -> None:
    make_ledger(tmp_path / "first.db")
    path = break_off_a_checkpoint(tmp_path / "first.db", tmp_path)
    settings = Settings(home=tmp_path, ops_url=f"sqlite:///{path}")
    told = {one.subject: one for one in examine(lambda: settings, live=False)}
    assert told["ops store"].ok, told["ops store"].text
    ledger = SqlLedger(f"sqlite:///{path}")
    assert len(ledger.load_orders(account="a")) == 40
    ledger.close()


def test_control_what_stands_in_neither_file_nor_log_is_damage(tmp_path: Path) -> None:
    make_ledger(tmp_path / "first.db")
    path = break_off_a_checkpoint(tmp_path / "first.db", tmp_path)
    log = Path(f"{path}-wal")
    log.write_bytes(log.read_bytes()[:-5_000])
    with pytest.raises(ConfigurationError, match="4,096 bytes are left of"):
        SqlLedger(f"sqlite:///{path}")


def test_a_whole_ledger_is_no_damage(tmp_path: Path) -> None:
    """The control: nothing was harmed, nothing is refused."""
    make_ledger(tmp_path / "ops.db")
    assert len(SqlLedger(f"sqlite:///{tmp_path / 'ops.db'}").load_orders(account="a")) == 40


def test_what_a_backup_does_not_know_is_found_at_the_venue(tmp_path: Path) -> None:
    path, backup = tmp_path / "ops.db", tmp_path / "backup.db"
    make_ledger(path, orders=1)
    shutil.copy(path, backup)
    desk = open_desk(path)
    epoch = desk.ledger.acquire("a", "me", ttl_seconds=10**6, now=NOW)
    assert place_order(desk, intent(0).intent_id, epoch=epoch).state is OrderState.FILLED
    resolve_open_orders(desk, epoch=epoch)
    desk.ledger.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    shutil.copy(backup, path)
    desk = replace(desk, ledger=SqlLedger(f"sqlite:///{path}"))
    found = compare_account(desk, [BTC.id], since=NOW - timedelta(days=1))
    assert {one.kind for one in found} >= {"fill", "balance"}
    assert freeze_differences(desk, found) > 0
    desk.ledger.close()


def open_desk(path: Path) -> Desk:
    hours = [NOW + timedelta(hours=hour) for hour in range(3)]
    bars = [
        Bar(
            open_time=one,
            close_time=one + timedelta(hours=1),
            open=Decimal(100),
            high=Decimal(101),
            low=Decimal(99),
            close=Decimal(100),
            volume=Decimal(50),
        )
        for one in hours
    ]
    rules = FillRules(
        slippage=Decimal(0),
        participation=Decimal(1),
        decision_delay=timedelta(seconds=90),
        fee_maker=Decimal("0.001"),
        fee_taker=Decimal("0.001"),
    )
    exchange = Exchange({BTC.id: BTC}, rules, ListTape({BTC.id: bars}), start=NOW)
    exchange.open_account("a", {"USDT": Decimal(1000)})
    market, wall = ManualClock(NOW + timedelta(seconds=60)), ManualClock(NOW)

    def sleep(seconds: float) -> None:
        for clock in (market, wall):
            clock.move_to(clock.now() + timedelta(seconds=seconds))

    return Desk(
        account="a",
        ledger=SqlLedger(f"sqlite:///{path}"),
        broker=MemoryBroker(exchange, "a", market, wall),
        market_clock=market,
        wall_clock=wall,
        timing=OrderTiming(window_ms=5000, visibility_seconds=17.0),
        sleep=sleep,
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_upgrade_keeps_orders_in_doubt_and_open_ones(kind: str, tmp_path: Path, request) -> None:
    """From the first version's tables to the newest, with an UNKNOWN and an OPEN order in them."""
    sqlite = f"sqlite:///{tmp_path / 'ops.db'}"
    url = sqlite if kind == "sqlite" else request.getfixturevalue("postgres_database")
    made = SqlLedger(f"sqlite:///{tmp_path / 'made.db'}")
    account = Account(account="a", venue="T", currency="USDT", opened_at=NOW)
    made.open_account(account, {"USDT": Decimal(1000)}, stamp=STAMP)
    epoch = made.acquire("a", "me", ttl_seconds=10**6, now=NOW)
    marked = replace(decision(0), record={"equity": "1234.56789"})
    made.record_decision(marked, [intent(0), intent(0, leg=1), intent(0, leg=2)], epoch=epoch)
    for leg, state in ((0, OrderState.UNKNOWN), (1, OrderState.OPEN)):
        made.begin_submit(f"i0l{leg}", epoch=epoch, window_ms=500, stamp=STAMP)
        made.record_state(f"i0l{leg}", state, stamp=STAMP, reason="no answer")
    before = (made.load_orders(account="a"), made.load_portfolio("a"), made.load_decisions("a"))
    assert before[1].peak_equity == Decimal("1234.56789")
    stories = [made.load_order_events(f"i0l{leg}") for leg in range(3)]
    upgrade_to(url, "0001")
    copy_rows(made._engine, url)
    made.close()
    new = SqlLedger(url)
    assert (new.load_orders(account="a"), new.load_portfolio("a"), new.load_decisions("a")) == before
    assert [new.load_order_events(f"i0l{leg}") for leg in range(3)] == stories
    assert [one.state for one in before[0]] == [OrderState.UNKNOWN, OrderState.OPEN, OrderState.PLANNED]
    new.record_state("i0l0", OrderState.NOT_PLACED, stamp=STAMP, reason="proven absent")
    assert [one.intent.intent_id for one in new.load_orders(account="a", states=[OrderState.PLANNED])] == ["i0l2"]
    assert not new.load_orders(account="a", states=[OrderState.UNKNOWN])
    numbers = [one.sequence for story in stories for one in story]
    assert new.load_order_events("i0l0")[-1].sequence == max(numbers) + 1, "the sequence goes on"
    new.close()


def copy_rows(source: sa.Engine, url: str) -> None:
    """Into tables of an older version, as far as they have the columns."""
    target = open_engine(url, durable=True)
    known, older = sa.MetaData(), sa.MetaData()
    known.reflect(source)
    older.reflect(target)
    with source.connect() as there, write(target) as here:
        for table in older.sorted_tables:
            if table.name in known.tables and table.name != "alembic_version":
                rows = [dict(one) for one in there.execute(sa.select(known.tables[table.name])).mappings()]
                for row in rows:
                    here.execute(table.insert(), {one.name: row[one.name] for one in table.c if one.name in row})
    target.dispose()


def upgrade_to(url: str, revision: str) -> None:
    config = Config()
    scripts = Path(tidemill.adapters.sql.__file__).parent / "migrations" / "ops"
    config.set_main_option("script_location", str(scripts))
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
