"""What came of a repair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.ingest import IngestSummary


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RepairSummary:
    """What a repair of one series brought.

    ``released``: bars let go from quarantine because a good one is stored in their place. ``reference_opens``: open
    times (int64 micros) that the reference source has in the ranges asked for, None when it was not asked.
    """

    ingest: IngestSummary
    released: int = 0
    reference_opens: np.ndarray | None = None

    def to_json(self) -> dict[str, Any]:
        """The counts of the ingest, and how many bars were released."""
        return {**self.ingest.to_json(), "released": self.released}
