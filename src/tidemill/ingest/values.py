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
class Ingested:
    """What came of one series or source; ``failure`` says why nothing did, ``state`` how its series is marked.

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

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        listed = format_time(self.listed_from) if self.listed_from else ""
        return {**asdict(self), "state": str(self.state), "listed_from": listed}


def sum_by_name(parts: Sequence[Ingested]) -> list[Ingested]:
    """What came of each series or source over all its parts; the first failure is told."""
    sums: dict[tuple[str, str], Ingested] = {}
    for part in parts:
        before = sums.get((part.name, part.timeframe))
        sums[part.name, part.timeframe] = part if before is None else _sum(before, part)
    return list(sums.values())


def _sum(before: Ingested, more: Ingested) -> Ingested:
    told = before if before.failure else more
    counts = {name: getattr(before, name) + getattr(more, name) for name in COUNTS}
    return replace(told, **counts)


def failed(name: str, timeframe: str, error: object) -> Ingested:
    """A series that met ``error`` alone."""
    state = error.state if isinstance(error, SeriesError) else SeriesState.FAILED
    return Ingested(name=name, timeframe=timeframe, failure=str(error), state=state)


def status_of(done: Ingested, newest: datetime | None, before: SeriesStatus | None = None) -> SeriesStatus:
    """How a series is marked after this; ``newest``: open time of its newest stored bar, ``before``: its mark so far.

    An instrument that is not known, but of which there are bars, was known once: it is delisted, and its
    listing ends with that bar. Since when it is listed stays known when its venue no longer tells, and so does until
    when, while nothing came of asking.
    """
    state = done.state
    if state is SeriesState.UNKNOWN_SYMBOL and newest is not None:
        state = SeriesState.DELISTED
    until = before.listed_until if before and state in SILENT else None
    if state is SeriesState.DELISTED and newest is not None:
        until = newest + timedelta(seconds=timeframe_seconds(done.timeframe))
    return SeriesStatus(
        instrument=done.name,
        timeframe=done.timeframe,
        state=state,
        why=done.failure,
        listed_from=done.listed_from or (before.listed_from if before else None),
        listed_until=until,
    )


def mark_listing(done: Ingested, newest: datetime | None, before: SeriesStatus | None) -> SeriesStatus:
    """How a series is marked after its venue was asked whether it offers the instrument, and for no bar.

    What asking for bars had shown stands, unless it was that there is no such instrument or that a clock was off.
    """
    mark = status_of(done, newest, before)
    if done.failure or before is None or before.state in NOT_OFFERED:
        return mark
    return replace(mark, state=before.state, why=before.why)
