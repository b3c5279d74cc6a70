"""Long reads and writes of a SQLite file straight out of arrays.

It calls the very copy of SQLite that Python's own module is linked with. A second copy in one process, such as a
driver brings along, would let go of the first one's file locks whenever it closes or unlocks the same file, and
the write-ahead log is only as safe as those locks.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache

import numpy as np

OPEN_READ_WRITE, BUSY_MS, ROOM = 2, 15_000, 65_536
# a long write would have its pages copied into the file over and over while it goes on
SETTINGS = "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=8000"
Handle = ctypes.c_void_p
Columns = tuple[np.ndarray, np.ndarray]
"""int64 (columns, rows) and float64 (columns, rows)."""


class UnreachableError(Exception):
    """Python's copy of SQLite cannot be called from outside its module: take the ordinary way."""


class RefusedError(Exception):
    """SQLite said no; the text is its own."""


@cache
def _library() -> ctypes.CDLL:
    """SQLite as Python's module has it; its hot functions are made known to compiled code."""
    import _sqlite3

    from llvmlite import binding

    from tidemill.adapters.sql._bulk import stepping

    try:
        library = ctypes.CDLL(_sqlite3.__file__)
        for name in stepping.NAMES:
            function = getattr(library, name.removeprefix("tidemill_"))
            binding.add_symbol(name, ctypes.cast(function, Handle).value)
        library.sqlite3_errmsg.restype = ctypes.c_char_p
        for name in ("sqlite3_close_v2", "sqlite3_finalize", "sqlite3_reset", "sqlite3_errmsg"):
            getattr(library, name).argtypes = [Handle]
        library.sqlite3_bind_int64.argtypes = [Handle, ctypes.c_int, ctypes.c_int64]
    except (AttributeError, OSError) as error:
        raise UnreachableError(f"SQLite's library is out of reach: {error}") from error
    # what is not compiled yet is compiled now, not inside a transaction
    nothing = np.empty((1, 0), np.int64), np.empty((1, 0))
    stepping.step_rows(0, *nothing)
    stepping.insert_rows(0, *nothing)
    return library


class Statement:
    """A prepared statement of one connection."""

    def __init__(self, connection: Connection, pointer: Handle) -> None:
        self._connection = connection
        self._handle = pointer
        self._library = _library()

    def bind(self, first: int, *values: int) -> None:
        """Bind integers to the parameters from number ``first`` (1 is the first)."""
        for index, value in enumerate(values, start=first):
            self._connection.check(self._library.sqlite3_bind_int64(self._handle, index, value))

    def select(self, integers: int, reals: int) -> Columns:
        """All rows: the first ``integers`` columns are int64, the ``reals`` behind them float64, none NULL."""
        from tidemill.adapters.sql._bulk.stepping import DONE, ROW, step_rows

        parts, code = [], ROW
        while code == ROW:
            part = np.empty((integers, ROOM), np.int64), np.empty((reals, ROOM), np.float64)
            taken, code = step_rows(self._handle.value or 0, *part)
            parts.append((part[0][:, :taken], part[1][:, :taken]))
        self._library.sqlite3_reset(self._handle)
        self._connection.check(0 if code == DONE else code)
        return np.concatenate([part[0] for part in parts], axis=1), np.concatenate([part[1] for part in parts], axis=1)

    def insert(self, integers: np.ndarray, reals: np.ndarray) -> None:
        """Run once per row, integers and reals bound to the first parameters."""
        from tidemill.adapters.sql._bulk.stepping import DONE, insert_rows

        _, code = insert_rows(self._handle.value or 0, integers, reals)
        self._connection.check(0 if code == DONE else code)


class Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, path: str) -> None:
        self._library = _library()
        self._handle = Handle()
        self.check(self._library.sqlite3_open_v2(path.encode(), ctypes.byref(self._handle), OPEN_READ_WRITE, None))
        self._library.sqlite3_busy_timeout(self._handle, BUSY_MS)
        self.run(SETTINGS)

    def run(self, text: str) -> None:
        """Run a statement that gives nothing."""
        self.check(self._library.sqlite3_exec(self._handle, text.encode(), None, None, None))

    @contextmanager
    def prepared(self, text: str) -> Iterator[Statement]:
        """The statement, until the block ends."""
        pointer = Handle()
        self.check(self._library.sqlite3_prepare_v2(self._handle, text.encode(), -1, ctypes.byref(pointer), None))
        try:
            yield Statement(self, pointer)
        finally:
            self._library.sqlite3_finalize(pointer)

    def value(self, text: str) -> int:
        """The one integer that a query gives."""
        with self.prepared(text) as statement:
            return int(statement.select(1, 0)[0][0, 0])

    def close(self) -> None:
        """Close it."""
        self._library.sqlite3_close_v2(self._handle)

    def check(self, code: int) -> None:
        """RefusedError unless ``code`` is 0."""
        if code != 0:
            text = self._library.sqlite3_errmsg(self._handle)
            raise RefusedError(bytes(text or b"unknown").decode(errors="replace"))


class SqliteColumns:
    """Transactions on one SQLite file; threads may read at the same time, each on a connection of its own."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: list[Connection] = []
        self._turn = threading.Lock()

    @contextmanager
    def transaction(self, begin: str = "BEGIN") -> Iterator[Connection]:
        """A connection in a transaction: committed at the end of the block, rolled back when it fails.

        UnreachableError when it cannot be done this way at all, RefusedError when SQLite says no.
        """
        connection = self._take()
        try:
            connection.run(begin)
            yield connection
            connection.run("COMMIT")
        except BaseException:
            # the transaction may be over already
            with suppress(RefusedError):
                connection.run("ROLLBACK")
            raise
        finally:
            with self._turn:
                self._idle.append(connection)

    def select(self, text: str, runs: Sequence[Sequence[int]], *, integers: int, reals: int) -> list[Columns]:
        """The rows of ``text`` for each set of bound integers, all in one consistent read."""
        answers = []
        with self.transaction() as connection, connection.prepared(text) as statement:
            for values in runs:
                statement.bind(1, *values)
                answers.append(statement.select(integers, reals))
        return answers

    def close(self) -> None:
        """Close idle connections."""
        with self._turn:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _take(self) -> Connection:
        with self._turn:
            connection = self._idle.pop() if self._idle else None
        return connection or Connection(self._path)
