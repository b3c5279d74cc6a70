"""Posts judged: what is new and readable, and what is refused with its reason."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import to_micros
from tidemill.ports import POST_COLUMNS

MOST_REPEATS = 3
REPEAT_MICROS = 3_600 * 1_000_000
NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedPosts:
    """What came of a check: ``good`` POSTS, and ``rejected`` POSTS with a column ``reason``, in the given order."""

    good: pd.DataFrame
    rejected: pd.DataFrame

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> number of posts rejected for it."""
        return {str(reason): int(count) for reason, count in self.rejected["reason"].value_counts().items()}


def check_posts(posts: pd.DataFrame, *, as_of: datetime, before: pd.DataFrame | None = None) -> CheckedPosts:
    """Judge POSTS, in any order; each refused one has the first reason that applies.

    Refused: without id, without time or with a time that has no zone, created after ``as_of``, without any
    text, an id seen before, and spam: a title and text (blanks and case aside) of which three are good
    already from the same channel of the same source within the hour before, in the order of creation, then
    of ids. ``before`` are the POSTS found good earlier: with them a month judged at once and a month judged
    in batches of whatever size are refused alike, so that a backtest and a live run read the same posts.

    Missing titles and texts of good posts become "". DataError when a column is missing.
    """
    for name in POST_COLUMNS:
        if name not in posts:
            raise DataError(f"posts need the column '{name}'; they have {', '.join(map(str, posts.columns))}")
    frame = posts.reset_index(drop=True)
    times = _micros(frame["event_time"])
    reasons_seen, codes = [""], np.zeros(len(frame), dtype=np.int8)
    for reason, wrong in _judgements(frame, times, to_micros(as_of)):
        codes[wrong & (codes == 0)] = len(reasons_seen)
        reasons_seen.append(reason)
    codes[_repeats(frame, times, codes == 0, before)] = len(reasons_seen)
    reasons = np.array([*reasons_seen, "repeated text"], dtype=object)[codes]
    refused = codes != 0
    rejected = frame[refused].assign(reason=pd.Series(reasons[refused], dtype="str").array)
    return CheckedPosts(good=_clean(frame[~refused]), rejected=rejected.reset_index(drop=True))


def _judgements(frame: pd.DataFrame, times: np.ndarray, as_of: int) -> Iterator[tuple[str, np.ndarray]]:
    """Pairs (reason, rows it applies to), in the order in which they are told."""
    ids = frame["post_id"].fillna("").astype(str)
    yield "no id", (ids == "").to_numpy(bool)
    yield "no time", frame["event_time"].isna().to_numpy(bool)
    yield "time without zone", times == NO_TIME
    yield "created in the future", times > as_of
    yield "no text", (_words(frame) == "").to_numpy(bool)
    yield "id seen before", frame.duplicated(["source", "post_id"]).to_numpy(bool)


def _micros(values: pd.Series) -> np.ndarray:
    """int64 micros; NO_TIME where the time is missing or has no zone."""
    if not isinstance(values.dtype, pd.DatetimeTZDtype):
        zoned = (isinstance(value, datetime) and pd.notna(value) and value.tzinfo is not None for value in values)
        return np.array(
            [to_micros(value) if good else NO_TIME for value, good in zip(values, zoned, strict=True)], dtype=np.int64
        )
    micros: np.ndarray = values.to_numpy("datetime64[us]").astype(np.int64)
    return micros


def _words(frame: pd.DataFrame) -> pd.Series:
    """Title and text in lower case, blanks made one."""
    joined = frame["title"].fillna("").astype(str) + " " + frame["text"].fillna("").astype(str)
    return joined.map(lambda words: " ".join(words.lower().split())).astype(str)


def _repeats(frame: pd.DataFrame, times: np.ndarray, fine: np.ndarray, before: pd.DataFrame | None) -> np.ndarray:
    """Which of the ``fine`` rows say what their channel said MOST_REPEATS times within the hour before."""
    said = _sayings(frame[fine], times[fine], np.flatnonzero(fine))
    if before is not None and len(before):
        # a post that is judged again must not count against itself
        earlier = before[~before["post_id"].isin(frame["post_id"])]
        said = pd.concat([said, _sayings(earlier, _micros(earlier["event_time"]), -1)], ignore_index=True)
    repeated = np.zeros(len(frame), dtype=bool)
    often = said.groupby("saying")["row"].transform("size") > MOST_REPEATS
    for _, group in said[often].sort_values(["time", "post_id"], kind="stable").groupby("saying", sort=False):
        repeated[_too_often(group["time"].to_numpy(), group["row"].to_numpy())] = True
    return repeated


def _sayings(posts: pd.DataFrame, times: np.ndarray, rows: np.ndarray | int) -> pd.DataFrame:
    """What each post says and where: time, post_id, saying (a key of source, channel and words), row."""
    keys = zip(posts["source"], posts["channel"].fillna(""), _words(posts), strict=True)
    sayings = pd.Series(["\x1f".join(map(str, key)) for key in keys], dtype="str")
    return pd.DataFrame(
        {"time": times, "post_id": posts["post_id"].astype(str).to_numpy(), "saying": sayings, "row": rows}
    )


def _too_often(times: np.ndarray, rows: np.ndarray) -> list[int]:
    """Rows (those >= 0) that come when MOST_REPEATS good ones lie within the hour before; ``times`` ascend."""
    good: deque[int] = deque(maxlen=MOST_REPEATS)
    refused = []
    for time, row in zip(times.tolist(), rows.tolist(), strict=True):
        if row >= 0 and len(good) == MOST_REPEATS and time - good[0] <= REPEAT_MICROS:
            refused.append(row)
        else:
            good.append(time)
    return refused


def _clean(good: pd.DataFrame) -> pd.DataFrame:
    """Good posts with every text a string and every time UTC."""
    texts = {name: good[name].fillna("").astype("str") for name in ("channel", "title", "text")}
    times = pd.to_datetime(good["event_time"], utc=True).astype("datetime64[us, UTC]")
    return good.assign(event_time=times, **texts).reset_index(drop=True)
