"""Statements compiled once for each database and run on its driver: for the few that every order waits for.

What SQLAlchemy adds to a call, and to a transaction, costs more than SQLite needs for it. The text, the names, the
types and the pool of connections are still SQLAlchemy's; the transaction around is that of its connection, or one
of our own on the driver's (`Lines`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.pool import PoolProxiedConnection

from tidemill.adapters._sql import translated, turn

MOST_KEPT = 2
Convert = Callable[[Any], Any] | None
DIALECTS: Mapping[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": postgresql.dialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The driver's own connection, for statements of this module alone."""

    driver: Any
    database: str


Session = Connection | Line


class Lines:
    """Lends the driver's connections of one engine; the last few used are kept out of its pool, which costs more."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: deque[PoolProxiedConnection] = deque()

    @contextmanager
    def write(self, *, lock: int = 0) -> Iterator[Line]:
        """One write transaction as `_sql.write` makes it, for statements of this module alone.

        TransientError when the database refuses or is locked; nothing is written then.
        """
        with translated(self._engine), turn(self._engine), self._lent() as line:
            if line.database == "postgresql":
                line.driver.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
            else:
                line.driver.execute("BEGIN IMMEDIATE")
            yield line
            line.driver.commit()

    @contextmanager
    def read(self) -> Iterator[Line]:
        """For one statement, which needs no transaction to be consistent in itself."""
        with translated(self._engine), self._lent() as line:
            yield line
            if line.database == "postgresql":
                line.driver.rollback()  # there even a look begins a transaction

    def close(self) -> None:
        """Give back what is kept."""
        for one in self._take_all():
            one.close()

    def _take_all(self) -> deque[PoolProxiedConnection]:
        kept, self._kept = self._kept, deque()
        return kept

    @contextmanager
    def _lent(self) -> Iterator[Line]:
        try:
            held = self._kept.pop()
        except IndexError:
            held = self._engine.raw_connection()
        try:
            yield Line(driver=held.driver_connection, database=self._engine.dialect.name)
        except BaseException:
            held.invalidate()  # closed, with what it has not committed
            for one in self._take_all():  # who else was connected then may be cut off too
                one.invalidate()
            raise
        if len(self._kept) < MOST_KEPT:
            self._kept.append(held)
        else:
            held.close()


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    constants: dict[str, Any]
    to_driver: tuple[tuple[str, Callable[[Any], Any]], ...]
    columns: tuple[tuple[str, Convert], ...]

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Values as the driver takes them."""
        made = {**self.constants, **given}
        for name, convert in self.to_driver:
            made[name] = convert(made[name])
        return made


class Quick:
    """One statement."""

    def __init__(self, statement: sa.Select[Any] | sa.Insert | sa.Update) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def run(self, session: Session, **values: Any) -> int:
        """Run it; the number of rows it touched."""
        return int(self._execute(session, values)[1].rowcount)

    def rows(self, session: Session, **values: Any) -> list[dict[str, Any]]:
        """Every row by the names of its columns."""
        made, cursor = self._execute(session, values)
        return [_read(made.columns, row) for row in cursor.fetchall()]

    def first(self, session: Session, **values: Any) -> dict[str, Any] | None:
        """The first row, or None."""
        made, cursor = self._execute(session, values)
        found = cursor.fetchone()
        return None if found is None else _read(made.columns, found)

    def _execute(self, session: Session, values: Mapping[str, Any]) -> tuple[_Compiled, Any]:
        if isinstance(session, Line):
            name, driver = session.database, session.driver
        else:
            name, driver = session.dialect.name, session.connection.driver_connection
        made = self._compiled.get(name)
        if made is None:
            made = self._compiled.setdefault(name, _compile(self._statement, DIALECTS[name]))
        return made, driver.execute(made.text, made.values(values))


def _read(columns: Sequence[tuple[str, Convert]], row: Iterable[Any]) -> dict[str, Any]:
    return {
        name: value if convert is None or value is None else convert(value)
        for (name, convert), value in zip(columns, row, strict=True)
    }


def _compile(statement: sa.Select[Any] | sa.Insert | sa.Update, dialect: Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    binds = [(name, bind.type) for name, bind in compiled.binds.items()]
    to_driver = tuple(
        (name, partial(kind.process_bind_param, dialect=dialect))
        for name, kind in binds
        if isinstance(kind, sa.types.TypeDecorator)
    )
    columns = [(one.name, one.type) for one in statement.selected_columns] if isinstance(statement, sa.Select) else []
    from_driver = tuple(
        (name, partial(kind.process_result_value, dialect=dialect))
        if isinstance(kind, sa.types.TypeDecorator)
        else (name, None)
        for name, kind in columns
    )
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return _Compiled(str(compiled), constants, to_driver, from_driver)


def insert_all(table: sa.Table) -> Quick:
    """An insert that names every column of a table."""
    return Quick(table.insert().values({one.name: sa.bindparam(one.name) for one in table.c}))
