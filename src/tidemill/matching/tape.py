"""A tape of bars held in lists, for tests and small runs.

It answers as the port :class:`~tidemill.ports.BarTape` asks; recordings have a tape of their own, over frames.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime

from tidemill.domain.market import Bar


class ListTape:
    """Bars by instrument, ascending and not overlapping."""

    def __init__(self, bars: Mapping[str, Sequence[Bar]]) -> None:
        self._bars = {name: tuple(series) for name, series in bars.items()}
        self._opens = {name: [bar.open_time for bar in series] for name, series in self._bars.items()}
        self._closes = {name: [bar.close_time for bar in series] for name, series in self._bars.items()}

    def bar_at(self, instrument: str, moment: datetime) -> Bar | None:
        """The bar that contains ``moment``, or None.

        A bar contains its open time and not its close time. KeyError for an instrument that has no list.
        """
        index = bisect_right(self._opens[instrument], moment) - 1
        if index < 0 or moment >= self._closes[instrument][index]:
            return None
        return self._bars[instrument][index]

    def bars_closed(self, instrument: str, after: datetime, until: datetime) -> Sequence[Bar]:
        """Bars with ``after`` < close_time <= ``until``.

        Oldest first; empty when none closed. KeyError for an instrument that has no list.
        """
        # Two bisections instead of a scan: the exchange asks at every move of its clock.
        closes = self._closes[instrument]
        return self._bars[instrument][bisect_right(closes, after) : bisect_right(closes, until)]

    def is_down(self, moment: datetime) -> bool:
        """Whether no bar of any instrument contains ``moment``."""
        return all(self.bar_at(name, moment) is None for name in self._bars)
