"""What venues tell beside bars: trades, order books, funding rates, open interest; and splits and dividends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class MarketEventKind(StrEnum):
    """Kinds of records; each has columns of its own, and the three times.

    The values are stored and name tables and settings.
    """

    TRADES = "trades"
    BOOKS = "books"
    FUNDING = "funding"
    OPEN_INTEREST = "open_interest"
    ADJUSTMENTS = "adjustments"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketEventShape:
    """Columns of one kind beside instrument, event_time, knowledge_time and assumed.

    ``texts`` are never missing (may be ""), ``numbers`` are finite float64. ``key``: what a record is known by
    beside instrument and event_time; a record equal in it is the same one, or its revision.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    key: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in order.

        The order is that of the stored rows; storage adds ``stored_at`` behind them.
        """
        return ("instrument", "event_time", *self.texts, *self.numbers, "knowledge_time", "assumed")

    @property
    def identity(self) -> tuple[str, ...]:
        """What a record is known by.

        Rows that agree in it are revisions of one record, and the newest readable one counts.
        """
        return ("instrument", "event_time", *self.key)

    @property
    def content(self) -> tuple[str, ...]:
        """What makes a record told again a revision.

        Times of knowledge are no part of it: hearing the same again changes nothing.
        """
        return tuple(name for name in (*self.texts, *self.numbers) if name not in self.key)


MARKET_EVENT_SHAPES: Mapping[MarketEventKind, MarketEventShape] = MappingProxyType(
    {
        # side: of the taker, buy or sell; "" where the venue does not tell
        MarketEventKind.TRADES: MarketEventShape(
            texts=("trade_id", "side"), numbers=("price", "quantity"), key=("trade_id",)
        ),
        # one row per level of a snapshot; side: bid or ask; level 0 is the best
        MarketEventKind.BOOKS: MarketEventShape(
            texts=("side",), numbers=("level", "price", "quantity"), key=("side", "level")
        ),
        # rate: share of the position's value paid by longs to shorts at event_time
        MarketEventKind.FUNDING: MarketEventShape(numbers=("rate",)),
        # quantity in base units
        MarketEventKind.OPEN_INTEREST: MarketEventShape(numbers=("quantity",)),
        # event_time: open time of the first bar traded after it; kind: split (value: new shares for one old)
        # or dividend (value: quote units a share)
        MarketEventKind.ADJUSTMENTS: MarketEventShape(texts=("kind",), numbers=("value",), key=("kind",)),
    }
)
