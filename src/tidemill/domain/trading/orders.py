"""Intents, what goes on the wire, what the venue and the ledger know of it, and fills."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from tidemill.domain.errors import DataError, TradingError
from tidemill.domain.market import require_utc
from tidemill.domain.trading.states import OrderState, OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """An order as it was decided, before anything is sent; for a buy, the most that may be bought.

    ``quantity`` in base units, above 0; ``limit_price`` in quote, None for a market order only. ``leg`` is its number
    in the decision, sells first. From ``expires_at`` (market time, aware UTC) on it is never sent. DataError for a
    quantity or a limit that is not positive.
    """

    intent_id: str
    decision_id: str
    account: str
    instrument: str
    leg: int
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    client_order_id: str
    expires_at: datetime

    def __post_init__(self) -> None:
        if not self.quantity > 0:
            raise DataError(f"intent {self.intent_id} asks for {self.quantity} of {self.instrument}; it must be > 0")
        if self.order_type is not OrderType.MARKET and (self.limit_price is None or not self.limit_price > 0):
            raise DataError(f"intent {self.intent_id} is a {self.order_type} order without a positive limit price")
        require_utc(self.expires_at, "expires_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order as it goes on the wire: signed with ``sent_at`` and ``window_ms``, both stored first.

    ``sent_at`` is wall time, aware UTC; the venue refuses the request once ``window_ms`` have passed since. Quantity in
    base units, prices in quote.
    """

    client_order_id: str
    instrument: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    sent_at: datetime
    window_ms: int
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """One order as the venue reports it.

    ``quantity`` and ``filled`` in base units; ``limit_price`` in quote, None for a market order; ``placed_at`` by the
    venue's wall clock.
    """

    venue_order_id: str
    client_order_id: str
    instrument: str
    side: Side
    state: OrderState
    quantity: Decimal
    filled: Decimal
    limit_price: Decimal | None
    placed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """An execution; ``trade_id`` is unique per instrument at the venue. ``traded_at`` is the venue's wall time.

    ``quantity`` in base units, ``price`` in quote; ``fee`` in ``fee_asset``, positive when it was paid.
    """

    trade_id: str
    venue_order_id: str
    instrument: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    traded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What is known after one send. ``unknown`` is a result of its own: the order may or may not exist.

    ``evidence`` says in words what the outcome rests on. TradingError unless ``order`` is there exactly when it is
    acked.
    """

    outcome: Literal["acked", "rejected", "unknown"]
    evidence: str
    order: VenueOrder | None = None

    def __post_init__(self) -> None:
        if (self.outcome == "acked") != (self.order is not None):
            raise TradingError("a placement carries the venue's order exactly when it is acked")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOrder:
    """An intent with what the ledger knows of its fate.

    ``quantity`` is what may still be sent (the intent's, or less once the buys were reduced), ``filled`` the sum of its
    recorded fills, both in base units. ``sent_at`` (wall time) and ``window_ms`` are those of the newest send, None
    before the first. ``reason`` says why it is in its state, where that is not the venue's doing.
    """

    intent: OrderIntent
    state: OrderState
    quantity: Decimal
    filled: Decimal = Decimal(0)
    reduced: bool = False
    venue_order_id: str | None = None
    sent_at: datetime | None = None
    window_ms: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTiming:
    """How long an order may travel and how long absence takes to prove, from the venue's capability row.

    ``window_ms`` is the validity window that the venue enforces; ``visibility_seconds`` is window + the
    venue's internal timeout + margin: before it has passed, "not found" proves nothing.
    ``absence_queries`` is how many later queries must agree.
    """

    window_ms: int = 5000
    visibility_seconds: float = 17.0
    first_poll_seconds: float = 0.2
    last_poll_seconds: float = 5.0
    absence_queries: int = 2
