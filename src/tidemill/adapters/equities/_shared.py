"""What both sources of shares share: their instruments, the three times, and raw prices on a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from tidemill.domain.market import Instrument, split_instrument_id, timeframe_seconds
from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.ports import BAR_COLUMNS
from tidemill.ports.frames import OHLCV

OnPayload = Callable[[str, bytes], None]
PRICE_STEP = Decimal("0.0001")
"""Sources send prices as short floats: what is behind the fourth decimal is noise of theirs."""
PLACES = 4


def shares(names: Sequence[str]) -> list[Instrument]:
    """The named shares as instruments; their sources have no list of what they offer."""
    instruments = []
    for name in names:
        base, quote, venue = split_instrument_id(name)
        instruments.append(Instrument(venue=venue, base=base, quote=quote, price_step=PRICE_STEP, lot_step=Decimal(1)))
    return instruments


def need_share(names: Sequence[str], instrument: str, source: str) -> str:
    """The source's symbol of an instrument; SeriesError when it is none of the settings."""
    if instrument not in names:
        raise SeriesError(
            f"{instrument} is not among the instruments of {source} in the settings", state=SeriesState.UNKNOWN_SYMBOL
        )
    return split_instrument_id(instrument)[0]


def to_share_bars(
    instrument: str, timeframe: str, rows: pd.DataFrame, *, start: datetime, end: datetime, now: datetime
) -> pd.DataFrame:
    """BARS of ``rows`` (indexed by open time, columns open to volume, raw) that closed by ``now``, in a range."""
    length = timedelta(seconds=timeframe_seconds(timeframe))
    opens = pd.DatetimeIndex(rows.index).as_unit("us")
    first, beyond, closed = pd.Timestamp(start), pd.Timestamp(end), pd.Timestamp(now - length)
    due = (opens >= first) & (opens < beyond) & (opens <= closed)
    due_rows = rows[due].reset_index(drop=True)
    numbers = {name: np.round(due_rows[name].to_numpy(np.float64), PLACES) for name in OHLCV}
    frame = pd.DataFrame({"open_time": opens[due], **numbers})
    knowledge = pd.Series([pd.Timestamp(now)] * len(frame), dtype="datetime64[us, UTC]")
    frame = frame.assign(instrument=pd.Series([instrument] * len(frame), dtype="str"), knowledge_time=knowledge)
    return frame.assign(assumed=False)[list(BAR_COLUMNS)].sort_values("open_time", ignore_index=True)


def to_adjustments(instrument: str, actions: Sequence[tuple[Any, str, float]], *, now: datetime) -> pd.DataFrame:
    """RECORDS of the kind adjustments from (first open time after it, kind, value)."""
    frame = pd.DataFrame(list(actions), columns=["event_time", "kind", "value"])
    frame["event_time"] = pd.Series(pd.DatetimeIndex(frame["event_time"], tz="UTC").as_unit("us"))
    frame = frame.astype({"value": "float64"}).assign(instrument=instrument, assumed=False)
    frame["knowledge_time"] = pd.Series([pd.Timestamp(now)] * len(frame), dtype="datetime64[us, UTC]")
    columns = list(MARKET_EVENT_SHAPES[MarketEventKind.ADJUSTMENTS].columns)
    return frame[columns].sort_values(["event_time", "kind"], ignore_index=True)


def within(records: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """RECORDS with ``start`` <= event_time < ``end``."""
    inside = (records["event_time"] >= start) & (records["event_time"] < end)
    part: pd.DataFrame = records[inside]
    return part.reset_index(drop=True)
