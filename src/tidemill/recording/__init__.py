"""Recordings: real bars, posts and funding rates of a past period, read from files and served in memory."""

from tidemill.recording.bar_files import ImportedBars, read_bars_file, write_bars_file
from tidemill.recording.bundled import bundled_recording
from tidemill.recording.funding import SPOT_ONLY, RecordedFunding
from tidemill.recording.hashing import hash_recording
from tidemill.recording.posts import make_posts
from tidemill.recording.recording_file import load_recording
from tidemill.recording.resampling import resample_bars
from tidemill.recording.tape import RecordedTape
from tidemill.recording.values import RecordedSeries, Recording, to_bars

__all__ = [
    "SPOT_ONLY",
    "ImportedBars",
    "RecordedFunding",
    "RecordedSeries",
    "RecordedTape",
    "Recording",
    "bundled_recording",
    "hash_recording",
    "load_recording",
    "make_posts",
    "read_bars_file",
    "resample_bars",
    "to_bars",
    "write_bars_file",
]
