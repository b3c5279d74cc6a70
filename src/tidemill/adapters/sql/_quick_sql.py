"""Statements compiled once for each database and run on its driver: for the few that every order waits for.

What SQLAlchemy adds to a call costs more than SQLite needs for it. The text, the names and the types are still
SQLAlchemy's; the transaction around is that of its connection, or one on the driver's own (`Lines`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect

from tidemill.adapters.sql._lines import Line
from tidemill.adapters.sql.engine import Micros
from tidemill.domain.market import from_micros, to_micros

Session = Connection | Line
Convert = Callable[[Any], Any] | None
DIALECTS: Mapping[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}


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
