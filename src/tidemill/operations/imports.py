"""A recording or a file of bars into the store: checked, its gaps judged, the file itself stored as evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from tidemill.bootstrap import Services, services
from tidemill.domain.errors import DataError
from tidemill.domain.market import EPOCH, Calendar, Instrument, split_instrument_id, timeframe_seconds
from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind
from tidemill.gap_repair import record_missing
from tidemill.ingest import SeriesJob, note_fetch, store_checked, store_posts
from tidemill.operations.data import plain_instrument, stored_groups
from tidemill.quality import to_quarantine
from tidemill.recording import ImportedBars, Recording, load_recording, read_bars_file, to_bars
from tidemill.reports import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSeries:
    """What came of one series of a file, in bars.

    ``defects``: kind -> rows of the file, as the reader counted them; none of a recording. ``causes``: cause -> bars
    that the whole series lacks now, not only those of the file.
    """

    instrument: str
    timeframe: str
    rows: int
    stored: int
    rejected: int
    quarantined: int
    defects: Mapping[str, int]
    causes: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready form; ``missing`` is the sum over the causes."""
        return {
            "name": f"{self.instrument} {self.timeframe}",
            "instrument": self.instrument,
            "timeframe": self.timeframe,
            "stored": self.stored,
            "rejected": self.rejected,
            "quarantined": self.quarantined,
            "rows": self.rows,
            "defects": dict(self.defects),
            "missing": sum(self.causes.values()),
            "causes": dict(self.causes),
        }

    def to_row(self) -> Row:
        """The columns of the screen, the defects in words."""
        defects = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self.defects.items() if count)
        return {
            "series": f"{self.instrument} {self.timeframe}",
            "rows": self.rows,
            "stored": self.stored,
            "rejected": self.rejected,
            "quarantined": self.quarantined,
            "missing": sum(self.causes.values()),
            "defects": defects or "none",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What came of a file. ``posts`` and ``funding`` count stored rows; None: such a file cannot have any."""

    file: Path
    layout: str
    series: tuple[ImportedSeries, ...]
    posts: int | None = None
    funding: int | None = None

    def to_json(self) -> dict[str, Any]:
        """What ``data import --json`` writes."""
        counts = {"posts": self.posts, "funding": self.funding}
        return {
            "file": str(self.file),
            "layout": self.layout,
            "series": [series.to_json() for series in self.series],
            **{name: count for name, count in counts.items() if count is not None},
        }


def import_path(
    path: Path, *, layout: str, venue: str, instrument_id: str | None, timeframe: str | None
) -> ImportReport:
    """Import a recording (.toml) or a file of bars.

    ``layout`` is a name of :func:`~tidemill.recording.read_bars_file`. ``venue``, ``instrument_id`` and ``timeframe``
    say what the file does not. DataError when its instrument or timeframe stays unknown.
    """
    svc = services()
    if path.suffix == ".toml":
        return _import_recording(svc, load_recording(path), path)
    instrument_name = plain_instrument(instrument_id).id if instrument_id else ""
    contents = read_bars_file(path, format=layout, timeframe=timeframe, venue=venue, name=instrument_name)
    name = instrument_name or contents.instrument_id
    if not name or not contents.timeframe:
        raise DataError(f"{path} does not tell its instrument and timeframe; add --instrument and --timeframe")
    series = _import_bars(svc, contents, name, path)
    evidence = f"{path.name}: {contents.rows} rows"
    svc.stores.market.write_payload("import", evidence, path.read_bytes(), now=svc.clocks.market.now())
    return ImportReport(file=path, layout=contents.layout, series=_with_causes(svc, [series]))


def _import_bars(svc: Services, contents: ImportedBars, name: str, path: Path) -> ImportedSeries:
    """Store the bars of a file; what its reader refused goes into quarantine beside what the checks refuse."""
    base, quote, where = split_instrument_id(name)
    instrument = Instrument(
        venue=where, base=base, quote=quote, price_step=contents.price_step, lot_step=Decimal("1e-8")
    )
    refused = to_quarantine(contents.refused.assign(instrument=name), contents.timeframe, f"import {path.name}")
    quarantined = svc.stores.gaps.write_quarantine(refused, now=svc.clocks.market.now())
    series = _store(svc, contents.bars.assign(instrument=name), instrument, contents.timeframe)
    return replace(
        series,
        rows=contents.rows,
        rejected=len(contents.rejected) + series.rejected,
        quarantined=quarantined + series.quarantined,
        defects=dict(contents.counts),
    )


def _import_recording(svc: Services, recording: Recording, path: Path) -> ImportReport:
    imported = [
        _store(
            svc,
            to_bars(series.instrument.id, series.timeframe, series.bars),
            series.instrument,
            series.timeframe,
            recording,
        )
        for series in recording.series
    ]
    bases = list(dict.fromkeys(series.instrument.base for series in recording.series))
    now = svc.clocks.market.now()
    posts = store_posts(recording.posts, svc.stores.market, bases=bases, now=now)[0] if len(recording.posts) else 0
    funding = _store_funding(svc, recording, now) if recording.funding else None
    svc.stores.market.write_payload("import", recording.title, path.read_bytes(), now=now)
    return ImportReport(file=path, layout="recording", series=_with_causes(svc, imported), posts=posts, funding=funding)


def _store_funding(svc: Services, recording: Recording, now: datetime) -> int:
    """Store a recording's funding rates as market events, known when they were paid; how many."""
    columns = list(MARKET_EVENT_SHAPES[MarketEventKind.FUNDING].columns)
    stored = 0
    for funding in recording.funding:
        rates = funding.rates.assign(
            instrument=funding.instrument, knowledge_time=funding.rates["event_time"], assumed=True
        )
        stored += svc.stores.market_events.write_market_events(MarketEventKind.FUNDING, rates[columns], now=now)
    return stored


def _store(
    svc: Services, bars: pd.DataFrame, instrument: Instrument, timeframe: str, recording: Recording | None = None
) -> ImportedSeries:
    """Store bars that pass the checks; the causes of what is missing are judged once all series are in."""
    calendar: Calendar = recording.calendar if recording is not None else "24x7"
    now = svc.clocks.market.now()
    job = SeriesJob(
        instrument=instrument,
        timeframe=timeframe,
        calendar=calendar,
        sessions=recording.sessions if recording is not None and calendar == "as-recorded" else (),
        outliers=svc.markets.outlier_rules,
    )
    summary = store_checked(bars, svc.stores.market, svc.stores.gaps, job, now=now, source="import")
    first, last = bars["open_time"].iloc[0].to_pydatetime(), bars["open_time"].iloc[-1].to_pydatetime()
    # noted as a fetch of the whole span, so that what the file lacks is a gap and not merely unknown
    end = min(now, last + timedelta(seconds=timeframe_seconds(timeframe)))
    note_fetch(svc.stores.gaps, job, first, end, bars=len(bars), now=now)
    return ImportedSeries(
        instrument=instrument.id,
        timeframe=timeframe,
        rows=len(bars),
        stored=summary.stored,
        rejected=summary.rejected,
        quarantined=summary.quarantined,
        defects={},
        causes={},
    )


def _with_causes(svc: Services, imported: Sequence[ImportedSeries]) -> tuple[ImportedSeries, ...]:
    """Judge the gaps of every group that got bars; each series with what it lacks, by cause."""
    added = {(series.instrument, series.timeframe) for series in imported}
    for group in stored_groups(svc):
        # the whole group: whether the others of a venue have a bar decides the cause of a gap
        if added & {(name, group.timeframe) for name in group.names}:
            record_missing(svc.stores.market, svc.stores.gaps, group, now=svc.clocks.market.now(), start=EPOCH)
    return tuple(replace(series, causes=_missing_by_cause(svc, series)) for series in imported)


def _missing_by_cause(svc: Services, series: ImportedSeries) -> dict[str, int]:
    causes: dict[str, int] = {}
    for gap in svc.stores.gaps.load_gaps([series.instrument], series.timeframe):
        causes[str(gap.cause)] = causes.get(str(gap.cause), 0) + gap.missing
    return causes
