"""How complete the series of a group are."""

from __future__ import annotations

from datetime import datetime

from tidemill.domain.market import EPOCH
from tidemill.gap_repair.group import SeriesGroup
from tidemill.gap_repair.look import Look
from tidemill.ports import BarStore, GapRecords
from tidemill.quality import SeriesCompleteness, measure_series


def measure_group(
    store: BarStore,
    ledger: GapRecords,
    group: SeriesGroup,
    *,
    now: datetime,
    since: datetime = EPOCH,
    follow: bool = False,
) -> list[SeriesCompleteness]:
    """Completeness of each series that has or should have bars, from ``since`` or its listing on.

    ``follow``: up to ``now``; else up to the newest answered fetch of each series.
    """
    look = Look(store=store, ledger=ledger, group=group, now=now, follow=follow)
    measured = (_measure(look, name, since) for name in group.names)
    return [completeness for completeness in measured if completeness is not None]


def _measure(look: Look, name: str, since: datetime) -> SeriesCompleteness | None:
    group = look.group
    view = look.view(name, since, look.end_of(name))
    return measure_series(
        name,
        group.schedule,
        view.opens,
        listed=view.listed_from,
        start=since,
        end=view.end,
        gaps=look.ledger.load_gaps([name], group.timeframe),
        history=[event.gap for event in look.ledger.load_gap_events(name, group.timeframe)],
    )
