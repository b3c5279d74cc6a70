"""Market data out of the store into files, and what the store has, lacks and refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd

from tidemill.bootstrap import Services, services
from tidemill.domain.errors import DataError
from tidemill.domain.gaps import GapEvent
from tidemill.domain.market import (
    EPOCH,
    TIMEFRAME_SECONDS,
    Calendar,
    Instrument,
    format_time,
    from_micros,
    split_instrument_id,
    timeframe_seconds,
)
from tidemill.gap_repair import SeriesGroup, measure_group, release_by_person
from tidemill.ingest import SeriesJob
from tidemill.operations.data_reports import CompletenessReport, GapKey, GapReport, QuarantineReport, gap_key
from tidemill.ports.frames import OHLCV
from tidemill.recording import resample_bars, to_bars, write_bars_file

FOREVER = EPOCH + timedelta(days=365 * 200)
SERIES_COLUMNS = ["open_time", *OHLCV]


def stored_groups(svc: Services) -> list[SeriesGroup]:
    """Everything that was ever fetched or imported, by venue, timeframe and calendar.

    The sessions of an as-recorded group are the dates that any of its series has.
    """
    grouped: dict[tuple[str, str, Calendar], list[str]] = {}
    for name, timeframe, calendar in svc.stores.gaps.list_series():
        grouped.setdefault((split_instrument_id(name)[2], timeframe, calendar), []).append(name)
    groups, marks = [], svc.stores.series_status.load_statuses()
    for (_, timeframe, calendar), names in grouped.items():
        sessions: tuple[datetime, ...] = ()
        if calendar == "as-recorded":
            opens = {
                open_micros
                for name in names
                for open_micros in svc.stores.market.coverage(name, timeframe, EPOCH, FOREVER).tolist()
            }
            sessions = tuple(from_micros(opened) for opened in sorted(opens))
        delay = timedelta(seconds=svc.settings.quality.publish_delay_seconds)
        groups.append(
            SeriesGroup(
                names=tuple(names), timeframe=timeframe, calendar=calendar, sessions=sessions, publish_delay=delay
            ).listed(marks)
        )
    return groups


def plain_instrument(instrument_id: str) -> Instrument:
    """The instrument of an id, with the finest steps: of a file nobody tells the venue's own."""
    base, quote, venue = split_instrument_id(instrument_id)
    return Instrument(venue=venue, base=base, quote=quote, price_step=Decimal("1e-8"), lot_step=Decimal("1e-8"))


def export_bars(
    out: Path, *, instrument: str, timeframe: str, start: datetime, end: datetime, as_of: datetime | None
) -> int:
    """Write bars with ``start`` <= open time < ``end``, resampled when the timeframe is not stored; how many.

    A bar is made of a whole interval only: one that had not ended by ``as_of`` (or now) is left out.
    """
    svc = services()
    bars = svc.stores.market.read_bars([instrument], timeframe, start, end, known_at=as_of)
    if not len(bars):
        length = timedelta(seconds=timeframe_seconds(timeframe))
        # widened to whole intervals, so that the first and the last bar are made of all their parts
        begin, beyond = (moment + (EPOCH - moment) % length for moment in (start, end))
        finest, raw = _read_finest(svc, instrument, timeframe, begin, beyond, as_of)
        bars = to_bars(instrument, timeframe, resample_bars(raw[SERIES_COLUMNS], timeframe, source=finest))
        bars = bars[bars["open_time"] + length <= (as_of or svc.clocks.market.now())]
    return write_bars_file(out, bars[SERIES_COLUMNS])


def _read_finest(
    svc: Services, instrument: str, timeframe: str, start: datetime, end: datetime, as_of: datetime | None
) -> tuple[str, pd.DataFrame]:
    """The finest timeframe that has bars in the range and can be made into ``timeframe``, and they."""
    seconds = timeframe_seconds(timeframe)
    for finer, finer_seconds in TIMEFRAME_SECONDS.items():
        if finer_seconds < seconds and seconds % finer_seconds == 0:
            bars = svc.stores.market.read_bars([instrument], finer, start, end, known_at=as_of)
            if len(bars):
                return finer, bars
    raise DataError(f"the store has no bars of {instrument} from which {timeframe} can be made in that range")


def report_gaps(*, repaired: bool = False) -> GapReport:
    """Every gap in the ledger with its history; ``repaired``: also what was repaired, merged or withdrawn since."""
    ledger = services().stores.gaps
    recorded = tuple(ledger.load_gaps(every=repaired))
    histories: dict[GapKey, list[GapEvent]] = {}
    for name, timeframe in sorted({(gap.instrument, gap.timeframe) for gap in recorded}):
        for event in ledger.load_gap_events(name, timeframe):
            histories.setdefault(gap_key(event.gap), []).append(event)
    return GapReport(gaps=recorded, histories=histories)


def report_completeness() -> CompletenessReport:
    """Expected, stored, repaired and missing bars of each series, with causes, and the days that lack some."""
    svc = services()
    now = svc.clocks.market.now()
    measured = tuple(
        series
        for group in stored_groups(svc)
        for series in measure_group(svc.stores.market, svc.stores.gaps, group, now=now)
    )
    return CompletenessReport(series=measured, statuses=tuple(svc.stores.series_status.load_statuses()))


def report_quarantine(*, released: bool = False) -> QuarantineReport:
    """Every bar in quarantine with its reason; ``released``: those let go as well."""
    return QuarantineReport(bars=services().stores.gaps.read_quarantine(every=released))


def release_bar(instrument: str, timeframe: str, moment: datetime, because: str) -> int:
    """Let a person's word stand against a check: the bar is stored and its quarantine ends."""
    svc = services()
    timeframe_seconds(timeframe)
    if not because.strip():
        raise DataError("a release needs a reason; give it with --because")
    standing = svc.stores.gaps.read_quarantine([instrument], timeframe)
    if not (standing["open_time"] == pd.Timestamp(moment)).any():  # before the venue is asked for its steps
        where = f"{instrument} {timeframe} at {format_time(moment)}"
        raise DataError(f"no bar of {where} stands in quarantine; list them with: tidemill data quarantine")
    listed = (
        svc.markets.instruments[instrument] if instrument in svc.settings.universe else plain_instrument(instrument)
    )
    job = SeriesJob(instrument=listed, timeframe=timeframe, outliers=svc.markets.outlier_rules)
    return release_by_person(
        svc.stores.market, svc.stores.gaps, job, moment, because=because, now=svc.clocks.market.now()
    )
