"""What the venues offer now, asked once; and whether their clocks allow to say which bar has closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument, format_time
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.ports import Clock, MarketSource, TimeSource

CLOCK_CHECK_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRules:
    """By which clocks offers are judged. ``max_skew`` None: in a replay the market's time is not the wall's.

    ``max_skew`` is compared with the size of the difference, whichever clock is ahead.
    """

    market_clock: Clock
    wall_clock: Clock
    max_skew: timedelta | None


class VenueOffers:
    """The instruments that each venue offers, looked up once and then kept.

    ``bars`` gives the source of a venue's bars by the venue's name.

    Threads may share one: what is looked up is guarded by a lock. New listings show only in a new one.
    """

    def __init__(self, bars: Callable[[str], MarketSource], rules: OfferRules) -> None:
        self._bars, self._rules = bars, rules
        self._offered: dict[str, Mapping[str, Instrument]] = {}
        self._skew: dict[str, tuple[datetime, timedelta]] = {}
        self._lock = threading.RLock()

    def need(self, instrument: str, timeframe: str) -> Instrument:
        """An instrument that its venue offers now; SeriesError tells why it does not, or that a clock is off.

        TransientError when the venue does not answer. The first call for a venue fetches all its instruments.
        """
        venue = instrument.rpartition(".")[2]
        source = self._bars(venue)
        self.need_clock(venue)
        with self._lock:
            if venue not in self._offered:
                self._offered[venue] = {offer.id: offer for offer in source.fetch_instruments()}
        offer = self._offered[venue].get(instrument)
        if offer is None:
            raise self._why_not(source, instrument, timeframe)
        return offer

    def need_any(self, instruments: Sequence[str], timeframe: str) -> list[Instrument]:
        """Those of ``instruments``, all of one venue, that it offers; DataError when it offers none of them.

        In the order of ``instruments``. The reason told is that of the last one that is not offered.
        """
        offers, why_not = [], ""
        for name in instruments:
            try:
                offers.append(self.need(name, timeframe))
            except SeriesError as error:
                why_not = str(error)
        if not offers:
            venue = instruments[0].rpartition(".")[2]
            raise DataError(f"{venue} offers none of the instruments: {why_not}")
        return offers

    def need_clock(self, venue: str) -> None:
        """SeriesError while the venue's clock and ours differ too much to say which bar has closed.

        A venue that does not tell its time is believed.
        """
        source, limit = self._bars(venue), self._rules.max_skew
        if limit is None or not isinstance(source, TimeSource):
            return
        skew = self._skew_of(venue, source)
        if abs(skew) > limit:
            now = format_time(self._rules.wall_clock.now())
            side = "after" if skew > timedelta(0) else "before"
            raise SeriesError(
                f"our clock says {now}, {abs(skew).total_seconds():.1f} s {side} "
                f"the clock of {venue}; set this machine's time by NTP, nothing was fetched",
                state=SeriesState.CLOCK_OFF,
            )

    def _skew_of(self, venue: str, source: TimeSource) -> timedelta:
        """Our clock minus the venue's, at the middle of the request; asked at most once a minute."""
        clock = self._rules.wall_clock
        with self._lock:
            last = self._skew.get(venue)
            before = clock.now()
            if last is not None and timedelta(0) <= before - last[0] < CLOCK_CHECK_EVERY:
                return last[1]
            venue_time = source.fetch_time()
            after = clock.now()
            skew = before + (after - before) / 2 - venue_time
            # what the answer's way took may be on either side of it
            slack = (after - before) / 2
            skew = timedelta(0) if abs(skew) <= slack else skew
            self._skew[venue] = before, skew
            return skew

    def _why_not(self, source: MarketSource, instrument: str, timeframe: str) -> SeriesError:
        """Ask for its bars all the same: the source knows whether it never had the instrument, or no longer has it."""
        now = self._rules.market_clock.now()
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
