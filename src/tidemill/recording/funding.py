"""Funding rates of perpetuals: what holders of a position pay one another at each settlement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import from_micros
from tidemill.recording.columns import Place, need_columns, read_numbers, read_times

FUNDING_COLUMNS = ("event_time", "rate")
SPOT_ONLY = "the paper venue speaks a spot protocol, which settles no funding"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordedFunding:
    """Settlements of one instrument, ascending by event_time (datetime64[us, UTC]).

    ``rate`` (float64, between -1 and 1) is the fraction of the position's value that is paid at event_time: above 0
    longs pay, below 0 they receive. DataError for rows that break this, or for none.
    """

    instrument: str
    rates: pd.DataFrame

    def __post_init__(self) -> None:
        if not len(self.rates):
            raise DataError(f"the recording has no funding rate of {self.instrument}; leave its funding out")
        if (np.diff(self.event_micros) <= 0).any():
            raise DataError(f"the funding rates of {self.instrument} must ascend by event_time, each time once")
        if not (np.abs(self.rates["rate"].to_numpy(np.float64)) < 1).all():
            raise DataError(f"a funding rate of {self.instrument} is no fraction between -1 and 1")

    @property
    def event_micros(self) -> np.ndarray:
        """Settlement times as int64 microseconds since 1970.

        Ascending, each once, (N,).
        """
        return self.rates["event_time"].to_numpy("datetime64[us]").astype(np.int64)

    def settlements(self) -> Iterator[tuple[datetime, Decimal]]:
        """Time and rate of each settlement; a rate becomes the shortest decimal that names its float.

        Decimal because money is paid by it. Ascending, aware UTC.
        """
        for micros, rate in zip(self.event_micros.tolist(), self.rates["rate"].tolist(), strict=True):
            yield from_micros(micros), Decimal(repr(float(rate)))


def read_rates(place: Place, frame: pd.DataFrame) -> pd.DataFrame:
    """Funding rates as a recording keeps them; DataError at the first row that cannot have been.

    The columns are ``event_time`` (with a zone) and ``rate``; others are ignored. The sentence names the file, row and
    column.
    """
    need_columns(place, frame, FUNDING_COLUMNS)
    if not len(frame):
        place.fail("file", "it has no rows")
    rates = pd.DataFrame({"event_time": read_times(place, frame, "event_time")})
    rates["rate"] = read_numbers(place, frame, "rate")
    wide = np.abs(rates["rate"].to_numpy()) >= 1
    place.check("rate", wide, "{} is no fraction between -1 and 1 (0.0001 is one basis point)", values=rates["rate"])
    steps = np.diff(rates["event_time"].to_numpy("datetime64[us]").astype(np.int64), prepend=0)
    # the first settlement has none before it and is always in order
    steps[0] = 1
    place.check("event_time", steps == 0, "{} is there twice", values=rates["event_time"])
    place.check(
        "event_time", steps < 0, "{} comes after a later one; settlements must ascend", values=rates["event_time"]
    )
    return rates
