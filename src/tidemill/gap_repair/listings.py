"""Since when and until when the venues list what is kept, asked for on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from tidemill.domain.errors import TidemillError, TransientError
from tidemill.domain.market import Instrument
from tidemill.domain.series import SeriesError, SeriesStatus
from tidemill.gap_repair.group import SeriesGroup
from tidemill.ingest import IngestSummary, failed, status_of_listing
from tidemill.ports import BarStore, SeriesStatusStore

Offer = Callable[[str, str], Instrument]
"""The instrument that a venue offers now for (instrument, timeframe); SeriesError when it does not."""


def record_listings(
    groups: Iterable[SeriesGroup], offer: Offer, *, bars: BarStore, statuses: SeriesStatusStore, now: datetime
) -> list[SeriesStatus]:
    """Record of every series of ``groups`` what its venue says of the instrument's listing; the statuses.

    A venue that cannot be asked changes no status: its series fail on their own where their bars are asked for.
    A status that the store does not take is returned all the same.
    """
    before = {status.key: status for status in statuses.load_statuses()}
    recorded = []
    for summary in [summary for group in groups for summary in _ask(group, offer)]:
        newest = bars.latest_open(summary.name, summary.timeframe)
        status = status_of_listing(summary, newest, before.get((summary.name, summary.timeframe)))
        with suppress(TransientError):
            statuses.record_status(status, now=now)
        recorded.append(status)
    return recorded


def _ask(group: SeriesGroup, offer: Offer) -> Iterator[IngestSummary]:
    """What the venue of a group says of each instrument, up to the first that it cannot be asked about."""
    for name in group.names:
        try:
            listed_from = offer(name, group.timeframe).listed_from
        except SeriesError as error:
            yield failed(name, group.timeframe, error)
        except TidemillError:
            return  # a venue that does not answer would be waited for once more with each of its instruments
        else:
            yield IngestSummary(name=name, timeframe=group.timeframe, listed_from=listed_from)
