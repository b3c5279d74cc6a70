"""The driver's own connections, lent for one transaction each: for the few that every order waits for.

What SQLAlchemy adds to a transaction costs more than SQLite needs for it. The pool of connections is still its own.
"""

from __future__ import annotations

from collections import deque
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.pool import PoolProxiedConnection

from tidemill.adapters.sql.engine import tell, turn

MOST_KEPT = 2


@dataclass(frozen=True, slots=True)
class Line:
    """The driver's own connection, for statements of this module alone."""

    driver: Any
    database: str


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

    A class, where a generator would read better: every order passes here three times.
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
