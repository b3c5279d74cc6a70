"""Raw answers as they are kept: compressed, found again by the hash of what was received."""

from __future__ import annotations

import hashlib
import zlib
from functools import cache
from typing import Any

ZSTANDARD = b"\x28\xb5\x2f\xfd"
LEVEL = 1


def digest_of(body: bytes) -> str:
    """SHA-256 hex digest of a body."""
    return hashlib.sha256(body).hexdigest()


def pack(body: bytes) -> bytes:
    """The body compressed."""
    return bytes(_codec().compress(body, asbytes=True))


def unpack(packed: bytes) -> bytes:
    """The body again; older ones were kept with zlib."""
    import pyarrow as pa

    if not packed.startswith(ZSTANDARD):
        return zlib.decompress(packed)
    with pa.input_stream(pa.py_buffer(packed), compression="zstd") as stream:
        return bytes(stream.read())


@cache
def _codec() -> Any:
    import pyarrow as pa

    return pa.Codec("zstd", compression_level=LEVEL)
