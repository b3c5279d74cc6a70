"""A stream followed: what it tells is stored, what it loses is fetched, and what cannot be fetched stays a hole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.domain.errors import TransientError
from tidemill.domain.market import Instrument
from tidemill.ingest import BarFeed, SeriesJob, StreamPlan, follow_stream
from tidemill.memory.clocks import ManualClock
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.memory.stream import MemoryStream
from tidemill.ports import StreamPart
from tidemill.recording import to_bars

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC = Instrument(venue="T", base="BTC", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal("0.001"))
LAST = 20


def bars(hours: Sequence[int], received: datetime | None = None) -> pd.DataFrame:
    close = np.array([100.0 + hour % 7 for hour in hours])
    opens = pd.DatetimeIndex([START + hour * HOUR for hour in hours], dtype="datetime64[us, UTC]")
    frame = pd.DataFrame({"open_time": opens, "open": close, "high": close + 1, "low": close - 1, "close": close})
    made = to_bars(BTC.id, "1h", frame.assign(volume=np.array(hours, dtype=np.float64) + 1))
    if received is None:
        return made
    known = pd.DatetimeIndex([received] * len(made), tz="UTC").as_unit("us")
    return made.assign(knowledge_time=known, assumed=False)


class Venue:
    """Every bar that has closed by the clock, by request; answers nothing in the hours ``down``."""

    def __init__(self, clock: ManualClock, down: Sequence[int] = ()) -> None:
        self.clock, self.down = clock, set(down)

    def fetch_instruments(self) -> Sequence[Instrument]:
        return (BTC,)

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        if (self.clock.now() - START) // HOUR in self.down:
            raise TransientError("the venue does not answer")
        first, beyond = -((START - start) // HOUR), min(-((START - end) // HOUR), (self.clock.now() - START) // HOUR)
        return bars(range(max(0, first), beyond), received=self.clock.now())


def follow(told: Sequence[int], cuts: Sequence[int], down: Sequence[int] = ()) -> tuple[list[int], object, object]:
    """Hours stored when the stream tells ``told`` and is cut before the hours ``cuts``."""
    clock = ManualClock(START + 5 * HOUR)
    store, venue = MemoryMarketStore(), Venue(clock, down)

    class Live(MemoryStream):
        def watch(self, instruments, timeframe, *, seconds):
            for hour in range(5, LAST):
                clock.move_to(START + (hour + 1) * HOUR)
                yield StreamPart()
                if hour in cuts:
                    yield StreamPart(instrument=BTC.id, broken="the line was cut")
                if hour in told:
                    yield StreamPart(instrument=BTC.id, bars=bars([hour], received=clock.now()))
            clock.move_to(START + LAST * HOUR + HOUR / 2 + HOUR * (LAST in down))

    plan = StreamPlan(
        stream=Live(()),
        feed=BarFeed(source=venue, store=store, ledger=MemoryGapLedger()),
        clock=clock,
        jobs=(SeriesJob(instrument=BTC, timeframe="1h"),),
        history=timedelta(days=1),
    )
    log = follow_stream(plan, seconds=1)
    found = store.read_bars([BTC.id], "1h", START, START + 999 * HOUR)
    return [round((one - pd.Timestamp(START)) / HOUR) for one in found["open_time"]], log, found


@settings(max_examples=25)
@given(
    told=st.sets(st.integers(5, LAST - 1)),
    cuts=st.sets(st.integers(5, LAST - 1)),
    down=st.sets(st.integers(6, LAST), max_size=10),
)
def test_whatever_a_stream_loses_all_bars_are_there_in_the_end(told, cuts, down) -> None:
    hours, log, found = follow(sorted(told), sorted(cuts), sorted(down))
    assert log.breaks == len(cuts)
    closes = found["open_time"] + pd.Timedelta(hours=1)
    assert (found["knowledge_time"] >= closes).all()
    assert hours == list(range(len(hours))), "no hole is left between"


def test_the_stream_s_own_bars_are_known_when_they_came() -> None:
    hours, log, found = follow(range(5, LAST), ())
    assert hours == list(range(LAST))
    assert (log.bars, log.healed) == (LAST - 5, 5)
    assert list(found["assumed"]) == [True] * 5 + [False] * (LAST - 5)


def test_a_leap_is_mended_without_a_cut_being_told() -> None:
    hours, log, _ = follow([hour for hour in range(5, LAST) if hour not in {9, 10, 15}], ())
    assert hours == list(range(LAST))
    assert log.healed == 5 + 3


def test_control_without_requests_the_leap_stays() -> None:
    hours, log, _ = follow([hour for hour in range(5, LAST) if hour not in {9, 10}], (), down=range(1, 999))
    assert 9 not in hours
    assert 10 not in hours
    assert list(log.failures) == ["the venue does not answer"]


def test_only_asked_instruments_are_told_by_the_memory_stream() -> None:
    stream = MemoryStream([StreamPart(instrument="A"), StreamPart(instrument="B"), StreamPart()])
    assert [one.instrument for one in stream.watch(["B"], "1h", seconds=1)] == ["B", ""]
    stream.close()
