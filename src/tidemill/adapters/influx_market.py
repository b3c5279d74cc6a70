"""Bars in InfluxDB; posts, scores, payloads and the watermark stay in the SQL store beside it.

A point is one revision of a bar: tags venue, instrument, timeframe and rev, fields o h l c v, stored_at,
knowledge_time and assumed, its time the bar's open. Without ``rev`` a changed bar would replace the one before, and
what was known then would be gone. InfluxDB has no transactions: the SQL store's write lock is held while points are
written, and only then does its watermark move, so that no reader is promised points that are still to come. A write
that broke off has left some of its points; the next one finds them and adds the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tidemill.adapters._influx_wire import Answer, Api, Place, Wanted, open_wire
from tidemill.adapters._market_columns import BarColumns, Part, to_frame
from tidemill.domain.market import from_micros, split_instrument_id, to_micros
from tidemill.ports import Sleep

FIELDS = ("o", "h", "l", "c", "v")
NOTES = ("stored_at", "knowledge_time", "assumed")
FOREVER = to_micros(datetime.fromisoformat("2200-01-01T00:00:00+00:00"))
ESCAPED = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})


class StoreBeside(Protocol):
    """The SQL store: everything but bars, and the order of all writes."""

    def stamped(self, work: Callable[[int], int], *, now: datetime) -> int:
        """Run ``work(stored_at)`` alone among writers; the watermark moves there when it says that rows were added."""
        ...

    def watermark(self) -> int:
        """The newest stored_at of any table and of the bars."""
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
        """See the port; points go in chunks, each written whole or not at all."""
        if not len(bars):
            return 0
        columns = BarColumns.of(bars)

        def work(stored: int) -> int:
            lines: list[str] = []
            for code, name in enumerate(columns.names):
                lines += self._lines(name, timeframe, columns.part(code), stored)
            self._wire.write(lines)
            return len(lines)

        return self._beside.stamped(work, now=now)

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
        until = [to_micros(known_at) if known_at is not None else None, stored_until]
        parts = []
        for name in names:
            integers, reals, _ = self._read(name, timeframe, to_micros(start), to_micros(end))
            kept = np.ones(integers.shape[1], dtype=bool)
            for row, limit in zip((2, 1), until, strict=True):
                kept &= integers[row] <= limit if limit is not None else True
            parts.append((integers[:, kept], reals[:, kept]))
        return to_frame(names, parts, revisions=revisions)

    def latest_open(self, instrument: str, timeframe: str) -> datetime | None:
        """See the port."""
        found = self._wire.newest(Wanted(tags=_tags(instrument, timeframe), fields=["c"], start=0, end=FOREVER))
        return None if found is None else from_micros(found)

    def watermark(self) -> int:
        """See the port."""
        return self._beside.watermark()

    def close(self) -> None:
        """Close both."""
        self._wire.close()
        beside: Any = self._beside
        beside.close()

    def _lines(self, name: str, timeframe: str, rows: Part, stored: int) -> list[str]:
        """Points for what is new or changed, each under its next revision."""
        integers, reals = rows
        known, values, revs = self._read(name, timeframe, int(integers[0, 0]), int(integers[0, -1]) + 1)
        before = {
            opened: (tuple(row), rev)
            for opened, row, rev in zip(known[0].tolist(), values.T.tolist(), revs, strict=True)
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
        wanted = Wanted(tags=_tags(name, timeframe), fields=(*FIELDS, *NOTES), start=start, end=end)
        found = sorted(self._wire.read(wanted), key=lambda row: (int(row["time"]), int(row["rev"])))
        return *_columns(found), [int(row["rev"]) for row in found]


def _columns(rows: Answer) -> Part:
    times = [int(row["time"]) for row in rows]
    stored, heard = ([int(row[name]) for row in rows] for name in NOTES[:2])
    assumed = [int(row["assumed"].lower() == "true") for row in rows]
    values = [[float(row[field]) for row in rows] for field in FIELDS]
    return np.array([times, stored, heard, assumed], dtype=np.int64), np.array(values, dtype=np.float64)


def _tags(instrument: str, timeframe: str) -> Mapping[str, str]:
    return {"venue": split_instrument_id(instrument)[2], "instrument": instrument, "timeframe": timeframe}
