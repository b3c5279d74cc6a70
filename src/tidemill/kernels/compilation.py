"""How every kernel is compiled: kept on disk, without the interpreter's lock, division as numpy's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def _sources_digest() -> str:
    """SHA-256 over all files of this package."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


SOURCES = _sources_digest()


def compiled(function: Kernel) -> Kernel:
    """``function`` as machine code, made at its first call and kept.

    numba keeps the machine code beside the source or in NUMBA_CACHE_DIR, and compiles again when any file of this
    package has changed. It runs without the interpreter's lock, so threads run kernels side by side; a division by
    zero gives inf or NaN, as in NumPy.
    """
    kernel: Kernel = njit(cache=True, nogil=True, error_model="numpy")(function)
    return _stamped(kernel)


def inlined(function: Kernel) -> Kernel:
    """The same, but written out in its caller: handing arrays on costs more than a row's arithmetic.

    For functions that take many arrays. The caller grows by it and takes longer to compile.
    """
    kernel: Kernel = njit(cache=True, nogil=True, error_model="numpy", inline="always")(function)
    return _stamped(kernel)


def _stamped(kernel: Kernel) -> Kernel:
    # numba compares the date of the function's own file only, and would go on with what an edited
    # neighbour was compiled to
    cache_file = getattr(getattr(kernel, "_cache", None), "_cache_file", None)
    if cache_file is not None:
        cache_file._source_stamp = SOURCES  # noqa: SLF001
    return kernel
