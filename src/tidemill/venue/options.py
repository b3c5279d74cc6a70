"""What a venue serves and how.

One value holds all that distinguishes two venues, so that the command line, the replay and the tests start them through
the same door.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Self

from tidemill.matching import FillRules
from tidemill.recording import Recording
from tidemill.venue.live import LiveSource

WEEK = timedelta(weeks=1)
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one sender may ask, as the exchange announces it; waits of the sockets in seconds.

    Defaults are Binance's as of the pages "LIMITS" and "WebSocket Streams": 6,000 of weight a minute, five messages a
    second, 1,024 streams, pings every 20 seconds, a minute to answer, a day to live.
    """

    weight_per_minute: int = 6000
    orders_per_10_seconds: int = 100
    orders_per_day: int = 200_000
    messages_per_second: int = 5
    streams_per_connection: int = 1024
    ping_seconds: float = 20.0
    pong_seconds: float = 60.0
    connection_seconds: float = DAY_SECONDS


PLENTY = 10**9
UNLIMITED = Limits(
    weight_per_minute=PLENTY, orders_per_10_seconds=PLENTY, orders_per_day=PLENTY, messages_per_second=PLENTY
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOptions:
    """Prices from a recording or a live source, in which protocol, on which clock, port and certificate.

    ``ack_seconds`` is how long after its acknowledgement an order is seen by queries, where a protocol only
    acknowledges.
    ``tls`` names a certificate chain and its key; REST and WebSocket then speak TLS only.
    """

    rules: FillRules
    recording: Recording | None = None
    live: LiveSource | None = None
    universe: tuple[str, ...] = ()
    timeframe: str = "1h"
    protocol: Literal["binance", "bybit"] = "binance"
    ack_seconds: float = 0.05
    clock: Literal["real", "recorded"] = "recorded"
    host: str = "127.0.0.1"
    port: int = 0
    database: Path | None = None
    seed: int = 0
    limits: Limits = Limits()
    tls: tuple[Path, Path] | None = None
    allow_remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Where the market clock of a venue's database began, and how far it is behind the wall's.

    Kept in the journal's first call: a venue that is started again has the offset it had, not a new one.
    """

    start: datetime
    offset: timedelta

    @classmethod
    def of(cls, options: VenueOptions, wall: datetime) -> Self:
        """For a venue that begins at ``wall``.

        On a live source market and wall clock are one. A recording on a recorded clock begins at its first bar, on the
        real clock some weeks back from now.
        """
        recording = options.recording
        if recording is None:
            return cls(start=wall, offset=timedelta(0))
        if options.clock == "recorded":
            return cls(start=recording.first_open, offset=timedelta(0))
        offset = shift_to_now(recording, wall)
        # The offset is fixed from here on: market time runs as fast as the wall's.
        return cls(start=wall - offset, offset=offset)


def shift_to_now(recording: Recording, now: datetime) -> timedelta:
    """Whole weeks from the middle of the recording to now, so that weekday and hour stay as recorded.

    From the middle, so that the venue has history behind it and bars ahead. Never negative: a recording of the future
    begins as it is.
    """
    middle = recording.first_open + (recording.last_close - recording.first_open) / 2
    return WEEK * max(math.floor((now - middle) / WEEK), 0)
