"""Sessions of stock exchanges, through exchange_calendars (extra ``equities``)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import timeframe_seconds

DAY = timeframe_seconds("1d")


class ExchangeSessions:
    """When bars of one exchange open, by its code (``XNYS``, ``XLON``, ...), holidays and half days included."""

    def __init__(self, code: str) -> None:
        try:
            import exchange_calendars
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"calendar '{code}' needs the extra equities; install it with pip install 'tidemill[equities]'"
            ) from error
        self._code = code
        try:
            self._first = exchange_calendars.get_calendar(code).first_session
        except exchange_calendars.errors.InvalidCalendarName as error:
            raise ConfigurationError(f"exchange_calendars has no calendar '{code}'; XNYS is New York's") from error

    def opens(self, timeframe: str, start: datetime, end: datetime) -> tuple[datetime, ...]:
        """Open times t of bars with ``start`` <= t < ``end``, ascending.

        Daily bars open at midnight UTC of the session's date, as their sources date them. Shorter ones begin with
        the session and are as long as the timeframe; the last may be cut by its end.
        """
        schedule = self._schedule(start, end)
        length = timeframe_seconds(timeframe)
        if length >= DAY:
            opens = [label.tz_localize("UTC").to_pydatetime() for label in schedule.index]
        else:
            opens = [moment for row in schedule.itertuples() for moment in _within(row, timedelta(seconds=length))]
        return tuple(moment for moment in opens if start <= moment < end)

    def _schedule(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Sessions whose date lies around the range."""
        import exchange_calendars

        first, last = (pd.Timestamp(moment).tz_convert("UTC").tz_localize(None).normalize() for moment in (start, end))
        calendar: Any = exchange_calendars.get_calendar(
            self._code, start=first - pd.Timedelta(days=10), end=last + pd.Timedelta(days=10)
        )
        schedule: pd.DataFrame = calendar.schedule
        return schedule[(schedule.index >= first - pd.Timedelta(days=1)) & (schedule.index <= last)]


def _within(row: Any, length: timedelta) -> list[datetime]:
    """Opens of the bars of one session, without those in its lunch break."""
    opened, closed = row.open.to_pydatetime(), row.close.to_pydatetime()
    rest = (row.break_start, row.break_end)
    opens = [opened + number * length for number in range(-(-(closed - opened) // length))]
    if pd.isna(rest[0]):
        return opens
    return [moment for moment in opens if not rest[0] <= moment < rest[1]]
