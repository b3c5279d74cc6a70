"""Gaps found, judged and closed: what `repair` does, free of schedules and screens."""

from tidemill.gap_repair.completeness import measure_group
from tidemill.gap_repair.detect import record_missing
from tidemill.gap_repair.group import SeriesGroup
from tidemill.gap_repair.listings import record_listings
from tidemill.gap_repair.refetch import join_ranges, release_by_person, repair_series
from tidemill.gap_repair.summary import RepairSummary

__all__ = [
    "RepairSummary",
    "SeriesGroup",
    "join_ranges",
    "measure_group",
    "record_listings",
    "record_missing",
    "release_by_person",
    "repair_series",
]
