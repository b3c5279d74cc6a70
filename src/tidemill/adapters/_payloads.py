"""Raw answers as they are kept: compressed, found again by the hash of what was received."""

from __future__ import annotations

import hashlib
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from typing import Any

from tidemill.ports import PAYLOADS_REFERENCED, Pruned

ZSTANDARD = b"\x28\xb5\x2f\xfd"
LEVEL = 1


def digest_of(body: bytes) -> str:
    """SHA-256 hex digest of a body."""
    return hashlib.sha256(body).hexdigest()


def pack(body: bytes) -> bytes:
    """The body compressed."""
    return bytes(_codec().compress(body, asbytes=True))


def unpack(kept: bytes) -> bytes:
    """The body again; older ones were kept with zlib."""
    import pyarrow as pa

    if not kept.startswith(ZSTANDARD):
        return zlib.decompress(kept)
    with pa.input_stream(pa.py_buffer(kept), compression="zstd") as stream:
        return bytes(stream.read())


@cache
def _codec() -> Any:
    import pyarrow as pa

    return pa.Codec("zstd", compression_level=LEVEL)


def split_pruned(
    rows: Sequence[tuple[str, str, int, int]], before: int, watermarks: Sequence[int]
) -> tuple[list[str], Pruned]:
    """Digests to delete of (source, digest, stored_at, size), and the count; see the port for what stays."""
    by_source: dict[str, list[tuple[int, str, int]]] = {}
    for source, digest, stored, size in rows:
        by_source.setdefault(source, []).append((stored, digest, size))
    gone, freed, kept = [], 0, 0
    for some in by_source.values():
        some.sort()
        moments = [stored for stored, _, _ in some]
        needed: set[int] = set()
        # what is stored at the very limit is older than what must stay anyway
        for mark in (*watermarks, before - 1):
            at = bisect_right(moments, mark)
            needed.update(range(max(0, at - PAYLOADS_REFERENCED), at))
        old = [index for index, moment in enumerate(moments) if moment < before]
        kept += sum(index in needed for index in old)
        gone += [some[index][1] for index in old if index not in needed]
        freed += sum(some[index][2] for index in old if index not in needed)
    left, left_bytes = len(rows) - len(gone), sum(row[3] for row in rows) - freed
    return gone, Pruned(deleted=len(gone), bytes=freed, kept=kept, left=left, left_bytes=left_bytes)
