"""What a pruning of raw answers did, as rows of a table."""

from __future__ import annotations

from tidemill.ports import Pruned
from tidemill.reports.tables import Row


def pruned_rows(pruned: Pruned) -> list[Row]:
    """What went, what stayed, and what of that decisions hold: a number and bytes each.

    Null for bytes that were not counted.
    """
    return [
        {"raw answers": "deleted", "number": pruned.deleted, "bytes": pruned.bytes},
        {"raw answers": "left", "number": pruned.left, "bytes": pruned.left_bytes},
        {"raw answers": "of these old, but referenced by decisions", "number": pruned.kept, "bytes": None},
    ]
