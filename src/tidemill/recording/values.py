"""A recording in memory: series of bars, posts, and views on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import TIMEFRAME_SECONDS, Calendar, Instrument, from_micros, timeframe_seconds, to_micros
from tidemill.ports import BAR_COLUMNS, POST_COLUMNS
from tidemill.ports.frames import OHLCV
from tidemill.recording.funding import RecordedFunding
from tidemill.recording.resampling import resample_bars
from tidemill.recording.tape import RecordedTape

SERIES_COLUMNS = ("open_time", *OHLCV)
BAR_DELAY = timedelta(seconds=1)


def empty_posts() -> pd.DataFrame:
    """POSTS without a row, with the right types.

    Concatenating it with real posts keeps their types.
    """
    times = pd.DatetimeIndex([], dtype="datetime64[us, UTC]")
    kinds = {"event_time": times, "knowledge_time": times, "assumed": pd.Series([], dtype=bool)}
    return pd.DataFrame({name: kinds.get(name, pd.Series([], dtype="str")) for name in POST_COLUMNS})


def to_bars(instrument_id: str, timeframe: str, bars: pd.DataFrame) -> pd.DataFrame:
    """BARS of a series: known one second after the close, which is assumed and marked so.

    ``bars`` has open_time and the prices; its index is dropped.
    """
    length = pd.Timedelta(seconds=timeframe_seconds(timeframe))
    return pd.DataFrame(
        {
            "instrument": pd.Series([instrument_id] * len(bars), index=bars.index, dtype="str"),
            **{name: bars[name] for name in SERIES_COLUMNS},
            "knowledge_time": bars["open_time"] + length + pd.Timedelta(BAR_DELAY),
            "assumed": True,
        },
        columns=list(BAR_COLUMNS),
    ).reset_index(drop=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordedSeries:
    """Bars of one instrument in one timeframe, ascending by open_time (datetime64[us, UTC], float64, no NaN)."""

    instrument: Instrument
    timeframe: str
    bars: pd.DataFrame

    def __post_init__(self) -> None:
        timeframe_seconds(self.timeframe)
        if not len(self.bars):
            raise DataError(f"the recording has no bar of {self.instrument.id} in {self.timeframe}")

    @property
    def length(self) -> timedelta:
        """Length of one bar."""
        return timedelta(seconds=timeframe_seconds(self.timeframe))

    @property
    def first_open(self) -> datetime:
        """Open of the first bar."""
        return from_micros(self.open_micros[0])

    @property
    def last_close(self) -> datetime:
        """Close of the last bar."""
        return from_micros(self.open_micros[-1]) + self.length

    @property
    def open_micros(self) -> np.ndarray:
        """Open times as int64 microseconds since 1970.

        Ascending, (N,).
        """
        return self.bars["open_time"].to_numpy("datetime64[us]").astype(np.int64)


# Not slotted, because cached_property needs the instance's dictionary.
@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """Real bars and posts of a past period, as a replay and a backtest serve them.

    ``posts`` are POSTS by (event_time, post_id). A series is found by instrument and timeframe; an
    instrument may have several timeframes, with the same trading rules in each. ``funding`` holds the
    settlements of those that are perpetuals; who has no way to settle them asks :meth:`need_no_funding`.
    """

    title: str
    calendar: Calendar
    series: tuple[RecordedSeries, ...]
    posts: pd.DataFrame = field(default_factory=empty_posts)
    funding: tuple[RecordedFunding, ...] = ()

    def __post_init__(self) -> None:
        if not self.series:
            raise DataError(f"the recording '{self.title}' has no bars")
        instruments: dict[str, Instrument] = {}
        for series in self.series:
            if instruments.setdefault(series.instrument.id, series.instrument) != series.instrument:
                raise DataError(f"{series.instrument.id} is recorded twice with different price, lot or notional rules")
        if len({(series.instrument.id, series.timeframe) for series in self.series}) < len(self.series):
            raise DataError(f"the recording '{self.title}' has two series of the same instrument and timeframe")
        self._check_funding(instruments)

    def _check_funding(self, instruments: Mapping[str, Instrument]) -> None:
        names = [funding.instrument for funding in self.funding]
        for name in names:
            if name not in instruments:
                raise DataError(f"{name} has funding rates but no bars; the recording has {', '.join(instruments)}")
            if names.count(name) > 1:
                raise DataError(f"{name} has two tables of funding rates; put them into one file")

    def need_no_funding(self, who: str) -> Self:
        """The recording itself; DataError when it has funding rates: ``who`` cannot settle them, and the way out."""
        if self.funding:
            names = ", ".join(funding.instrument for funding in self.funding)
            raise DataError(
                f"{who}, and the recording '{self.title}' has funding rates of {names}; "
                f"use tidemill backtest at speed exact, or leave [[funding]] out"
            )
        return self

    @cached_property
    def instruments(self) -> Mapping[str, Instrument]:
        """Instrument id -> instrument, in the order of the recording."""
        return {series.instrument.id: series.instrument for series in self.series}

    @cached_property
    def first_open(self) -> datetime:
        """Open of the earliest bar."""
        return min(series.first_open for series in self.series)

    @cached_property
    def last_close(self) -> datetime:
        """Close of the latest bar."""
        return max(series.last_close for series in self.series)

    @cached_property
    def timeframe(self) -> str:
        """The finest timeframe that every instrument has or can be resampled to.

        What decisions are made on. Coarser series are not made finer, so it is the coarsest of the finest ones, or a
        multiple.
        """
        finest = [timeframe_seconds(self.series_of(name).timeframe) for name in self.instruments]
        for timeframe, seconds in sorted(TIMEFRAME_SECONDS.items(), key=lambda item: item[1]):
            if all(seconds % length == 0 for length in finest):
                return timeframe
        raise DataError(f"the instruments of '{self.title}' share no timeframe")  # one day takes any of them

    @cached_property
    def sessions(self) -> tuple[datetime, ...]:
        """Open times at which any instrument has a bar of :attr:`timeframe`, ascending.

        With an as-recorded calendar these are the days on which there can be decisions. A quiet instrument does not
        end a session.
        """
        opens = [self._bars(name, self.timeframe)["open_time"] for name in self.instruments]
        union = np.unique(np.concatenate([times.to_numpy("datetime64[us]").astype(np.int64) for times in opens]))
        return tuple(from_micros(micros) for micros in union)

    def series_of(self, instrument_id: str) -> RecordedSeries:
        """The finest series of an instrument; DataError when it is not recorded."""
        matches = [series for series in self.series if series.instrument.id == instrument_id]
        if not matches:
            offered = ", ".join(self.instruments)
            raise DataError(f"{instrument_id} is not in the recording '{self.title}', which has {offered}")
        return min(matches, key=lambda series: timeframe_seconds(series.timeframe))

    def bars_of(self, instrument_id: str) -> pd.DataFrame:
        """Bars of the finest series: open_time, open, high, low, close, volume.

        The frame itself, not a copy. DataError when it is not recorded.
        """
        return self.series_of(instrument_id).bars

    def as_bars(
        self, instrument_id: str | None, start: datetime, end: datetime, *, timeframe: str | None = None
    ) -> pd.DataFrame:
        """BARS with ``start`` <= open_time < ``end`` of one instrument, or of all one after another.

        A timeframe (default :attr:`timeframe`) that is not recorded is resampled from the finest; an
        interval that ends after :attr:`last_close` is then left out, as it never closed. Times known:
        close + 1 s, assumed.
        """
        length = timeframe or self.timeframe
        names: Sequence[str] = [instrument_id] if instrument_id is not None else list(self.instruments)
        parts = [to_bars(name, length, _between(self._bars(name, length), start, end)) for name in names]
        return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)

    def open_times(self, instrument_id: str, timeframe: str) -> np.ndarray:
        """Open times of an instrument's bars in int64 micros, ascending; as :meth:`as_bars`, without the bars.

        DataError when the instrument is not recorded.
        """
        times = self._bars(instrument_id, timeframe)["open_time"]
        return times.to_numpy("datetime64[us]").astype(np.int64)

    def tape(self) -> RecordedTape:
        """The finest bars of each instrument as matching reads them.

        A new one at each call: a tape keeps the bars that it made.
        """
        return RecordedTape(
            {
                name: (series.instrument.price_step, timeframe_seconds(series.timeframe), series.bars)
                for name, series in ((name, self.series_of(name)) for name in self.instruments)
            }
        )

    @cached_property
    def _resampled(self) -> dict[tuple[str, str], pd.DataFrame]:
        return {}

    def _bars(self, instrument_id: str, timeframe: str) -> pd.DataFrame:
        for series in self.series:
            if (series.instrument.id, series.timeframe) == (instrument_id, timeframe):
                return series.bars
        key = (instrument_id, timeframe)
        if key not in self._resampled:
            finest = self.series_of(instrument_id)
            coarser = resample_bars(finest.bars, timeframe, source=finest.timeframe)
            closed = coarser["open_time"] <= self.last_close - timedelta(seconds=timeframe_seconds(timeframe))
            self._resampled[key] = coarser[closed].reset_index(drop=True)
        return self._resampled[key]


def _between(bars: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    opens = bars["open_time"].to_numpy("datetime64[us]").astype(np.int64)
    low, high = np.searchsorted(opens, [to_micros(start), to_micros(end)])
    return bars.iloc[low:high]
