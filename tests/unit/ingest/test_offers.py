"""What a venue offers is asked once; what it does not offer is told; and its clock must agree with ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.ingest.offers import CLOCK_CHECK_EVERY, OfferRules, VenueOffers
from tidemill.memory.clocks import ManualClock

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
SKEW = timedelta(seconds=5)


def instrument(base: str, venue: str = "V") -> Instrument:
    return Instrument(venue=venue, base=base, quote="USD", price_step=Decimal(1), lot_step=Decimal(1))


class Venue:
    """Offers AAA and BBB; what else it is asked for it refuses with ``refusal``."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal, self.requests = refusal, 0

    def fetch_instruments(self) -> Sequence[Instrument]:
        self.requests += 1
        return [instrument("AAA"), instrument("BBB")]

    def fetch_bars(self, name: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        if self.refusal is not None:
            raise self.refusal
        return pd.DataFrame()

    def close(self) -> None:
        """Nothing is open."""


class TimedVenue(Venue):
    """One that tells its time: the wall's, ``ahead`` of it; the answer takes ``seconds`` each way."""

    def __init__(self, wall: ManualClock, ahead: timedelta, seconds: float = 0.0) -> None:
        super().__init__()
        self.wall, self.ahead, self.seconds, self.time_requests = wall, ahead, seconds, 0

    def fetch_time(self) -> datetime:
        self.time_requests += 1
        self.wall.move_to(self.wall.now() + timedelta(seconds=self.seconds))
        answer = self.wall.now() + self.ahead
        self.wall.move_to(self.wall.now() + timedelta(seconds=self.seconds))
        return answer


def offers(venue: Venue, wall: ManualClock | None = None, max_skew: timedelta | None = SKEW) -> VenueOffers:
    rules = OfferRules(market_clock=ManualClock(NOW), wall_clock=wall or ManualClock(NOW), max_skew=max_skew)
    return VenueOffers(lambda name: venue, rules)


def test_a_venue_is_asked_once_for_all_that_it_offers() -> None:
    venue = Venue()
    looked_up = offers(venue)
    assert [looked_up.need(name, "1h").base for name in ("AAA-USD.V", "BBB-USD.V", "AAA-USD.V")] == [
        "AAA",
        "BBB",
        "AAA",
    ]
    assert venue.requests == 1


@pytest.mark.parametrize(
    ("refusal", "state", "words"),
    [
        (None, SeriesState.UNKNOWN_SYMBOL, "CCC-USD.V is not traded at V; check the instruments in the settings"),
        (DataError("no such pair"), SeriesState.UNKNOWN_SYMBOL, "no such pair"),
        (SeriesError("gone since May", state=SeriesState.DELISTED), SeriesState.DELISTED, "gone since May"),
    ],
)
def test_what_is_not_offered_is_told_as_the_source_explains_it(
    refusal: Exception | None, state: SeriesState, words: str
) -> None:
    with pytest.raises(SeriesError, match=words) as error:
        offers(Venue(refusal)).need("CCC-USD.V", "1h")
    assert error.value.state is state


def test_of_several_those_are_taken_that_there_are() -> None:
    looked_up = offers(Venue())
    assert [own.base for own in looked_up.need_any(["CCC-USD.V", "BBB-USD.V"], "1h")] == ["BBB"]
    with pytest.raises(DataError, match=r"V offers none of the instruments: DDD-USD\.V is not traded"):
        looked_up.need_any(["CCC-USD.V", "DDD-USD.V"], "1h")


@given(st.integers(-60_000, 60_000))
def test_a_clock_counts_as_off_exactly_beyond_what_is_allowed(millis: int) -> None:
    wall = ManualClock(NOW)
    looked_up = offers(TimedVenue(wall, timedelta(milliseconds=millis)), wall)
    if abs(millis) <= 5000:
        assert looked_up.need("AAA-USD.V", "1h").base == "AAA"
        return
    side = "before" if millis > 0 else "after"
    with pytest.raises(SeriesError, match=f"s {side} the clock of V; set this machine's time by NTP") as error:
        looked_up.need("AAA-USD.V", "1h")
    assert error.value.state is SeriesState.CLOCK_OFF


@given(st.floats(0, 20), st.integers(-60_000, 60_000))
def test_a_slow_answer_is_never_taken_for_a_wrong_clock(seconds: float, millis: int) -> None:
    """The moment of the answer lies anywhere on its way, so its way's half is allowed on top."""
    wall = ManualClock(NOW)
    looked_up = offers(TimedVenue(wall, timedelta(milliseconds=millis), seconds), wall)
    if abs(millis) / 1000 <= max(seconds, 5) - 0.001:
        looked_up.need_clock("V")


def test_a_venue_s_time_is_asked_at_most_once_a_minute() -> None:
    wall = ManualClock(NOW)
    venue = TimedVenue(wall, timedelta(0))
    looked_up = offers(venue, wall)
    for _ in range(3):
        looked_up.need_clock("V")
    assert venue.time_requests == 1
    wall.move_to(NOW + CLOCK_CHECK_EVERY)
    looked_up.need_clock("V")
    assert venue.time_requests == 2


def test_a_clock_that_was_set_right_is_believed_after_a_minute() -> None:
    wall = ManualClock(NOW)
    venue = TimedVenue(wall, timedelta(seconds=9))
    looked_up = offers(venue, wall)
    for _ in range(2):
        with pytest.raises(SeriesError):
            looked_up.need_clock("V")
    venue.ahead = timedelta(0)
    wall.move_to(NOW + CLOCK_CHECK_EVERY)
    looked_up.need_clock("V")


def test_in_a_replay_and_at_a_venue_without_a_clock_nothing_is_compared() -> None:
    wall = ManualClock(NOW)
    venue = TimedVenue(wall, timedelta(days=900))
    offers(venue, wall, None).need_clock("V")
    assert venue.time_requests == 0
    offers(Venue()).need_clock("V")
