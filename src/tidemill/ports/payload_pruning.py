"""Which raw answers may be deleted: the rule that every store of them follows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from tidemill.ports.evidence import PAYLOADS_REFERENCED, Pruned


def split_pruned(
    rows: Sequence[tuple[str, str, int, int]], before: int, watermarks: Sequence[int]
) -> tuple[list[str], Pruned]:
    """Digests to delete of (source, digest, stored_at, size), and the count; see the port for what stays.

    ``rows`` are in any order, ``stored_at``, ``before`` and ``watermarks`` in micros, ``size`` in bytes on disk. Per
    source, the newest ``PAYLOADS_REFERENCED`` that were stored at each watermark and just before ``before`` stay: they
    are what the lineage of a decision can name. What is not older than ``before`` stays anyway.
    """
    by_source: dict[str, list[tuple[int, str, int]]] = {}
    for source, digest, stored, size in rows:
        by_source.setdefault(source, []).append((stored, digest, size))
    digests, freed, referenced = [], 0, 0
    for payloads in by_source.values():
        # by storage time, so that what a watermark needs is the tail up to it
        payloads.sort()
        moments = [stored for stored, _, _ in payloads]
        needed: set[int] = set()
        # what is stored at the very limit is older than what must stay anyway
        for mark in (*watermarks, before - 1):
            at = bisect_right(moments, mark)
            needed.update(range(max(0, at - PAYLOADS_REFERENCED), at))
        old = [index for index, moment in enumerate(moments) if moment < before]
        referenced += sum(index in needed for index in old)
        digests += [payloads[index][1] for index in old if index not in needed]
        freed += sum(payloads[index][2] for index in old if index not in needed)
    remaining, left_bytes = len(rows) - len(digests), sum(row[3] for row in rows) - freed
    return digests, Pruned(deleted=len(digests), bytes=freed, kept=referenced, left=remaining, left_bytes=left_bytes)
