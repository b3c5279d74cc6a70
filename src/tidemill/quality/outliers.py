"""Bars that could be, but hardly were: spikes and stale repeats; and what a bar in quarantine looks like."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.ports import QUARANTINE_COLUMNS
from tidemill.ports.frames import PRICE_COLUMNS

SPIKE, REPEAT, OFF_REFERENCE = "spike against its neighbours", "stale repeat of the bar before", "far off the witness"
# an unfinished bar is no fault: it is dropped and fetched again when it has closed
UNFINISHED = "not closed at"
FLAT_RUN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierRules:
    """When a possible bar is doubted.

    ``spike_fraction``: open or close this far (relative, either way) off the median of its neighbours'
    closes, which agree among themselves to half of it. ``reference_fraction``: a close this far off the
    second venue's. ``neighbours``: bars looked at on each side.
    """

    spike_fraction: float = 0.5
    reference_fraction: float = 0.1
    neighbours: int = 3

    def __post_init__(self) -> None:
        for name in ("spike_fraction", "reference_fraction"):
            if not getattr(self, name) > 0:
                raise DataError(f"{name} must be > 0, not {getattr(self, name)!r}")
        if self.neighbours < 1:
            raise DataError(f"neighbours must be at least 1, not {self.neighbours}")


def find_outliers(bars: pd.DataFrame, *, rules: OutlierRules, reference_bars: pd.DataFrame | None = None) -> np.ndarray:
    """Reason of doubt per row of ``bars`` ("" where there is none).

    ``bars``: good BARS of one instrument, ascending. ``reference_bars``: BARS of the same market at a second
    venue; where it has the bar, it decides instead of the neighbours. The newest bar has no neighbour
    after it, so that without a reference a real crash is never taken for a spike; the next look judges it.
    """
    values = bars[[*PRICE_COLUMNS, "volume"]].to_numpy(np.float64)
    reasons = np.full(len(values), "", dtype=object)
    reasons[_repeats(values)] = REPEAT
    reasons[_spikes(values, rules)] = SPIKE
    if reference_bars is not None and len(reference_bars):
        _compare_reference(bars, reference_bars, reasons, rules.reference_fraction)
    return reasons


def may_be_outlier(bars: pd.DataFrame, *, rules: OutlierRules) -> np.ndarray:
    """Which rows could be doubted, with whatever neighbours; False is certain, True is a reason to look. (N,) bool.

    A spike lies further from the bar after it than half of what makes it one, since its neighbours agree to
    half; a repeat has the close and the volume of the bar before.
    """
    may = np.zeros(len(bars), dtype=bool)
    if len(bars) < 2:
        return may
    opens, closes, volumes = (bars[name].to_numpy(np.float64) for name in ("open", "close", "volume"))
    after = np.log(closes[1:])
    far = np.maximum(np.abs(np.log(opens[:-1]) - after), np.abs(np.log(closes[:-1]) - after))
    may[:-1] = far > np.log1p(rules.spike_fraction) / 2
    may[1:] |= (closes[1:] == closes[:-1]) & (volumes[1:] == volumes[:-1]) & (volumes[1:] > 0)
    return may


def _spikes(values: np.ndarray, rules: OutlierRules) -> np.ndarray:
    """Rows whose open or close stands alone, by logs; needs a bar after, and three neighbours in all."""
    closes = np.log(values[:, 3])
    limit = np.log1p(rules.spike_fraction)
    around = _neighbours(closes, rules.neighbours)
    count = np.isfinite(around).sum(axis=1)
    followed = np.isfinite(around[:, rules.neighbours :]).any(axis=1)
    # nothing to compare with: no doubt
    judged = (count >= min(3, 2 * rules.neighbours)) & followed
    spikes = np.zeros(len(values), dtype=bool)
    # neighbours that agree lie within half the limit of their middle, so that a spike is half the limit off each
    judged &= _stand_out(np.log(values[:, [0, 3]]), around, rules.neighbours, limit / 2)
    if judged.any():
        beside = around[judged]
        middle = np.nanmedian(beside, axis=1)
        agree = np.nanmax(beside, axis=1) - np.nanmin(beside, axis=1) < limit / 2
        ends = np.log(values[judged][:, [0, 3]])
        spikes[judged] = agree & (np.abs(ends - middle[:, None]) > limit).any(axis=1)
    return spikes


def _stand_out(ends: np.ndarray, around: np.ndarray, reach: int, limit: float) -> np.ndarray:
    """Rows with an end more than ``limit`` off the bar before, or (the first one) off the bar after."""
    beside = np.where(np.isfinite(around[:, reach - 1]), around[:, reach - 1], around[:, reach])
    off: np.ndarray = (np.abs(ends - beside[:, None]) > limit).any(axis=1)
    return off


def _neighbours(closes: np.ndarray, reach: int) -> np.ndarray:
    """(rows, 2 x reach): the closes before, then those after; NaN beyond the ends."""
    padded = np.concatenate([np.full(reach, np.nan), closes, np.full(reach, np.nan)])
    size = len(closes)
    shifts = [*range(reach), *range(reach + 1, 2 * reach + 1)]
    return np.stack([padded[shift : shift + size] for shift in shifts], axis=1)


def _repeats(values: np.ndarray) -> np.ndarray:
    """Rows equal to the row before in every price and in a volume above 0.

    A flat bar (one price, as of a single trade) may come twice by chance: it takes a run of three.
    """
    repeats = np.zeros(len(values), dtype=bool)
    if len(values) < 2:
        return repeats
    repeats[1:] = (values[1:] == values[:-1]).all(axis=1) & (values[1:, 4] > 0)
    flat = values[:, 1] == values[:, 2]
    run = np.zeros(len(values), dtype=np.int64)
    for row in np.flatnonzero(repeats):
        run[row] = run[row - 1] + 1
    repeats &= ~flat | (run >= FLAT_RUN - 1)
    return repeats


def _compare_reference(bars: pd.DataFrame, reference_bars: pd.DataFrame, reasons: np.ndarray, fraction: float) -> None:
    """Let the second venue decide wherever it has the bar."""
    closes = reference_bars.drop_duplicates("open_time", keep="last").set_index("open_time")["close"]
    there = bars["open_time"].map(closes).to_numpy(np.float64)
    compared = np.isfinite(there) & (there > 0)
    ends = bars[["open", "close"]].to_numpy(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.abs(np.log(ends[:, 1] / there)) > np.log1p(fraction)
    reasons[compared & off] = OFF_REFERENCE
    cleared = compared & ~off & (reasons == SPIKE) & (np.abs(np.log(ends[:, 0] / ends[:, 1])) <= np.log1p(fraction))
    reasons[cleared] = ""


def hash_bars(bars: pd.DataFrame) -> list[str]:
    """SHA-256 of each bar's own content: instrument, open time, prices and volume to the last bit.

    Equal prices that differ in the last bit are two contents. Knowledge times and index play no part.
    """
    numbers = bars[[*PRICE_COLUMNS, "volume"]].to_numpy(np.float64)
    opens = bars["open_time"].to_numpy("datetime64[us]").astype(np.int64)
    return [
        hashlib.sha256(f"{name}|{opened}|".encode() + row.tobytes()).hexdigest()
        for name, opened, row in zip(bars["instrument"], opens.tolist(), numbers, strict=True)
    ]


def to_quarantine(rejected: pd.DataFrame, timeframe: str, source: str) -> pd.DataFrame:
    """QUARANTINE of BARS with ``reason``; those not yet closed are left out.

    An unfinished bar is no fault: it comes again when it has closed. ``source`` names the step that met the bars.
    """
    closed = rejected[~rejected["reason"].str.startswith(UNFINISHED)] if len(rejected) else rejected
    quarantine = closed.assign(timeframe=timeframe, source=source, payload_hash=hash_bars(closed))
    return quarantine[list(QUARANTINE_COLUMNS)].reset_index(drop=True)


def honour_quarantine(bars: pd.DataFrame, quarantined: pd.DataFrame) -> pd.DataFrame:
    """BARS without those that stand in quarantine (same content, not only the same time).

    A corrected bar of the same time stays, for its content is another. The frame itself comes back when nothing is
    taken out.
    """
    if not len(bars) or not len(quarantined):
        return bars
    refused = set(quarantined["payload_hash"])
    suspects = bars["open_time"].isin(quarantined["open_time"]).to_numpy(bool)
    wrong = np.zeros(len(bars), dtype=bool)
    wrong[suspects] = [digest in refused for digest in hash_bars(bars[suspects])]
    return bars[~wrong].reset_index(drop=True) if wrong.any() else bars


def trust(bars: pd.DataFrame, reasons: np.ndarray, released: Sequence[str]) -> np.ndarray:
    """Take back a doubt about what a person released.

    ``reasons`` (rows,) is changed in place and returned. ``released`` are contents as :func:`hash_bars` names them:
    another bar of the same time is doubted as before.
    """
    doubted = np.flatnonzero(reasons != "")
    if len(doubted) and len(released):
        digests = hash_bars(bars.iloc[doubted])
        reasons[[row for row, digest in zip(doubted, digests, strict=True) if digest in set(released)]] = ""
    return reasons
