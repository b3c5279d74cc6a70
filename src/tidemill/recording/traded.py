"""Which part of a recording is traded, and on which grid of decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tidemill.domain.errors import DataError
from tidemill.domain.market import DecisionGrid, default_decision_delay, format_time, timeframe_seconds
from tidemill.ports import POST_COLUMNS
from tidemill.recording import Recording, bundled_recording, load_recording, make_posts

DEFAULT_STEPS = 12


def load_traded_recording(data: Path | None) -> Recording:
    """The recording at ``data``; the bundled one, with posts generated from its past prices, when None.

    DataError for a file that cannot be read. Nothing is fetched: the bundled prices come with the package.
    """
    if data is not None:
        return load_recording(data)
    recording = bundled_recording()
    return replace(recording, posts=make_posts(recording)[list(POST_COLUMNS)])


def make_grid(recording: Recording, every: str | None, delay_seconds: int = 0) -> DecisionGrid:
    """The grid of a recording; ``every`` thins a 24x7 one. DataError when it does not fit.

    A ``delay_seconds`` of 0 means the default of the timeframe. Sessions of a recording are taken as its calendar and
    cannot be thinned.
    """
    timeframe = recording.timeframe
    if every and recording.calendar == "as-recorded" and timeframe_seconds(every) != timeframe_seconds(timeframe):
        raise DataError(f"--every {every} does not fit a recording of sessions; leave it out or use {timeframe}")
    round_the_clock = recording.calendar == "24x7"
    return DecisionGrid(
        timeframe=timeframe,
        delay_seconds=delay_seconds or default_decision_delay(timeframe),
        calendar=recording.calendar,
        every_seconds=timeframe_seconds(every) if every and round_the_clock else 0,
        sessions=() if round_the_clock else tuple(recording.sessions),
    )


def traded_part(
    recording: Recording, grid: DecisionGrid, start: datetime | None, end: datetime | None
) -> tuple[tuple[datetime, ...], datetime]:
    """Decided points with ``start`` <= point < ``end`` (the last 12 without ``start``), and where marking ends.

    The first bar is never decided on its own open. DataError when nothing lies in between, with what the recording
    covers. Marking ends at ``end``, without it at the next point,
    and at the latest where the recording does.
    """
    first = start or recording.first_open
    last = end or recording.last_close
    # at the first open no bar has closed yet
    points = [point for point in grid.points(first, last) if point > recording.first_open]
    if start is None:
        points = points[-DEFAULT_STEPS:]
    if not points or points[0] > recording.last_close:
        raise DataError(
            f"no decision falls between {format_time(first)} and {format_time(last)}; "
            f"the recording covers {format_time(recording.first_open)} to {format_time(recording.last_close)}"
        )
    following = grid.next_as_of(grid.as_of(points[-1])) - grid.delay
    return tuple(points), min(end or following, recording.last_close)
