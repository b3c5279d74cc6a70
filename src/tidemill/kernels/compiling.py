"""How every kernel is compiled: kept on disk, without the interpreter's lock, division as numpy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """``function`` as machine code, made at its first call and kept."""
    made: Kernel = njit(cache=True, nogil=True, error_model="numpy")(function)
    return made


def inlined(function: Kernel) -> Kernel:
    """The same, but written out in its caller: handing arrays on costs more than a row's arithmetic."""
    made: Kernel = njit(cache=True, nogil=True, error_model="numpy", inline="always")(function)
    return made
