"""What a pruning of raw answers did, as rows of a table."""

from __future__ import annotations

from typing import Any

from tidemill.ports import Pruned


def pruned_rows(pruned: Pruned) -> list[dict[str, Any]]:
    """What went, what stayed, and what of that decisions hold: a number and bytes each."""
    return [
        {"raw answers": "deleted", "number": pruned.deleted, "bytes": pruned.bytes},
        {"raw answers": "left", "number": pruned.left, "bytes": pruned.left_bytes},
        {"raw answers": "of these old, but referenced by decisions", "number": pruned.kept, "bytes": None},
    ]
