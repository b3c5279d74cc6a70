"""What an order waits for is looked up by a key, so that it costs the same in a ledger of any length."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from tidemill.adapters.sql.ledger import _cash as _ledger_cash
from tidemill.adapters.sql.ledger import _order_path as _ledger_path
from tidemill.adapters.sql.ledger import _orders as _ledger_orders
from tidemill.adapters.sql.ledger import _stops as _ledger_stops
from tidemill.adapters.sql.ledger._tables import FILLS, INTENTS
from tidemill.adapters.sql.ledger.ledger import SqlLedger

MODULES = (_ledger_cash, _ledger_orders, _ledger_path, _ledger_stops)
STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": statement
    for module in MODULES
    for name, statement in vars(module).items()
    if isinstance(statement, sa.Select | sa.Insert | sa.Update)
}
DIALECT = sqlite.dialect(paramstyle="qmark")
SHORT = ("SCAN CONSTANT ROW", "SCAN freezes USING INDEX freezes_standing", "SCAN anon_1")
"""What is read from end to end: nothing, the freezes that stand, and the newest number of each table."""


@pytest.fixture
def line(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    SqlLedger(f"sqlite:///{tmp_path / 'ops.db'}").close()
    made = sqlite3.connect(tmp_path / "ops.db", cached_statements=0)
    yield made
    made.close()


def plan_of(line: sqlite3.Connection, statement: sa.sql.ClauseElement) -> list[str]:
    # a list is written out only when its values are there; one place stands for them here
    text = re.sub(r"__\[POSTCOMPILE_\w+\]", "?", str(statement.compile(dialect=DIALECT)))
    rows = line.execute(f"EXPLAIN QUERY PLAN {text}", [None] * text.count("?"))
    return [str(row[3]) for row in rows]


def long_reads(plan: list[str]) -> list[str]:
    return [step for step in plan if step.startswith("SCAN") and not step.startswith(SHORT)]


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_of_the_path_reads_a_table_from_end_to_end(line: sqlite3.Connection, name: str) -> None:
    assert not long_reads(plan_of(line, STATEMENTS[name]))


def by_venue_id() -> sa.Select:
    ours = (INTENTS.c.account == sa.bindparam("owner"), INTENTS.c.venue_order_id == sa.bindparam("told"))
    return sa.select(INTENTS.c.intent_id).where(*ours)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (_ledger_orders.UNSENT_ORDERS, "intents_live"),
        (_ledger_orders.LINK_FILLS, "fills_untied"),
        (_ledger_stops.STANDING_FREEZE, "freezes_standing"),
        (by_venue_id(), "intents_by_venue_id"),
        (sa.select(FILLS).where(FILLS.c.intent_id == sa.bindparam("wanted")), "ix_fills_intent_id"),
    ],
)
def test_what_is_rare_has_an_index_that_holds_only_it(
    line: sqlite3.Connection, statement: sa.Select, index: str
) -> None:
    assert any(index in step for step in plan_of(line, statement))
    line.execute(f"DROP INDEX {index}")
    # the control: without it another way is taken
    assert not any(index in step for step in plan_of(line, statement))
