"""Gaps looked for, judged and closed: what `repair` does, free of schedules and screens."""

from tidemill.gap_repair.detect import measure_group, record_missing
from tidemill.gap_repair.group import SeriesGroup
from tidemill.gap_repair.refetch import Repaired, join_ranges, release_by_person, repair_series

__all__ = [
    "Repaired",
    "SeriesGroup",
    "join_ranges",
    "measure_group",
    "record_missing",
    "release_by_person",
    "repair_series",
]
