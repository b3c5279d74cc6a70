"""Statements compiled once for each database and run on its driver: for the few that every order waits for.

What SQLAlchemy adds to a call costs more than SQLite needs for it. The text, the names and the types are still
SQLAlchemy's; the transaction around is the one of the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect

Convert = Callable[[Any], Any] | None
DIALECTS: Mapping[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": postgresql.dialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}


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

    def run(self, connection: Connection, **values: Any) -> int:
        """Run it; the number of rows it touched."""
        return int(self._execute(connection, values).rowcount)

    def rows(self, connection: Connection, **values: Any) -> list[dict[str, Any]]:
        """Every row by the names of its columns."""
        columns = self._for(connection).columns
        return [_read(columns, row) for row in self._execute(connection, values).fetchall()]

    def first(self, connection: Connection, **values: Any) -> dict[str, Any] | None:
        """The first row, or None."""
        found = self._execute(connection, values).fetchone()
        return None if found is None else _read(self._for(connection).columns, found)

    def _execute(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        made = self._for(connection)
        driver: Any = connection.connection.driver_connection
        return driver.execute(made.text, made.values(values))

    def _for(self, connection: Connection) -> _Compiled:
        name = connection.dialect.name
        return self._compiled.get(name) or self._compiled.setdefault(name, _compile(self._statement, DIALECTS[name]))


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
