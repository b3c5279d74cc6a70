"""Instruments, timeframes, bars, and the grid of moments at which decisions are made."""

from tidemill.domain.market.grid import (
    TRADING_DAYS_PER_YEAR,
    DecisionGrid,
    default_decision_delay,
)
from tidemill.domain.market.instruments import (
    Bar,
    Instrument,
    InstrumentId,
    split_instrument_id,
)
from tidemill.domain.market.schedule import BarSchedule, Calendar
from tidemill.domain.market.steps import (
    STEP_TOLERANCE,
    ceil_to_step,
    floor_to_step,
    parse_step,
    to_step,
)
from tidemill.domain.market.times import (
    CALENDAR_DAYS_PER_YEAR,
    EPOCH,
    MICROSECOND,
    TIMEFRAME_SECONDS,
    Stamp,
    format_time,
    from_micros,
    parse_time,
    require_range,
    require_utc,
    timeframe_seconds,
    to_micros,
)

__all__ = [
    "CALENDAR_DAYS_PER_YEAR",
    "EPOCH",
    "MICROSECOND",
    "STEP_TOLERANCE",
    "TIMEFRAME_SECONDS",
    "TRADING_DAYS_PER_YEAR",
    "Bar",
    "BarSchedule",
    "Calendar",
    "DecisionGrid",
    "Instrument",
    "InstrumentId",
    "Stamp",
    "ceil_to_step",
    "default_decision_delay",
    "floor_to_step",
    "format_time",
    "from_micros",
    "parse_step",
    "parse_time",
    "require_range",
    "require_utc",
    "split_instrument_id",
    "timeframe_seconds",
    "to_micros",
    "to_step",
]
