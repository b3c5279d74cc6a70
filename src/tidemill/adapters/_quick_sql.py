"""Statements compiled once for each database and run on its driver: for the few that every order waits for.

What SQLAlchemy adds to a call, and to a transaction, costs more than SQLite needs for it. The text, the names, the
types and the pool of connections are still SQLAlchemy's; the transaction around is that of its connection, or one
of our own on the driver's (`Lines`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.pool import PoolProxiedConnection

from tidemill.adapters._sql import Micros, tell, turn
from tidemill.domain.market import from_micros, to_micros

MOST_KEPT = 2
Convert = Callable[[Any], Any] | None
DIALECTS: Mapping[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}


@dataclass(frozen=True, slots=True)
class Line:
    """The driver's own connection, for statements of this module alone."""

    driver: Any
    database: str


Session = Connection | Line


class Lines:
    """Lends the driver's connections of one engine; the last few used are kept out of its pool, which costs more."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.database = engine.dialect.name
        self.turn = turn(engine)
        self._kept: deque[PoolProxiedConnection] = deque()

    def write(self, *, lock: int = 0) -> AbstractContextManager[Line]:
        """One write transaction as `_sql.write` makes it, for statements of this module alone.

        TransientError when the database refuses or is locked; nothing is written then.
        """
        return _Write(self, lock)

    def read(self) -> AbstractContextManager[Line]:
        """For one statement, which needs no transaction to be consistent in itself."""
        return _Lent(self)

    def close(self) -> None:
        """Give back what is kept."""
        for one in self._take_all():
            one.close()

    def take(self) -> PoolProxiedConnection:
        """A connection for one transaction: ``give`` it back when that ended well, else ``drop`` it."""
        try:
            return self._kept.pop()
        except IndexError:
            return self.engine.raw_connection()

    def give(self, held: PoolProxiedConnection) -> None:
        """Keep a connection for the next transaction."""
        if len(self._kept) < MOST_KEPT:
            self._kept.append(held)
        else:
            held.close()

    def drop(self, held: PoolProxiedConnection) -> None:
        """Close a connection with what it has not committed; who else was connected then may be cut off too."""
        for one in (held, *self._take_all()):
            one.invalidate()

    def _take_all(self) -> deque[PoolProxiedConnection]:
        kept, self._kept = self._kept, deque()
        return kept


class _Lent:
    """One connection lent; the driver's errors become ours.

    A class, where a generator would read better: every order passes here four times.
    """

    __slots__ = ("_held", "_lines")

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._held: PoolProxiedConnection | None = None

    def __enter__(self) -> Line:
        try:
            self._held = self._lines.take()
            line = Line(self._held.driver_connection, self._lines.database)
            self._begin(line)
        except BaseException as error:
            self._fail(error)
            raise
        return line

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self._end_well()
        else:
            self._fail(error)

    def _end_well(self) -> None:
        held = self._held
        if held is None:
            return
        try:
            self._end(held.driver_connection)
        except BaseException as error:
            self._fail(error)
            raise
        self._lines.give(held)

    def _fail(self, error: BaseException) -> None:
        """Drop the connection, and raise our own error for one of the database's."""
        if self._held is not None:
            self._lines.drop(self._held)
        tell(self._lines.engine, error)

    def _begin(self, line: Line) -> None:
        """Nothing to begin for a look."""

    def _end(self, driver: Any) -> None:
        if self._lines.database == "postgresql":
            driver.rollback()  # there even a look begins a transaction


class _Write(_Lent):
    """One write transaction, committed when all went well."""

    __slots__ = ("_lock",)

    def __init__(self, lines: Lines, lock: int) -> None:
        super().__init__(lines)
        self._lock = lock

    def __enter__(self) -> Line:
        self._lines.turn.__enter__()
        try:
            return super().__enter__()
        except BaseException:
            self._lines.turn.__exit__(None, None, None)
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._lines.turn.__exit__(None, None, None)

    def _begin(self, line: Line) -> None:
        if line.database == "postgresql":
            line.driver.execute("SELECT pg_advisory_xact_lock(%s)", (self._lock,))
        else:
            line.driver.execute("BEGIN IMMEDIATE")

    def _end(self, driver: Any) -> None:
        driver.commit()


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    places: tuple[tuple[str, Convert, Any], ...]
    columns: tuple[tuple[str, Convert], ...]

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """Values as the driver takes them, one for each place in the text."""
        made = []
        for name, convert, constant in self.places:
            value = given[name] if constant is None else constant
            made.append(value if value is None or convert is None else convert(value))
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
    converts = {name: _to_driver(bind.type, dialect) for name, bind in compiled.binds.items()}
    places = tuple((name, converts[name], compiled.params.get(name)) for name in compiled.positiontup or ())
    columns = list(statement.selected_columns) if isinstance(statement, sa.Select) else []
    read = tuple((one.name, _from_driver(one.type, dialect)) for one in columns)
    return _Compiled(str(compiled), places, read)


def _to_driver(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> Convert:
    if isinstance(kind, Micros):
        return to_micros  # what the type does with a value that is there, without the two calls around it
    return partial(kind.process_bind_param, dialect=dialect) if isinstance(kind, sa.types.TypeDecorator) else None


def _from_driver(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> Convert:
    if isinstance(kind, Micros):
        return from_micros
    return partial(kind.process_result_value, dialect=dialect) if isinstance(kind, sa.types.TypeDecorator) else None


def insert_all(table: sa.Table, **made: Any) -> Quick:
    """An insert that names every column of a table; ``made`` are columns that the database works out."""
    return Quick(table.insert().values({one.name: sa.bindparam(one.name) for one in table.c} | made))
