"""What is traded, and its bars in exact decimals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Self

from tidemill.domain.errors import DataError
from tidemill.domain.market.times import require_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Something tradable at one venue, with its trading rules.

    ``price_step``, ``lot_step`` and ``min_notional`` (in quote units) are the venue's filters. ``listed_from``: since
    when it is traded, where the venue tells.
    """

    venue: str
    base: str
    quote: str
    price_step: Decimal
    lot_step: Decimal
    min_notional: Decimal = Decimal(0)
    listed_from: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("price_step", "lot_step"):
            value = getattr(self, name)
            if not (isinstance(value, Decimal) and value.is_finite() and value > 0):
                raise DataError(f"{name} of {self.id} must be a positive Decimal, not {value!r}")
        if not (isinstance(self.min_notional, Decimal) and self.min_notional.is_finite() and self.min_notional >= 0):
            raise DataError(f"min_notional of {self.id} must be a Decimal >= 0, not {self.min_notional!r}")
        if self.listed_from is not None:
            require_utc(self.listed_from, "listed_from")

    @property
    def id(self) -> str:
        """``BASE-QUOTE.VENUE``, for example ``BTC-USDT.BINANCE``.

        The key under which everything of it is stored; it reads back through :class:`InstrumentId`.
        """
        return f"{self.base}-{self.quote}.{self.venue}"


class InstrumentId(str):
    """``BASE-QUOTE.VENUE``, for example ``BTC-USDT.BINANCE``: a string that knows its parts.

    It is stored, printed, compared and hashed as the string that it is. ``venue`` is what follows the last dot,
    ``quote`` what follows the first dash. DataError when a part is missing.
    """

    __slots__ = ("base", "quote", "venue")

    base: str
    quote: str
    venue: str

    def __new__(cls, text: str) -> Self:
        """Take ``text`` apart once."""
        pair, dot, venue = text.rpartition(".")
        base, dash, quote = pair.partition("-")
        if not (dot and dash and base and quote and venue):
            raise DataError(f"instrument '{text}' is not of the form BASE-QUOTE.VENUE, such as BTC-USDT.BINANCE")
        instrument_id = super().__new__(cls, text)
        instrument_id.base, instrument_id.quote, instrument_id.venue = base, quote, venue
        return instrument_id


def split_instrument_id(instrument_id: str) -> tuple[str, str, str]:
    """``BTC-USDT.BINANCE`` -> (``BTC``, ``USDT``, ``BINANCE``); DataError when malformed.

    A dot in the base is allowed, since the venue is what follows the last one.
    """
    parts = InstrumentId(instrument_id)
    return parts.base, parts.quote, parts.venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """OHLCV over [open_time, close_time), in exact decimals, as matching uses it.

    All prices are positive and lie between low and high; volume is at least 0. Anything else is a DataError, so
    matching never meets a bar that could not have been.
    """

    open_time: datetime
    close_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def __post_init__(self) -> None:
        require_utc(self.open_time, "open_time")
        if self.close_time <= self.open_time:
            raise DataError(f"bar at {self.open_time.isoformat()} closes before it opens")
        if not (self.low <= min(self.open, self.close) and self.high >= max(self.open, self.close)):
            raise DataError(f"bar at {self.open_time.isoformat()} has its high or low inside its open and close")
        if self.low <= 0 or self.volume < 0:
            raise DataError(f"bar at {self.open_time.isoformat()} has a price <= 0 or a volume < 0")
