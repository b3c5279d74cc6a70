"""Rows of a prepared SQLite statement into arrays, without a Python object per number.

The functions are SQLite's own, under names of ours: who calls ``step_rows`` first binds these names to the very
copy of the library whose statement it hands in (``adapters/_sqlite_columns``).
"""

from __future__ import annotations

import numpy as np
from numba import types

from tidemill.kernels.compiling import compiled

STEP, INTEGER, REAL = "tidemill_sqlite3_step", "tidemill_sqlite3_column_int64", "tidemill_sqlite3_column_double"
ROW, DONE = 100, 101

_step = types.ExternalFunction(STEP, types.int32(types.intp))
_integer = types.ExternalFunction(INTEGER, types.int64(types.intp, types.int32))
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
