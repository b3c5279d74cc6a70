"""Since when and until when the venues list what is kept, asked for on its own."""

from __future__ import annotations

from contextlib import suppress

from tidemill.bootstrap.services import Services
from tidemill.domain.errors import TidemillError, TransientError
from tidemill.domain.series import SeriesError, SeriesStatus
from tidemill.gap_repair import SeriesGroup
from tidemill.ingest import IngestSummary, failed, status_of_listing


def ask_listings(svc: Services) -> list[SeriesStatus]:
    """Mark every series that is kept by what its venue says of the instrument's listing; the marks.

    A venue that cannot be asked changes no mark: its series fail on their own where their bars are asked for.
    """
    before, now = {one.key: one for one in svc.stores.series_status.load_statuses()}, svc.clocks.market.now()
    asked = [one for group in svc.markets.groups for one in _ask(svc, group)]
    marks = []
    for one in asked:
        newest = svc.stores.market.latest_open(one.name, one.timeframe)
        marks.append(status_of_listing(one, newest, before.get((one.name, one.timeframe))))
        with suppress(TransientError):
            svc.stores.series_status.record_status(marks[-1], now=now)
    return marks


def _ask(svc: Services, group: SeriesGroup) -> list[IngestSummary]:
    """What the venue of a group says of each instrument, up to the first that it cannot be asked about."""
    found = []
    for name in group.names:
        try:
            listed = svc.markets.sources.need(name, group.timeframe).listed_from
        except SeriesError as error:
            found.append(failed(name, group.timeframe, error))
        except TidemillError:
            break
        else:
            found.append(IngestSummary(name=name, timeframe=group.timeframe, listed_from=listed))
    return found
