"""What the store has, lacks and refused, as values: for ``--json`` and for the screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from tidemill.domain.gaps import Gap, GapEvent
from tidemill.domain.market import format_time, from_micros
from tidemill.domain.series import SeriesStatus
from tidemill.ports.frames import OHLCV
from tidemill.quality import SeriesCompleteness
from tidemill.quality.gaps import is_missing
from tidemill.reports import Row, completeness_days, gap_row, series_state

GapKey = tuple[str, str, datetime]
"""Instrument, timeframe and first open time: what stays the same while a gap's end and cause change."""


def gap_key(gap: Gap) -> GapKey:
    """What identifies a gap over its history."""
    return gap.instrument, gap.timeframe, gap.start


@dataclass(frozen=True, slots=True, kw_only=True)
class GapReport:
    """Gaps of the ledger, each with its events, oldest first."""

    gaps: tuple[Gap, ...]
    histories: Mapping[GapKey, Sequence[GapEvent]]

    def to_json(self) -> dict[str, Any]:
        """What ``data gaps --json`` writes; ``missing`` counts the bars of gaps that are open or accepted."""
        return {
            "gaps": [{**gap_row(gap), "history": self._history(gap)} for gap in self.gaps],
            "missing": sum(gap.missing for gap in self.gaps if is_missing(gap)),
        }

    def to_rows(self) -> list[Row]:
        """One row a gap for the screen, times to the minute."""
        return [
            gap_row(gap)
            | {
                "series": f"{gap.instrument} {gap.timeframe}",
                "from": minute_text(format_time(gap.start)),
                "to": minute_text(format_time(gap.end)),
            }
            for gap in self.gaps
        ]

    def _history(self, gap: Gap) -> list[dict[str, str]]:
        return [
            {
                "at": format_time(from_micros(event.stored_at)),
                "state": str(event.gap.state),
                "cause": str(event.gap.cause),
                "end": format_time(event.gap.end),
            }
            for event in self.histories[gap_key(gap)]
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletenessReport:
    """Expected and stored bars of every series; ``statuses`` are the states in which series were found last."""

    series: tuple[SeriesCompleteness, ...]
    statuses: tuple[SeriesStatus, ...]

    def to_json(self) -> dict[str, Any]:
        """What ``data completeness --json`` writes."""
        return {
            "series": [{**series.to_json(), "state": series_state(series, self.statuses)} for series in self.series],
            "days": completeness_days(self.series),
        }

    def to_rows(self) -> list[Row]:
        """One row a series for the screen; times to the day, causes in words."""
        return [
            {
                "series": f"{series.instrument} {series.timeframe}",
                "from": format_time(series.start)[:10],
                "to": format_time(series.end)[:10],
                "stored": f"{series.stored:,}/{series.expected:,}",
                "complete": f"{series.fraction:.4%}",
                "missing": ", ".join(f"{count:,} {cause}" for cause, count in series.missing.items()) or "none",
                "state": series_state(series, self.statuses),
            }
            for series in self.series
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineReport:
    """Bars that failed a check: a frame as :meth:`~tidemill.ports.QuarantineStore.read_quarantine` returns it."""

    bars: pd.DataFrame

    def to_json(self) -> dict[str, Any]:
        """What ``data quarantine --json`` writes; a price that is not finite is null, a time that is not yet is ""."""
        reasons = {str(reason): int(count) for reason, count in self.bars["reason"].value_counts().items()}
        return {"bars": [_quarantine_json(bar) for bar in self.bars.to_dict("records")], "reasons": reasons}

    def to_rows(self) -> list[Row]:
        """One row a bar for the screen, its prices in one cell."""
        return [
            {
                "series": f"{bar['instrument']} {bar['timeframe']}",
                "opened": minute_text(bar["open_time"]),
                "open, high, low, close": " ".join(str(bar[name]) for name in ("open", "high", "low", "close")),
                "reason": f"{bar['reason']} ({bar['source']})",
            }
            for bar in map(_quarantine_json, self.bars.to_dict("records"))
        ]


def _quarantine_json(bar: Mapping[Any, Any]) -> dict[str, Any]:
    times = ("open_time", "knowledge_time", "stored_at", "released_at")
    return {
        **{str(name): value for name, value in bar.items()},
        **{name: "" if pd.isna(bar[name]) else format_time(bar[name].to_pydatetime()) for name in times},
        **{name: float(bar[name]) if math.isfinite(bar[name]) else None for name in OHLCV},
    }


def minute_text(time: str) -> str:
    """A UTC time of JSON as people read it, to the minute."""
    return f"{time[:10]} {time[11:16]}"
