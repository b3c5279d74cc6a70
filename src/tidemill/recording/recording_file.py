"""A recording from its TOML file.

What is wrong is told as one sentence that names the file, the key and, where there is one, the row.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import TIMEFRAME_SECONDS, Calendar, Instrument, parse_step, split_instrument_id
from tidemill.domain.sentiment import SOURCES
from tidemill.ports import POST_COLUMNS
from tidemill.recording.columns import Place, need_columns, read_columns, read_series, read_texts, read_times
from tidemill.recording.funding import FUNDING_COLUMNS, RecordedFunding, read_rates
from tidemill.recording.values import SERIES_COLUMNS, RecordedSeries, Recording, empty_posts

log = logging.getLogger(__name__)

_TOP_KEYS = {"title": str, "calendar": str, "bars": list, "posts": list, "funding": list}
_BARS_KEYS = {
    "venue": str,
    "instrument": str,
    "timeframe": str,
    "file": str,
    "rename": dict,
    "price_step": str,
    "lot_step": str,
    "min_notional": str,
}
_POSTS_KEYS = {"source": str, "file": str, "rename": dict, "not_known_at_creation": list}
_FUNDING_KEYS = {"venue": str, "instrument": str, "file": str, "rename": dict}
_OPTIONAL = {"posts", "funding", "rename", "not_known_at_creation"}
_KIND_NAMES: dict[type, str] = {str: "a text", list: "a list", dict: "a table"}
_POST_FILE_COLUMNS = ("id", "created_at", "title", "text", "channel")


def load_recording(path: Path) -> Recording:
    """Read the recording at ``path``; DataError names file, key and row of what is wrong.

    Posts are known when they were made (assumed); of posts with the same source and id the first
    is kept, and columns that their source changed later are never read.
    """
    path = Path(path)
    top = _read_toml(path)
    _check_keys(path, "the recording", top, _TOP_KEYS)
    calendar = _choose(path, "calendar", top["calendar"], get_args(Calendar))
    series = tuple(
        _load_series(path, f"[[bars]] {number}", _as_table(path, "bars", entry), calendar)
        for number, entry in enumerate(top["bars"], start=1)
    )
    parts = [
        _load_posts(path, f"[[posts]] {number}", _as_table(path, "posts", entry))
        for number, entry in enumerate(top.get("posts", ()), start=1)
    ]
    funding = tuple(
        _load_funding(path, f"[[funding]] {number}", _as_table(path, "funding", entry))
        for number, entry in enumerate(top.get("funding", ()), start=1)
    )
    try:
        recording = Recording(title=top["title"], calendar=calendar, series=series, posts=_join_posts(parts))
    except DataError as error:
        raise DataError(f"{path}, bars: {error}") from error
    try:
        return replace(recording, funding=funding) if funding else recording
    except DataError as error:
        raise DataError(f"{path}, funding: {error}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"there is no recording {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"the recording {path} cannot be read as TOML: {error}") from error


def _check_keys(path: Path, table: str, entry: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for key, value in entry.items():
        if key not in kinds:
            raise DataError(f"{path}, {table}: the key '{key}' is unknown; there are {', '.join(kinds)}")
        if not isinstance(value, kinds[key]):
            raise DataError(f"{path}, {key} of {table}: {value!r} must be {_KIND_NAMES[kinds[key]]}")
    for key in kinds:
        if key not in entry and key not in _OPTIONAL:
            raise DataError(f"{path}, {table}: the key '{key}' is missing")


def _as_table(path: Path, key: str, entry: object) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise DataError(f"{path}, {key}: {entry!r} must be a table, written as [[{key}]]")
    return entry


def _choose(path: Path, key: str, value: str, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        raise DataError(f"{path}, {key}: '{value}' is unknown; use one of {', '.join(choices)}")
    return value


def _texts_of(path: Path, key: str, values: Mapping[str, Any]) -> dict[str, str]:
    for value in values.values():
        if not isinstance(value, str):
            raise DataError(f"{path}, {key}: {value!r} must be a text")
    return dict(values)


def _load_series(path: Path, table: str, entry: dict[str, Any], calendar: Calendar) -> RecordedSeries:
    _check_keys(path, table, entry, _BARS_KEYS)
    timeframe = _choose(path, f"timeframe of {table}", entry["timeframe"], tuple(TIMEFRAME_SECONDS))
    instrument = _make_instrument(path, table, entry)
    place = Place(table=f"{table} ({instrument.id}) in {path}", file=path.parent / entry["file"])
    rename = _texts_of(path, f"rename of {table}", entry.get("rename", {}))
    frame = read_columns(place, rename, SERIES_COLUMNS)
    bars = read_series(place, frame, instrument=instrument, timeframe=timeframe, calendar=calendar)
    return RecordedSeries(instrument=instrument, timeframe=timeframe, bars=bars)


def _load_funding(path: Path, table: str, entry: dict[str, Any]) -> RecordedFunding:
    _check_keys(path, table, entry, _FUNDING_KEYS)
    name = f"{entry['instrument']}.{entry['venue']}"
    try:
        split_instrument_id(name)
    except DataError as error:
        raise DataError(f"{path}, instrument of {table}: {error}") from error
    place = Place(table=f"{table} ({name}) in {path}", file=path.parent / entry["file"])
    rename = _texts_of(path, f"rename of {table}", entry.get("rename", {}))
    frame = read_columns(place, rename, FUNDING_COLUMNS)
    return RecordedFunding(instrument=name, rates=read_rates(place, frame))


def _make_instrument(path: Path, table: str, entry: dict[str, Any]) -> Instrument:
    try:
        base, quote, venue = split_instrument_id(f"{entry['instrument']}.{entry['venue']}")
    except DataError as error:
        raise DataError(f"{path}, instrument of {table}: {error}") from error
    steps: dict[str, Any] = {
        key: _read_step(path, table, key, entry[key]) for key in ("price_step", "lot_step", "min_notional")
    }
    try:
        return Instrument(venue=venue, base=base, quote=quote, **steps)
    except DataError as error:
        raise DataError(f"{path}, {table}: {error}") from error


def _read_step(path: Path, table: str, key: str, text: str) -> Decimal:
    try:
        return parse_step(text, key)
    except DataError as error:
        raise DataError(f"{path}, {key} of {table}: {error}") from error


def _load_posts(path: Path, table: str, entry: dict[str, Any]) -> pd.DataFrame:
    _check_keys(path, table, entry, _POSTS_KEYS)
    source = _choose(path, f"source of {table}", entry["source"], SOURCES)
    place = Place(table=f"{table} ({source}) in {path}", file=path.parent / entry["file"])
    rename = _texts_of(path, f"rename of {table}", entry.get("rename", {}))
    frame = read_columns(place, rename, _POST_FILE_COLUMNS)
    changed_later = entry.get("not_known_at_creation", [])
    for name in changed_later:
        if name not in frame or name in _POST_FILE_COLUMNS:
            place.fail("not_known_at_creation", f"'{name}' is no further column of the file")
    return _make_posts_frame(place, frame.drop(columns=changed_later), source)


def _make_posts_frame(place: Place, frame: pd.DataFrame, source: str) -> pd.DataFrame:
    need_columns(place, frame, ("id", "created_at", "text", "channel"))
    times = read_times(place, frame, "created_at")
    ids = read_texts(place, frame, "id")
    place.check("id", (ids == "").to_numpy(bool), "the id is missing")
    title = read_texts(place, frame, "title") if "title" in frame else pd.Series("", index=frame.index, dtype="str")
    posts = pd.DataFrame(
        {
            "source": pd.Series(source, index=frame.index, dtype="str"),
            "post_id": ids,
            "channel": read_texts(place, frame, "channel"),
            "event_time": times,
            "knowledge_time": times,
            "assumed": True,
            "title": title,
            "text": read_texts(place, frame, "text"),
        },
        columns=list(POST_COLUMNS),
    )
    repeated = int(posts["post_id"].duplicated().sum())
    if repeated:
        log.warning("%s has %d rows that repeat a post's id; the first of each is kept", place.file, repeated)
    return posts


def _join_posts(parts: list[pd.DataFrame]) -> pd.DataFrame:
    if not parts:
        return empty_posts()
    posts = pd.concat(parts, ignore_index=True).drop_duplicates(["source", "post_id"])
    return posts.sort_values(["event_time", "post_id"], kind="stable", ignore_index=True)
