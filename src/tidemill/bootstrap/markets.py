"""Every venue that market data come from: its sources, what is kept of it, and in which groups it is judged."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import get_args

from tidemill.bootstrap.market_sources import (
    MarketParts,
    build_market_source,
    build_record_source,
    build_stream,
    describe_venue,
)
from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.domain.market import Calendar, Instrument, format_time
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.gap_repair import SeriesGroup
from tidemill.ports import MarketEventSource, MarketSource, MarketStream, TimeSource
from tidemill.settings import MarketSettings

CLOCK_CHECK_EVERY = timedelta(minutes=1)


def build_groups(markets: Markets, main: SeriesGroup, now: datetime, since: datetime) -> tuple[SeriesGroup, ...]:
    """The series to keep by venue and timeframe, the one that is decided on first.

    Sessions of a calendar with a code are those that end between ``since`` and ``now``.
    """
    groups = [main]
    settings = markets.settings
    for one in markets.described.values():
        for timeframe in one.timeframes or (settings.timeframe,):
            if (one.name, timeframe) == (settings.venue.name, main.timeframe):
                continue
            sessions = main.sessions
            if one.calendar not in get_args(Calendar):
                sessions = markets.sessions(one.calendar, timeframe, since, now)
            groups.append(
                replace(
                    main,
                    names=one.instruments,
                    timeframe=timeframe,
                    calendar="24x7" if one.calendar == "24x7" else "as-recorded",
                    sessions=() if one.calendar == "24x7" else sessions,
                )
            )
    return tuple(one for one in groups if one.names)


class Markets:
    """The venues of a process by name, each built when first asked for and then kept."""

    def __init__(self, parts: MarketParts, main: MarketSource) -> None:
        self._parts = parts
        self.settings = parts.settings
        described = (describe_venue(parts.settings), *parts.settings.markets)
        self.described: Mapping[str, MarketSettings] = {one.name: one for one in described}
        if len(self.described) < len(described):
            raise ConfigurationError(
                f"a market is named {parts.settings.venue.name} as the venue that takes the orders"
            )
        self._sources: dict[str, MarketSource] = {parts.settings.venue.name: main}
        self._records: dict[str, MarketEventSource] = {}
        self._offered: dict[str, Mapping[str, Instrument]] = {}
        self._skew: dict[str, tuple[datetime, timedelta]] = {}
        self._sessions: dict[tuple[str, str, date], tuple[datetime, ...]] = {}
        self._lock = threading.RLock()

    def source(self, name: str) -> MarketSource:
        """Where bars of the venue ``name`` come from."""
        with self._lock:
            if name not in self._sources:
                self._sources[name] = build_market_source(self.described[name], self._parts)
            return self._sources[name]

    def use(self, name: str, source: MarketSource) -> None:
        """Take bars of the venue ``name`` from ``source``, whatever the settings say of it."""
        with self._lock:
            self._sources[name] = source

    def records(self, name: str) -> MarketEventSource:
        """Where records of the venue ``name`` come from."""
        with self._lock:
            if name not in self._records:
                self._records[name] = build_record_source(self.described[name], self._parts)
            return self._records[name]

    def stream(self, name: str) -> MarketStream:
        """A new stream of the venue ``name``; whoever asks closes it; ConfigurationError without such a market."""
        if name not in self.described:
            there = ", ".join(self.described)
            raise ConfigurationError(f"the settings have no market '{name}'; there are {there}")
        return build_stream(self.described[name], self._parts)

    def sessions(self, code: str, timeframe: str, since: datetime, now: datetime) -> tuple[datetime, ...]:
        """Open times that bars of an exchange's sessions have; looked up once a day."""
        from tidemill.adapters.equities.sessions import ExchangeSessions

        key = (code, timeframe, now.date())
        with self._lock:
            if key not in self._sessions:
                tomorrow = now + timedelta(days=1)
                self._sessions = {**self._sessions, key: ExchangeSessions(code).opens(timeframe, since, tomorrow)}
            return self._sessions[key]

    def need(self, instrument: str, timeframe: str) -> Instrument:
        """An instrument that its venue offers now; SeriesError tells why it does not, or that a clock is off."""
        venue = instrument.rpartition(".")[2]
        source = self.source(venue)
        self.need_clock(venue)
        with self._lock:
            if venue not in self._offered:
                self._offered[venue] = {one.id: one for one in source.fetch_instruments()}
        found = self._offered[venue].get(instrument)
        if found is None:
            raise self._why_not(source, instrument, timeframe)
        return found

    def offered(self, group: SeriesGroup) -> list[Instrument]:
        """The instruments of a group that their venue offers; DataError when it offers none of them."""
        found, told = [], ""
        for name in group.names:
            try:
                found.append(self.need(name, group.timeframe))
            except SeriesError as error:
                told = str(error)
        if not found:
            raise DataError(f"{group.venue} offers none of the instruments: {told}")
        return found

    def _why_not(self, source: MarketSource, instrument: str, timeframe: str) -> SeriesError:
        """Ask for its bars all the same: the source knows whether it never had the instrument, or no longer has it."""
        now = self._parts.market_clock.now()
        try:
            source.fetch_bars(instrument, timeframe, now - timedelta(days=1), now)
        except SeriesError as error:
            return error
        except DataError as error:
            return SeriesError(str(error), state=SeriesState.UNKNOWN_SYMBOL)
        venue = instrument.rpartition(".")[2]
        return SeriesError(
            f"{instrument} is not traded at {venue}; check the instruments in the settings",
            state=SeriesState.UNKNOWN_SYMBOL,
        )

    def need_clock(self, venue: str) -> None:
        """SeriesError while the venue's clock and ours differ too much to say which bar has closed.

        A venue that does not tell its time is believed; in a replay the market's time is not the wall's.
        """
        source = self.source(venue)
        if self._parts.settings.mode == "replay" or not isinstance(source, TimeSource):
            return
        skew = self._skew_of(venue, source)
        most = timedelta(seconds=self._parts.settings.ingest.max_clock_skew_seconds)
        if abs(skew) > most:
            ours = format_time(self._parts.wall_clock.now())
            side = "after" if skew > timedelta(0) else "before"
            raise SeriesError(
                f"our clock says {ours}, {abs(skew).total_seconds():.1f} s {side} "
                f"the clock of {venue}; set this machine's time by NTP, nothing was fetched",
                state=SeriesState.CLOCK_OFF,
            )

    def _skew_of(self, venue: str, source: TimeSource) -> timedelta:
        """Our clock minus the venue's, at the middle of the request; asked at most once a minute."""
        with self._lock:
            known = self._skew.get(venue)
            before = self._parts.wall_clock.now()
            if known is not None and timedelta(0) <= before - known[0] < CLOCK_CHECK_EVERY:
                return known[1]
            theirs = source.fetch_time()
            after = self._parts.wall_clock.now()
            skew = before + (after - before) / 2 - theirs
            # what the answer's way took may be on either side of it
            slack = (after - before) / 2
            skew = timedelta(0) if abs(skew) <= slack else skew
            self._skew[venue] = before, skew
            return skew

    def wanted_records(self) -> list[tuple[str, str]]:
        """Pairs (kind, instrument) of the records to keep."""
        return [(kind, name) for one in self.described.values() for kind in one.records for name in one.instruments]

    def close(self) -> None:
        """Close what was opened, but the source that was given."""
        given = self._parts.settings.venue.name
        for part in [*(one for name, one in self._sources.items() if name != given), *self._records.values()]:
            close = getattr(part, "close", None)
            if close is not None:
                close()
