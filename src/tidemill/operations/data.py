"""Files of market data into the store and out of it, and what the store is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from tidemill.bootstrap import Services, services
from tidemill.domain.errors import DataError
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
from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind
from tidemill.gap_repair import SeriesGroup, measure_group, record_missing, release_by_person
from tidemill.ingest import SeriesJob, note_fetch, store_checked, store_posts
from tidemill.ports.frames import OHLCV
from tidemill.quality import to_quarantine
from tidemill.quality.gaps import is_missing
from tidemill.recording import Recording, load_recording, read_bars_file, resample_bars, to_bars, write_bars_file
from tidemill.reports import completeness_days, gap_row, series_state

FOREVER = EPOCH + timedelta(days=365 * 200)
SERIES_COLUMNS = ["open_time", *OHLCV]


def import_path(
    path: Path, *, layout: str, venue: str, instrument_id: str | None, timeframe: str | None
) -> dict[str, Any]:
    """Import a recording or a file of bars; JSON-ready counts per series."""
    svc = services()
    if path.suffix == ".toml":
        return _import_recording(svc, load_recording(path), path)
    instrument = _plain_instrument(instrument_id) if instrument_id else None
    instrument_name = instrument.id if instrument else ""
    contents = read_bars_file(path, format=layout, timeframe=timeframe, venue=venue, name=instrument_name)
    name = instrument_name or contents.instrument_id
    if not name or not contents.timeframe:
        raise DataError(f"{path} does not tell its instrument and timeframe; add --instrument and --timeframe")
    base, quote, where = split_instrument_id(name)
    stored_as = Instrument(
        venue=where, base=base, quote=quote, price_step=contents.price_step, lot_step=Decimal("1e-8")
    )
    refused = to_quarantine(contents.refused.assign(instrument=name), contents.timeframe, f"import {path.name}")
    quarantined = svc.stores.gaps.write_quarantine(refused, now=svc.clocks.market.now())
    stored = _store(svc, contents.bars.assign(instrument=name), stored_as, contents.timeframe)
    evidence = f"{path.name}: {contents.rows} rows"
    svc.stores.market.write_payload("import", evidence, path.read_bytes(), now=svc.clocks.market.now())
    counts = {
        "rows": contents.rows,
        "rejected": len(contents.rejected) + stored["rejected"],
        "quarantined": quarantined + stored["quarantined"],
        "defects": dict(contents.counts),
    }
    return {"file": str(path), "layout": contents.layout, "series": _with_missing(svc, [stored | counts])}


def _import_recording(svc: Services, recording: Recording, path: Path) -> dict[str, Any]:
    rows = []
    for series in recording.series:
        bars = to_bars(series.instrument.id, series.timeframe, series.bars)
        stored = _store(svc, bars, series.instrument, series.timeframe, recording)
        rows.append(stored | {"rows": len(bars), "defects": {}})
    bases = list(dict.fromkeys(series.instrument.base for series in recording.series))
    now = svc.clocks.market.now()
    posts = store_posts(recording.posts, svc.stores.market, bases=bases, now=now)[0] if len(recording.posts) else 0
    counts = {"posts": posts, **_store_funding(svc, recording, now)}
    svc.stores.market.write_payload("import", recording.title, path.read_bytes(), now=now)
    return {"file": str(path), "layout": "recording", "series": _with_missing(svc, rows), **counts}


def _store_funding(svc: Services, recording: Recording, now: datetime) -> dict[str, int]:
    """Keep a recording's funding rates as records, known when they were settled; nothing told where there are none."""
    if not recording.funding:
        return {}
    tables = [
        funding.rates.assign(instrument=funding.instrument, knowledge_time=funding.rates["event_time"], assumed=True)
        for funding in recording.funding
    ]
    columns = list(MARKET_EVENT_SHAPES[MarketEventKind.FUNDING].columns)
    return {
        "funding": sum(
            svc.stores.market_events.write_market_events(MarketEventKind.FUNDING, rates[columns], now=now)
            for rates in tables
        )
    }


def _store(
    svc: Services, bars: pd.DataFrame, instrument: Instrument, timeframe: str, recording: Recording | None = None
) -> dict[str, Any]:
    calendar: Calendar = recording.calendar if recording is not None else "24x7"
    now = svc.clocks.market.now()
    job = SeriesJob(
        instrument=instrument,
        timeframe=timeframe,
        calendar=calendar,
        sessions=recording.sessions if recording is not None and calendar == "as-recorded" else (),
        outliers=svc.markets.outlier_rules,
    )
    stored = store_checked(bars, svc.stores.market, svc.stores.gaps, job, now=now, source="import")
    first, last = bars["open_time"].iloc[0].to_pydatetime(), bars["open_time"].iloc[-1].to_pydatetime()
    end = min(now, last + timedelta(seconds=timeframe_seconds(timeframe)))
    note_fetch(svc.stores.gaps, job, first, end, bars=len(bars), now=now)
    return {
        "name": f"{instrument.id} {timeframe}",
        "instrument": instrument.id,
        "timeframe": timeframe,
        "stored": stored.stored,
        "rejected": stored.rejected,
        "quarantined": stored.quarantined,
    }


def _with_missing(svc: Services, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Judge the gaps of every group that got bars; each row with what its series lacks, by cause."""
    added = {(row["instrument"], row["timeframe"]) for row in rows}
    for group in stored_groups(svc):
        if added & {(name, group.timeframe) for name in group.names}:
            record_missing(svc.stores.market, svc.stores.gaps, group, now=svc.clocks.market.now(), start=EPOCH)
    reported = []
    for row in rows:
        causes: dict[str, int] = {}
        for gap in svc.stores.gaps.load_gaps([row["instrument"]], row["timeframe"]):
            causes[str(gap.cause)] = causes.get(str(gap.cause), 0) + gap.missing
        reported.append(row | {"missing": sum(causes.values()), "causes": causes})
    return reported


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


def _plain_instrument(instrument_id: str) -> Instrument:
    base, quote, venue = split_instrument_id(instrument_id)
    return Instrument(venue=venue, base=base, quote=quote, price_step=Decimal("1e-8"), lot_step=Decimal("1e-8"))


def export_bars(out: Path, *, instrument: str, timeframe: str, start: datetime, end: datetime, as_of: Any) -> int:
    """Write bars with ``start`` <= open time < ``end``, resampled when the timeframe is not stored; how many.

    A bar is made of a whole interval only: one that had not ended by ``as_of`` (or now) is left out.
    """
    svc = services()
    bars = svc.stores.market.read_bars([instrument], timeframe, start, end, known_at=as_of)
    if not len(bars):
        length = timedelta(seconds=timeframe_seconds(timeframe))
        begin, beyond = (moment + (EPOCH - moment) % length for moment in (start, end))
        finest, raw = _read_finest(svc, instrument, timeframe, begin, beyond, as_of)
        bars = to_bars(instrument, timeframe, resample_bars(raw[SERIES_COLUMNS], timeframe, source=finest))
        bars = bars[bars["open_time"] + length <= (as_of or svc.clocks.market.now())]
    return write_bars_file(out, bars[SERIES_COLUMNS])


def _read_finest(
    svc: Services, instrument: str, timeframe: str, start: datetime, end: datetime, as_of: Any
) -> tuple[str, pd.DataFrame]:
    """The finest timeframe that has bars in the range and can be made into ``timeframe``, and they."""
    seconds = timeframe_seconds(timeframe)
    for finer, finer_seconds in TIMEFRAME_SECONDS.items():
        if finer_seconds < seconds and seconds % finer_seconds == 0:
            bars = svc.stores.market.read_bars([instrument], finer, start, end, known_at=as_of)
            if len(bars):
                return finer, bars
    raise DataError(f"the store has no bars of {instrument} from which {timeframe} can be made in that range")


def report_gaps(*, repaired: bool = False) -> dict[str, Any]:
    """Every gap in the ledger, JSON-ready, with its cause, state and history; ``repaired``: closed ones too."""
    gaps = services().stores.gaps
    recorded_gaps = gaps.load_gaps(every=repaired)
    histories: dict[tuple[str, str], dict[datetime, list[dict[str, str]]]] = {}
    for name, timeframe in sorted({(gap.instrument, gap.timeframe) for gap in recorded_gaps}):
        lines = histories.setdefault((name, timeframe), {})
        for event in gaps.load_gap_events(name, timeframe):
            event_row = {
                "at": format_time(from_micros(event.stored_at)),
                "state": str(event.gap.state),
                "cause": str(event.gap.cause),
                "end": format_time(event.gap.end),
            }
            lines.setdefault(event.gap.start, []).append(event_row)
    rows = [{**gap_row(gap), "history": histories[gap.instrument, gap.timeframe][gap.start]} for gap in recorded_gaps]
    return {"gaps": rows, "missing": sum(gap.missing for gap in recorded_gaps if is_missing(gap))}


def report_completeness() -> dict[str, Any]:
    """Expected, stored, repaired and missing bars of each series, with causes, and the days that lack some."""
    svc = services()
    now = svc.clocks.market.now()
    measured = [
        series
        for group in stored_groups(svc)
        for series in measure_group(svc.stores.market, svc.stores.gaps, group, now=now)
    ]
    marks = svc.stores.series_status.load_statuses()
    return {
        "series": [{**series.to_json(), "state": series_state(series, marks)} for series in measured],
        "days": completeness_days(measured),
    }


def report_quarantine(*, released: bool = False) -> dict[str, Any]:
    """Every bar in quarantine with its reason, JSON-ready; ``released``: those let go as well."""
    frame = services().stores.gaps.read_quarantine(every=released)
    rows = [_quarantine_row(bar) for bar in frame.to_dict("records")]
    reasons = {str(reason): int(count) for reason, count in frame["reason"].value_counts().items()}
    return {"bars": rows, "reasons": reasons}


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
        svc.markets.instruments[instrument] if instrument in svc.settings.universe else _plain_instrument(instrument)
    )
    job = SeriesJob(instrument=listed, timeframe=timeframe, outliers=svc.markets.outlier_rules)
    return release_by_person(
        svc.stores.market, svc.stores.gaps, job, moment, because=because, now=svc.clocks.market.now()
    )


def _quarantine_row(bar: Mapping[Any, Any]) -> dict[str, Any]:
    times = ("open_time", "knowledge_time", "stored_at", "released_at")
    return {
        **{str(name): value for name, value in bar.items()},
        **{name: "" if pd.isna(bar[name]) else format_time(bar[name].to_pydatetime()) for name in times},
        **{name: float(bar[name]) if math.isfinite(bar[name]) else None for name in OHLCV},
    }
