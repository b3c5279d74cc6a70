"""Long reads from a SQLite file straight into arrays.

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

OPEN_READ_ONLY, BUSY_MS, ROOM = 1, 15_000, 65_536
Handle = ctypes.c_void_p
Columns = tuple[np.ndarray, np.ndarray]
"""int64 (columns, rows) and float64 (columns, rows)."""


class Unreadable(Exception):
    """The library cannot be reached, or SQLite said no: the ordinary way is to be taken, and tells why."""


@cache
def _library() -> ctypes.CDLL:
    """SQLite as Python's module has it; its three hot functions are made known to compiled code."""
    import _sqlite3

    from llvmlite import binding

    from tidemill.kernels import stepping

    try:
        found = ctypes.CDLL(_sqlite3.__file__)
        found.sqlite3_column_int64.restype = ctypes.c_int64
        for name in (stepping.STEP, stepping.INTEGER, stepping.REAL):
            function = getattr(found, name.removeprefix("tidemill_"))
            binding.add_symbol(name, ctypes.cast(function, Handle).value)
        found.sqlite3_errmsg.restype = ctypes.c_char_p
        for name in ("sqlite3_close_v2", "sqlite3_finalize", "sqlite3_reset"):
            getattr(found, name).argtypes = [Handle]
        found.sqlite3_bind_int64.argtypes = [Handle, ctypes.c_int, ctypes.c_int64]
    except (AttributeError, OSError) as error:
        raise Unreadable(f"SQLite's library is out of reach: {error}") from error
    return found


class _Connection:
    """One read-only connection."""

    def __init__(self, path: str) -> None:
        self._library = _library()
        self._handle = Handle()
        opened = self._library.sqlite3_open_v2(path.encode(), ctypes.byref(self._handle), OPEN_READ_ONLY, None)
        self._check(opened)
        self._library.sqlite3_busy_timeout(self._handle, BUSY_MS)

    def run(self, text: str) -> None:
        self._check(self._library.sqlite3_exec(self._handle, text.encode(), None, None, None))

    @contextmanager
    def prepared(self, text: str) -> Iterator[Handle]:
        statement = Handle()
        self._check(self._library.sqlite3_prepare_v2(self._handle, text.encode(), -1, ctypes.byref(statement), None))
        try:
            yield statement
        finally:
            self._library.sqlite3_finalize(statement)

    def select(self, statement: Handle, values: Sequence[int], integers: int, reals: int) -> Columns:
        """All rows for one set of values."""
        from tidemill.kernels.stepping import DONE, ROW, step_rows

        for index, value in enumerate(values, start=1):
            self._check(self._library.sqlite3_bind_int64(statement, index, value))
        parts, code = [], ROW
        while code == ROW:
            part = np.empty((integers, ROOM), np.int64), np.empty((reals, ROOM), np.float64)
            taken, code = step_rows(statement.value or 0, *part)
            parts.append((part[0][:, :taken], part[1][:, :taken]))
        self._library.sqlite3_reset(statement)
        if code != DONE:
            raise Unreadable(self._message())
        return np.concatenate([one[0] for one in parts], axis=1), np.concatenate([one[1] for one in parts], axis=1)

    def close(self) -> None:
        self._library.sqlite3_close_v2(self._handle)

    def _check(self, code: int) -> None:
        if code != 0:
            raise Unreadable(self._message())

    def _message(self) -> str:
        return bytes(self._library.sqlite3_errmsg(self._handle)).decode(errors="replace")


class SqliteColumns:
    """Reads of one SQLite file; threads may read at the same time, each on a connection of its own."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: list[_Connection] = []
        self._turn = threading.Lock()

    def select(self, text: str, runs: Sequence[Sequence[int]], *, integers: int, reals: int) -> list[Columns]:
        """The rows of ``text`` for each set of bound integers, all in one consistent read.

        The first ``integers`` columns of a row are int64, the ``reals`` behind them float64, none of them NULL.
        Unreadable when it cannot be done this way.
        """
        with self._connection() as connection, connection.prepared(text) as statement:
            return [connection.select(statement, values, integers, reals) for values in runs]

    def close(self) -> None:
        """Close idle connections."""
        with self._turn:
            for one in self._idle:
                one.close()
            self._idle.clear()

    @contextmanager
    def _connection(self) -> Iterator[_Connection]:
        with self._turn:
            found = self._idle.pop() if self._idle else None
        connection = found or _Connection(self._path)
        try:
            connection.run("BEGIN")
            yield connection
        finally:
            # a failed read is over already
            with suppress(Unreadable):
                connection.run("COMMIT")
            with self._turn:
                self._idle.append(connection)
