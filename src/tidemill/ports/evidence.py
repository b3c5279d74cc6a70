"""Raw answers kept as evidence: stored, found again, and deleted when nothing references them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

PAYLOADS_REFERENCED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a pruning did: payloads deleted and their bytes on disk, and how many older ones were kept for decisions.

    ``left``, ``left_bytes``: all that are there afterwards, old and new.
    """

    deleted: int
    bytes: int
    kept: int
    left: int
    left_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPayload:
    """Where a raw answer is found again: its source, what was asked, its digest, and when it was stored (micros)."""

    source: str
    request: str
    digest: str
    stored_at: int

    def to_json(self) -> dict[str, str | int]:
        """The fields by name, as ``tidemill explain --json`` prints them."""
        return {
            "source": self.source,
            "request": self.request,
            "digest": self.digest,
            "stored_at": self.stored_at,
        }


class EvidenceStore(Protocol):
    """Raw payloads."""

    def write_payload(self, source: str, request: str, body: bytes, *, now: datetime) -> str:
        """Keep a raw answer compressed; return its SHA-256 hex digest. The same body is kept once.

        ``source`` and ``request`` of the first one stay when the same body comes again. ``request`` names what was
        asked without any key or signature.
        """
        ...

    def write_payloads(self, answers: Sequence[tuple[str, str, bytes]], *, now: datetime) -> Sequence[str]:
        """The same for several (source, request, body) at once, all of them or none; their digests.

        In the order of ``answers``, one digest for each, also for bodies that were there already.
        """
        ...

    def read_payload(self, digest: str) -> bytes | None:
        """The body of ``digest``, or None.

        None means that it was pruned or never stored here.
        """
        ...


class PayloadPruning(Protocol):
    """Raw payloads that may go."""

    def prune_payloads(self, *, before: datetime, watermarks: Sequence[int]) -> Pruned:
        """Delete payloads stored before ``before`` that nothing references.

        Referenced are, per source, the newest ``PAYLOADS_REFERENCED`` stored at each of ``watermarks`` (those of
        the recorded decisions) and at ``before``: what a decision of now or later can still point to.
        """
        ...
