"""Files of market data into the store and out of it, and what the store is missing."""

from __future__ import annotations

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
    Instrument,
    format_time,
    split_instrument_id,
    timeframe_seconds,
)
from tidemill.ingesting import store_checked, store_posts
from tidemill.recording import Recording, load_recording, read_bars_file, resample_bars, to_bars, write_bars_file

FOREVER = EPOCH + timedelta(days=365 * 200)
SERIES_COLUMNS = ["open_time", "open", "high", "low", "close", "volume"]


def import_path(
    path: Path, *, layout: str, venue: str, instrument_id: str | None, timeframe: str | None
) -> dict[str, Any]:
    """Import a recording or a file of bars; JSON-ready counts per series."""
    known = services()
    if path.suffix == ".toml":
        return _import_recording(known, load_recording(path), path)
    instrument = _plain_instrument(instrument_id) if instrument_id else None
    found = read_bars_file(path, format=layout, timeframe=timeframe, venue=venue, instrument=None)
    name = instrument.id if instrument else found.instrument_id
    if not name or not found.timeframe:
        raise DataError(f"{path} does not tell its instrument and timeframe; add --instrument and --timeframe")
    base, quote, where = split_instrument_id(name)
    chosen = Instrument(venue=where, base=base, quote=quote, price_step=found.price_step, lot_step=Decimal("1e-8"))
    bars = found.bars.assign(instrument=name)
    done = _store(known, bars, chosen, found.timeframe)
    evidence = f"{path.name}: {found.rows} rows"
    known.store.write_payload("import", evidence, path.read_bytes(), now=known.market_clock.now())
    counts = {"rows": found.rows, "rejected": len(found.rejected) + done["rejected"], "defects": dict(found.counts)}
    return {"file": str(path), "layout": found.layout, "series": [done | counts]}


def _import_recording(known: Services, recording: Recording, path: Path) -> dict[str, Any]:
    rows = []
    for one in recording.series:
        bars = to_bars(one.instrument.id, one.timeframe, one.bars)
        done = _store(known, bars, one.instrument, one.timeframe, recording)
        rows.append(done | {"rows": len(bars), "defects": {}})
    bases = list(dict.fromkeys(one.instrument.base for one in recording.series))
    now = known.market_clock.now()
    posts = store_posts(recording.posts, known.store, bases=bases, now=now)[0] if len(recording.posts) else 0
    known.store.write_payload("import", recording.title, path.read_bytes(), now=now)
    return {"file": str(path), "layout": "recording", "series": rows, "posts": posts}


def _store(
    known: Services, bars: pd.DataFrame, instrument: Instrument, timeframe: str, recording: Recording | None = None
) -> dict[str, Any]:
    daily = recording is not None and recording.calendar == "as-recorded"
    done = store_checked(
        bars,
        known.store,
        known.store,
        instrument,
        timeframe=timeframe,
        calendar="as-recorded" if daily else "24x7",
        sessions=recording.sessions if recording is not None and daily else (),
        now=known.market_clock.now(),
        after=None,
    )
    return {
        "name": f"{instrument.id} {timeframe}",
        "stored": done.stored,
        "rejected": done.rejected,
        "missing": done.missing,
    }


def _plain_instrument(instrument_id: str) -> Instrument:
    base, quote, venue = split_instrument_id(instrument_id)
    return Instrument(venue=venue, base=base, quote=quote, price_step=Decimal("1e-8"), lot_step=Decimal("1e-8"))


def export_bars(out: Path, *, instrument: str, timeframe: str, start: datetime, end: datetime, as_of: Any) -> int:
    """Write bars of the store, resampled when the timeframe is not stored; how many."""
    store = services().store
    wanted = timeframe_seconds(timeframe)
    finer = [one for one, seconds in TIMEFRAME_SECONDS.items() if seconds <= wanted and wanted % seconds == 0]
    for source in reversed(finer):
        bars = store.read_bars([instrument], source, start, end, known_at=as_of)
        if len(bars):
            break
    else:
        raise DataError(f"the store has no bars of {instrument} from which {timeframe} can be made in that range")
    if source != timeframe:
        finest = next(one for one in finer if len(store.read_bars([instrument], one, start, end, known_at=as_of)))
        raw = store.read_bars([instrument], finest, start, end, known_at=as_of)
        bars = to_bars(instrument, timeframe, resample_bars(raw[SERIES_COLUMNS], timeframe, source=finest))
    return write_bars_file(out, bars[SERIES_COLUMNS])


def known_gaps() -> dict[str, Any]:
    """Every known gap, JSON-ready."""
    frame = services().store.read_gaps()
    rows = [_row(one) for one in frame.to_dict("records")]
    return {"gaps": rows, "missing": sum(one["missing"] for one in rows)}


def known_completeness() -> dict[str, Any]:
    """Expected, stored and missing bars of each series; expected = stored + recorded as missing."""
    known = services()
    gaps = known.store.read_gaps()
    rows = []
    for name in known.settings.universe:
        timeframe = known.settings.timeframe
        bars = known.store.read_bars([name], timeframe, EPOCH, FOREVER)
        same = (gaps["instrument"] == name) & (gaps["timeframe"] == timeframe)
        missing = int(gaps.loc[same, "missing"].sum()) if len(gaps) else 0
        expected = len(bars) + missing
        rows.append(
            {
                "instrument": name,
                "timeframe": timeframe,
                "start": format_time(bars["open_time"].iloc[0].to_pydatetime()) if len(bars) else "",
                "end": format_time(bars["open_time"].iloc[-1].to_pydatetime()) if len(bars) else "",
                "expected": expected,
                "stored": len(bars),
                "missing": missing,
                "complete": f"{len(bars) / expected:.4%}" if expected else "",
            }
        )
    return {"series": rows}


def _row(gap: Mapping[Any, Any]) -> dict[str, Any]:
    times = {name: format_time(gap[name].to_pydatetime()) for name in ("start", "end", "stored_at")}
    return {**{str(name): value for name, value in gap.items()}, **times}
