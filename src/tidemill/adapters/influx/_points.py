"""Points of bars as InfluxDB keeps them: which of the stored ones are whole, and lines for what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tidemill.adapters.influx.wire import Answer, PointQuery
from tidemill.adapters.sql.market.columns import Part
from tidemill.domain.market import split_instrument_id

FIELDS = ("o", "h", "l", "c", "v")
NOTES = ("stored_at", "knowledge_time", "assumed")
EARLIEST, BACK_BARS = 0, 5_000
ESCAPED = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRows:
    """Content of the bars that are stored whole by open time, and the revision that each has next.

    ``first``: what a bar that is not stored yet gets. No request that is still on its way has one of these.
    """

    bars: Mapping[int, tuple[tuple[float, ...], int]]
    first: int = 0

    @classmethod
    def of(cls, points: Answer, mark: int, broken: Sequence[int]) -> StoredRows:
        """Of every point of a series; ``broken``: storage times of writes that were not finished, 0 is none."""
        integers, reals, revs = in_order(points)
        whole = is_whole(integers[1], mark, broken)
        lost = np.array(sorted(set(broken) - {0}), dtype=np.int64)
        following = revs + 1 + len(lost) - np.searchsorted(lost, integers[1], side="right")
        rows = zip(integers[0, whole].tolist(), reals.T[whole].tolist(), following[whole].tolist(), strict=True)
        return cls(bars={opened: (tuple(row), rev) for opened, row, rev in rows}, first=len(lost))


def new_lines(tags: Mapping[str, str], rows: Part, stored: int, stored_rows: StoredRows) -> list[str]:
    """Points for what is new or changed, each under its next revision."""
    tag_text = "".join(f",{key}={value.translate(ESCAPED)}" for key, value in tags.items())
    integers, reals = rows
    lines = []
    for (opened, heard, assumed), row in zip(integers.T.tolist(), reals.T.tolist(), strict=True):
        content, rev = stored_rows.bars.get(opened, (None, stored_rows.first))
        if content != tuple(row):
            fields = ",".join(f"{field}={value!r}" for field, value in zip(FIELDS, row, strict=True))
            notes = f"stored_at={stored}i,knowledge_time={heard}i,assumed={'true' if assumed else 'false'}"
            lines.append(f"bars{tag_text},rev={rev} {fields},{notes} {opened}")
    return lines


def query_all(instrument: str, timeframe: str, start: int, end: int) -> PointQuery:
    return query_of(instrument, timeframe, start, end, (*FIELDS, *NOTES, "rev"))


def query_of(instrument: str, timeframe: str, start: int, end: int, columns: Sequence[str]) -> PointQuery:
    return PointQuery(tags=tags_of(instrument, timeframe), columns=columns, start=start, end=end)


def is_whole(stored: np.ndarray, until: int, unread: Sequence[int]) -> np.ndarray:
    """Which storage times are of writes that were finished by ``until``."""
    whole: np.ndarray = (stored <= until) & ~np.isin(stored, unread)
    return whole


def in_order(rows: Answer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every revision in order of open time and revision: INTEGERS, OHLCV, and the revisions' numbers."""
    points = sorted(rows, key=lambda row: (int(row["time"]), int(row["rev"])))
    return *columns_of(points), np.array([int(row["rev"]) for row in points], dtype=np.int64)


def columns_of(rows: Answer) -> Part:
    times = [int(row["time"]) for row in rows]
    stored, heard = ([int(row[name]) for row in rows] for name in NOTES[:2])
    assumed = [int(row["assumed"].lower() == "true") for row in rows]
    values = [[float(row[field]) for row in rows] for field in FIELDS]
    return np.array([times, stored, heard, assumed], dtype=np.int64), np.array(values, dtype=np.float64)


def tags_of(instrument: str, timeframe: str) -> Mapping[str, str]:
    return {"venue": split_instrument_id(instrument)[2], "instrument": instrument, "timeframe": timeframe}
