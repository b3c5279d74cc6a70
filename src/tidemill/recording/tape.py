"""Recorded bars as matching reads them: exact, found by time, made only when asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import Bar, from_micros, to_micros, to_step
from tidemill.ports.frames import MICROS_PER_SECOND, PRICE_COLUMNS


class RecordedTape:
    """The port ``BarTape`` over frames.

    ``series`` maps an instrument id to (price step, bar length in seconds, bars ascending by
    open_time). Prices cross to Decimal through ``to_step``; a volume has no step and becomes the
    shortest decimal that names its float. Bars made are kept.
    """

    def __init__(self, series: Mapping[str, tuple[Decimal, int, pd.DataFrame]]) -> None:
        self._tracks = {name: _Track(name, *parts) for name, parts in series.items()}
        self._starts, self._ends = _merge([track.spans for track in self._tracks.values()])

    def bar_at(self, instrument: str, moment: datetime) -> Bar | None:
        """The bar with open_time <= ``moment`` < close_time, or None.

        DataError for an instrument that is not recorded, or a price off its step.
        """
        track, micros = self._track(instrument), to_micros(moment)
        index = bisect_right(track.opens, micros) - 1
        return track.bar(index) if index >= 0 and micros < track.opens[index] + track.length else None

    def bars_closed(self, instrument: str, after: datetime, until: datetime) -> Sequence[Bar]:
        """Bars with ``after`` < close_time <= ``until``, ascending.

        DataError for an instrument that is not recorded.
        """
        track = self._track(instrument)
        low, high = (bisect_right(track.opens, to_micros(moment) - track.length) for moment in (after, until))
        return [track.bar(index) for index in range(low, high)]

    def close_before(self, instrument: str, moment: datetime) -> Decimal | None:
        """Close of the last bar closed at or before ``moment``, None when there is none.

        The bar's own close, in quote units. DataError for an instrument that is not recorded.
        """
        track = self._track(instrument)
        index = bisect_right(track.opens, to_micros(moment) - track.length) - 1
        return track.bar(index).close if index >= 0 else None

    def is_down(self, moment: datetime) -> bool:
        """Whether no recorded bar of any instrument contains ``moment``.

        Spans of all instruments are merged once, so this is one search in them.
        """
        micros = to_micros(moment)
        index = bisect_right(self._starts, micros) - 1
        return index < 0 or micros >= int(self._ends[index])

    def are_down(self, moments: np.ndarray) -> np.ndarray:
        """:meth:`is_down` of many moments in micros, (N,) bool.

        ``moments`` are int64, in any order.
        """
        at = np.searchsorted(self._starts, moments, side="right") - 1
        is_down: np.ndarray = (at < 0) | (moments >= np.asarray(self._ends)[np.maximum(at, 0)])
        return is_down

    def _track(self, instrument: str) -> _Track:
        try:
            return self._tracks[instrument]
        except KeyError:
            raise DataError(f"{instrument} is not recorded; there are {', '.join(self._tracks)}") from None


class _Track:
    """One instrument's arrays and the bars made of them so far."""

    def __init__(self, name: str, step: Decimal, seconds: int, bars: pd.DataFrame) -> None:
        self.name, self.step, self.length = name, step, seconds * MICROS_PER_SECOND
        self.opens = bars["open_time"].to_numpy("datetime64[us]").astype(np.int64)
        self._prices = bars[list(PRICE_COLUMNS)].to_numpy(np.float64)
        self._volumes = bars["volume"].to_numpy(np.float64)
        self._made: dict[int, Bar] = {}

    @property
    def spans(self) -> tuple[np.ndarray, np.ndarray]:
        return self.opens, self.opens + self.length

    def bar(self, index: int) -> Bar:
        if index not in self._made:
            self._made[index] = self._make(index)
        return self._made[index]

    def _make(self, index: int) -> Bar:
        opened = int(self.opens[index])
        first, high, low, last = (to_step(float(price), self.step) for price in self._prices[index])
        return Bar(
            open_time=from_micros(opened),
            close_time=from_micros(opened + self.length),
            open=first,
            high=high,
            low=low,
            close=last,
            volume=Decimal(repr(float(self._volumes[index]))),
        )


def _merge(spans: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the times covered by any span, ascending and disjoint."""
    starts = np.concatenate([span[0] for span in spans])
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    # a long bar may reach over shorter ones that begin after it
    reach = np.maximum.accumulate(np.concatenate([span[1] for span in spans])[order])
    fresh = np.concatenate([[True], starts[1:] > reach[:-1]])
    last = np.concatenate([fresh[1:], [True]])
    return starts[fresh], reach[last]
