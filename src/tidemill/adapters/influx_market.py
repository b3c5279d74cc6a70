"""Bars in InfluxDB; posts, scores, payloads and the watermark stay in the SQL store beside it.

A point is one revision of a bar: tags venue, instrument, timeframe and rev, fields o h l c v, stored_at,
knowledge_time and assumed, its time the bar's open. Without ``rev`` a changed bar would replace the one before, and
what was known then would be gone.

InfluxDB has no transactions, and a long write goes in several chunks; a write is whole all the same, for two things
are asked of a point before it is read. Its stored_at must not lie behind the SQL store's watermark: that store's lock
is held while points are written, and its watermark moves when the last one is there. And its stored_at must not be
that of an unfinished write: the measurement ``unfinished`` tells the write that is under way, and beside it every one
that broke off, so that points of a killed process stay unread when the watermark has long passed them. The next write
of the same bars writes over them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tidemill.adapters._influx_wire import Answer, Api, Place, Wanted, open_wire
from tidemill.adapters._market_columns import BarColumns, Part, to_frame
from tidemill.domain.errors import TransientError
from tidemill.domain.market import from_micros, split_instrument_id, timeframe_seconds, to_micros
from tidemill.ports import Sleep, StoreHealth

FIELDS = ("o", "h", "l", "c", "v")
NOTES = ("stored_at", "knowledge_time", "assumed")
FOREVER = to_micros(datetime.fromisoformat("2200-01-01T00:00:00+00:00"))
# where the write under way is told: a time that no retention reaches
UNDER_WAY = to_micros(datetime.fromisoformat("2100-01-01T00:00:00+00:00"))
# and where doctor writes that nothing is, to see that it may write
PROBE = UNDER_WAY + 1
EARLIEST, MICROS, BACK_BARS = 0, 1_000_000, 5_000
ESCAPED = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})


class StoreBeside(Protocol):
    """The SQL store: everything but bars, and the order of all writes."""

    def stamped(self, work: Callable[[int], int], *, now: datetime) -> int:
        """Run ``work(stored_at)`` alone among writers; the watermark moves there when it says that rows were added."""
        ...

    def watermark(self) -> int:
        """The newest stored_at of any table and of the bars."""
        ...

    def health(self) -> StoreHealth:
        """That it answers and takes writes."""
        ...


class InfluxMarketStore:
    """The bar store port on InfluxDB; anything else that is asked of it the store ``beside`` does."""

    def __init__(self, place: Place, beside: StoreBeside, *, api: Api = "v2", sleep: Sleep = time.sleep) -> None:
        self._wire = open_wire(place, api, sleep)
        self._beside = beside

    def __getattr__(self, name: str) -> Any:
        """Posts, scores and payloads."""
        return getattr(self._beside, name)

    def write_bars(self, timeframe: str, bars: pd.DataFrame, *, now: datetime) -> int:
        """See the port. After a TransientError some points are there, unread; the next write writes over them."""
        if not len(bars):
            return 0
        columns = BarColumns.of(bars)
        # the storage time of a write that broke off is not used again
        free = max(self._unfinished().values(), default=0) + 1
        return self._beside.stamped(partial(self._write, timeframe, columns), now=max(now, from_micros(free)))

    def read_bars(
        self,
        instruments: Sequence[str],
        timeframe: str,
        start: datetime,
        end: datetime,
        *,
        known_at: datetime | None = None,
        stored_until: int | None = None,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """See the port."""
        names = sorted(set(instruments))
        mark, broken = self._promised()
        until = mark if stored_until is None else min(stored_until, mark)
        parts = []
        for name in names:
            integers, reals, _ = self._read(name, timeframe, to_micros(start), to_micros(end))
            kept = _is_whole(integers[1], until, broken)
            kept &= integers[2] <= to_micros(known_at) if known_at is not None else True
            parts.append((integers[:, kept], reals[:, kept]))
        return to_frame(names, parts, revisions=revisions)

    def latest_open(self, instrument: str, timeframe: str) -> datetime | None:
        """See the port; what is not whole is passed over, some thousand bars at a time."""
        promised = self._promised()
        back, reach, end = BACK_BARS * timeframe_seconds(timeframe) * MICROS, 0, FOREVER
        while (newest := self._wire.newest(_wanted(instrument, timeframe, EARLIEST, end, ("c",)))) is not None:
            integers, _, _ = self._read(instrument, timeframe, newest - reach, newest + 1)
            opens = integers[0][_is_whole(integers[1], *promised)]
            if len(opens):
                return from_micros(int(opens.max()))
            reach, end = back, newest - reach
        return None

    def coverage(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> np.ndarray:
        """See the port."""
        promised = self._promised()
        wanted = _wanted(instrument, timeframe, to_micros(start), to_micros(end), NOTES[:1])
        rows = np.array([(int(row["time"]), int(row["stored_at"])) for row in self._wire.read(wanted)], dtype=np.int64)
        opens, stored = rows.reshape(-1, 2).T
        return np.unique(opens[_is_whole(stored, *promised)])

    def health(self) -> StoreHealth:
        """See the port; both stores are asked."""
        beside = self._beside.health()
        self._wire.write([_told(0, at=PROBE)])
        self._unfinished()
        place = f"{self._wire.place}, beside {beside.kind} in {beside.place}"
        return replace(beside, kind=f"InfluxDB {self._wire.version()}", place=place)

    def watermark(self) -> int:
        """See the port."""
        return self._beside.watermark()

    def close(self) -> None:
        """Close both."""
        self._wire.close()
        beside: Any = self._beside
        beside.close()

    def _write(self, timeframe: str, columns: BarColumns, stored: int) -> int:
        """Write what is new or changed, told as unfinished from before its first point until after its last."""
        unfinished = self._unfinished()
        if stored in unfinished.values():
            raise TransientError(f"another write of bars broke off at {from_micros(stored)}; try again")
        lines: list[str] = []
        promised = self._beside.watermark(), list(unfinished.values())
        for code, name in enumerate(columns.names):
            lines += self._lines(name, timeframe, columns.part(code), stored, promised)
        if lines:
            broken = unfinished.get(UNDER_WAY)
            self._wire.write([_told(broken, at=broken)] if broken else [])
            self._wire.write([_told(stored, at=UNDER_WAY)])
            self._wire.write(lines)
            self._wire.write([_told(0, at=UNDER_WAY)])
        return len(lines)

    def _promised(self) -> tuple[int, list[int]]:
        """The watermark, and the storage times below it that are not whole; asked for before any point is."""
        return self._beside.watermark(), list(self._unfinished().values())

    def _unfinished(self) -> dict[int, int]:
        """Storage times of writes that are not whole, by where they are told."""
        wanted = Wanted(tags={}, columns=NOTES[:1], start=EARLIEST, end=FOREVER, measurement="unfinished")
        told = {int(row["time"]): int(row["stored_at"]) for row in self._wire.read(wanted)}
        return {at: stored for at, stored in told.items() if stored}

    def _lines(
        self, name: str, timeframe: str, rows: Part, stored: int, promised: tuple[int, Sequence[int]]
    ) -> list[str]:
        """Points for what is new or changed, each under its next revision."""
        integers, reals = rows
        known, values, revs = self._read(name, timeframe, int(integers[0, 0]), int(integers[0, -1]) + 1)
        whole = _is_whole(known[1], *promised)
        before = {
            opened: (tuple(row), rev)
            for opened, row, rev, kept in zip(known[0].tolist(), values.T.tolist(), revs, whole, strict=True)
            if kept
        }
        tags = "".join(f",{key}={value.translate(ESCAPED)}" for key, value in _tags(name, timeframe).items())
        lines = []
        for (opened, heard, assumed), row in zip(integers.T.tolist(), reals.T.tolist(), strict=True):
            content, rev = before.get(opened, (None, -1))
            if content != tuple(row):
                fields = ",".join(f"{field}={value!r}" for field, value in zip(FIELDS, row, strict=True))
                notes = f"stored_at={stored}i,knowledge_time={heard}i,assumed={'true' if assumed else 'false'}"
                lines.append(f"bars{tags},rev={rev + 1} {fields},{notes} {opened}")
        return lines

    def _read(self, name: str, timeframe: str, start: int, end: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Every revision in order of open time and revision: INTEGERS, VALUES, and the revisions' numbers."""
        found = self._wire.read(_wanted(name, timeframe, start, end, (*FIELDS, *NOTES, "rev")))
        found.sort(key=lambda row: (int(row["time"]), int(row["rev"])))
        return *_columns(found), [int(row["rev"]) for row in found]


def _wanted(instrument: str, timeframe: str, start: int, end: int, columns: Sequence[str]) -> Wanted:
    return Wanted(tags=_tags(instrument, timeframe), columns=columns, start=start, end=end)


def _told(stored: int, *, at: int) -> str:
    return f"unfinished stored_at={stored}i {at}"


def _is_whole(stored: np.ndarray, until: int, broken: Sequence[int]) -> np.ndarray:
    """Which storage times are of writes that were finished by ``until``."""
    whole: np.ndarray = (stored <= until) & ~np.isin(stored, broken)
    return whole


def _columns(rows: Answer) -> Part:
    times = [int(row["time"]) for row in rows]
    stored, heard = ([int(row[name]) for row in rows] for name in NOTES[:2])
    assumed = [int(row["assumed"].lower() == "true") for row in rows]
    values = [[float(row[field]) for row in rows] for field in FIELDS]
    return np.array([times, stored, heard, assumed], dtype=np.int64), np.array(values, dtype=np.float64)


def _tags(instrument: str, timeframe: str) -> Mapping[str, str]:
    return {"venue": split_instrument_id(instrument)[2], "instrument": instrument, "timeframe": timeframe}
