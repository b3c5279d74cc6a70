"""Rows of prepared SQLite statements out of arrays and into them, without a Python object per number.

The functions are SQLite's own, under names of ours: who calls these kernels first binds the names to the very
copy of the library whose statement it hands in (``columns``).
"""

from __future__ import annotations

import numpy as np
from numba import types

from tidemill.kernels.compilation import compiled

STEP, RESET = "tidemill_sqlite3_step", "tidemill_sqlite3_reset"
INTEGER, REAL = "tidemill_sqlite3_column_int64", "tidemill_sqlite3_column_double"
BIND_INTEGER, BIND_REAL = "tidemill_sqlite3_bind_int64", "tidemill_sqlite3_bind_double"
NAMES = (STEP, RESET, INTEGER, REAL, BIND_INTEGER, BIND_REAL)
ROW, DONE = 100, 101

_step = types.ExternalFunction(STEP, types.int32(types.intp))
_integer = types.ExternalFunction(INTEGER, types.int64(types.intp, types.int32))
_reset = types.ExternalFunction(RESET, types.int32(types.intp))
_bind_integer = types.ExternalFunction(BIND_INTEGER, types.int32(types.intp, types.int32, types.int64))
_bind_real = types.ExternalFunction(BIND_REAL, types.int32(types.intp, types.int32, types.float64))
_real = types.ExternalFunction(REAL, types.float64(types.intp, types.int32))


@compiled
def step_rows(statement: int, integers: np.ndarray, reals: np.ndarray) -> tuple[int, int]:
    """Step until the arrays are full or the rows are over; (rows taken, SQLite's last code).

    ``integers`` (columns, room) int64 takes the first columns of each row, ``reals`` (columns, room) float64
    those behind. The code is ROW when there may be more, DONE when not, else an error.
    """
    taken, code = 0, ROW
    while taken < integers.shape[1]:
        code = _step(statement)
        if code != ROW:
            break
        for column in range(integers.shape[0]):
            integers[column, taken] = _integer(statement, np.int32(column))
        for column in range(reals.shape[0]):
            reals[column, taken] = _real(statement, np.int32(integers.shape[0] + column))
        taken += 1
    return taken, code


@compiled
def insert_rows(statement: int, integers: np.ndarray, reals: np.ndarray) -> tuple[int, int]:
    """Run an INSERT once per row; (rows written, SQLite's last code: DONE unless it refused).

    ``integers`` (columns, rows) int64 are bound to the first parameters, ``reals`` (columns, rows) float64 to those
    behind; what is bound to later ones stays.
    """
    written, code = 0, DONE
    while written < integers.shape[1]:
        for column in range(integers.shape[0]):
            _bind_integer(statement, np.int32(column + 1), integers[column, written])
        for column in range(reals.shape[0]):
            _bind_real(statement, np.int32(integers.shape[0] + column + 1), reals[column, written])
        code = _step(statement)
        _reset(statement)
        if code != DONE:
            break
        written += 1
    return written, code
