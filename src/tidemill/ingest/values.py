"""What came of an ingest, per series or source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tidemill.domain.market import format_time, timeframe_seconds
from tidemill.domain.series import SeriesError, SeriesState, SeriesStatus

# states that say nothing of whether an instrument is listed
SILENT = frozenset({SeriesState.FAILED, SeriesState.CLOCK_OFF, SeriesState.CHANGED_SHAPE})
# states in which its venue did not offer an instrument, or could not be believed
NOT_OFFERED = frozenset({SeriesState.UNKNOWN_SYMBOL, SeriesState.DELISTED, SeriesState.CLOCK_OFF})
COUNTS = ("fetched", "stored", "rejected", "missing", "quarantined", "scores")


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSummary:
    """What came of one series or source; ``failure`` says why nothing did, ``state`` the state of its series.

    ``listed_from``: since when the instrument is traded, as its venue tells.
    """

    name: str
    fetched: int = 0
    stored: int = 0
    rejected: int = 0
    missing: int = 0
    quarantined: int = 0
    scores: int = 0
    failure: str = ""
    timeframe: str = ""
    state: SeriesState = SeriesState.FINE
    listed_from: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-ready form.

        Times are ISO 8601 in UTC, "" where the venue does not tell.
        """
        listed = format_time(self.listed_from) if self.listed_from else ""
        return {**asdict(self), "state": str(self.state), "listed_from": listed}


def sum_by_name(parts: Sequence[IngestSummary]) -> list[IngestSummary]:
    """What came of each series or source over all its parts; the first failure is told.

    In the order in which each name and timeframe first occurs. All but the counts comes from the failed part, or else
    from the last one.
    """
    sums: dict[tuple[str, str], IngestSummary] = {}
    for part in parts:
        before = sums.get((part.name, part.timeframe))
        sums[part.name, part.timeframe] = part if before is None else _sum(before, part)
    return list(sums.values())


def _sum(before: IngestSummary, after: IngestSummary) -> IngestSummary:
    counts = {name: getattr(before, name) + getattr(after, name) for name in COUNTS}
    return replace(before if before.failure else after, **counts)


def failed(name: str, timeframe: str, error: object) -> IngestSummary:
    """A series that met ``error`` alone.

    Its state is that of a SeriesError, and else says just that it failed.
    """
    state = error.state if isinstance(error, SeriesError) else SeriesState.FAILED
    return IngestSummary(name=name, timeframe=timeframe, failure=str(error), state=state)


def status_of(summary: IngestSummary, newest: datetime | None, before: SeriesStatus | None = None) -> SeriesStatus:
    """The status of a series after an ingest; ``newest``: open time of its newest stored bar, ``before``: so far.

    An instrument that is unknown, but of which there are bars, was known once: it is delisted, and its listing ends
    with that bar. Since when it is listed stays when its venue no longer tells, and so does until when, while nothing
    came of asking.
    """
    state = summary.state
    if state is SeriesState.UNKNOWN_SYMBOL and newest is not None:
        state = SeriesState.DELISTED
    until = before.listed_until if before and state in SILENT else None
    if state is SeriesState.DELISTED and newest is not None:
        until = newest + timedelta(seconds=timeframe_seconds(summary.timeframe))
    return SeriesStatus(
        instrument=summary.name,
        timeframe=summary.timeframe,
        state=state,
        why=summary.failure,
        listed_from=summary.listed_from or (before.listed_from if before else None),
        listed_until=until,
    )


def status_of_listing(summary: IngestSummary, newest: datetime | None, before: SeriesStatus | None) -> SeriesStatus:
    """The status of a series after its venue was asked whether it offers the instrument, and for no bar.

    What asking for bars had shown stands, unless it was that there is no such instrument or that a clock was off.
    """
    status = status_of(summary, newest, before)
    if summary.failure or before is None or before.state in NOT_OFFERED:
        return status
    return replace(status, state=before.state, why=before.why)
