"""Forecasts, targets, intents, orders, fills: and the table of an order's legal moves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from tidemill.domain.errors import DataError, TradingError
from tidemill.domain.market import require_utc, to_micros

ID_SCHEME = "1"
CLIENT_ORDER_ID_LENGTH = 18


class Side(StrEnum):
    """Direction of an order."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """How an order may be executed; LIMIT_MAKER is post-only."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIMIT_MAKER = "LIMIT_MAKER"
    STOP_LIMIT = "STOP_LIMIT"


class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderState(StrEnum):
    """Where one order intent stands, from the ledger's point of view."""

    PLANNED = "planned"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    OPEN = "open"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"


# From each state, the states that may follow. A venue may tell of a fill after it told of a cancel
# or an expiry (its events race), so a fill after a cancel is legal; nothing follows a state that says
# the venue never had the order, but UNKNOWN orders may turn out to be anything.
_VENUE_STATES = frozenset(
    {
        OrderState.OPEN,
        OrderState.PARTLY_FILLED,
        OrderState.FILLED,
        OrderState.EXPIRED,
        OrderState.CANCELLED,
    }
)
LEGAL_MOVES: Mapping[OrderState, frozenset[OrderState]] = {
    OrderState.PLANNED: frozenset({OrderState.SUBMITTING, OrderState.NOT_PLACED}),
    OrderState.SUBMITTING: _VENUE_STATES | {OrderState.UNKNOWN, OrderState.REJECTED, OrderState.NOT_PLACED},
    OrderState.UNKNOWN: _VENUE_STATES | {OrderState.SUBMITTING, OrderState.REJECTED, OrderState.NOT_PLACED},
    OrderState.OPEN: _VENUE_STATES - {OrderState.OPEN},
    OrderState.PARTLY_FILLED: frozenset({OrderState.FILLED, OrderState.EXPIRED, OrderState.CANCELLED}),
    OrderState.FILLED: frozenset(),
    OrderState.EXPIRED: frozenset({OrderState.PARTLY_FILLED, OrderState.FILLED}),
    OrderState.CANCELLED: frozenset({OrderState.PARTLY_FILLED, OrderState.FILLED}),
    OrderState.REJECTED: frozenset(),
    OrderState.NOT_PLACED: frozenset(),
}
UNRESOLVED = frozenset({OrderState.SUBMITTING, OrderState.UNKNOWN})
RESTING = frozenset({OrderState.OPEN, OrderState.PARTLY_FILLED})
TERMINAL = frozenset(OrderState) - UNRESOLVED - RESTING - {OrderState.PLANNED}


REPLACEMENT_LEGS = 1000
"""Legs of a decision count from 0; an intent that takes the place of leg n has leg n + 1000."""


def check_move(before: OrderState, after: OrderState) -> None:
    """Raise TradingError when the table of legal moves forbids ``before`` -> ``after``."""
    if after not in LEGAL_MOVES[before]:
        raise TradingError(f"an order cannot move from {before} to {after}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Signed strength in [-1, +1] for one instrument, dead after ``expires_at``."""

    instrument: str
    strength: float
    horizon_seconds: int
    made_at: datetime
    expires_at: datetime
    volatility_annual: float | None = None

    def __post_init__(self) -> None:
        if not -1.0 <= self.strength <= 1.0:
            raise DataError(f"forecast {self.strength!r} for {self.instrument} lies outside [-1, +1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoForecast:
    """Why an instrument has no forecast in a decision."""

    instrument: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPosition:
    """Signed quantity wanted, in base units, with the price it was sized at."""

    instrument: str
    quantity: Decimal
    price: Decimal
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto:
    """A refusal by a limit, or a target cut down by it (``allowed`` not None), with its reason."""

    instrument: str
    limit: str
    reason: str
    wanted: Decimal
    allowed: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A wish that became no order: dust, inside the buffer, or not tradable."""

    instrument: str
    quantity: Decimal
    reason: str


def decision_id(*, account: str, strategy: str, as_of: datetime, attempt: int) -> str:
    """Stable id of the decision (account, strategy, as_of, attempt): ``d`` and 17 hex digits."""
    return "d" + _short_hash(account, strategy, str(to_micros(as_of)), str(attempt))


def intent_id(*, account: str, strategy: str, instrument: str, as_of: datetime, attempt: int, leg: int) -> str:
    """Stable id of one intent: ``s`` and 17 hex digits.

    18 alphanumerics fit the tightest client order id rule of the venues known (Kraken's free text),
    so the id itself serves as client order id where the venue takes free text.
    """
    return "s" + _short_hash(account, strategy, instrument, str(to_micros(as_of)), str(attempt), str(leg))


def replacement_id(replaced: str) -> str:
    """Stable id of the intent that takes an order's place: asked for twice, it is the same."""
    return "s" + _short_hash("replaces", replaced)


def _short_hash(*parts: str) -> str:
    text = "\x1f".join((ID_SCHEME, *parts))
    return hashlib.sha256(text.encode()).hexdigest()[: CLIENT_ORDER_ID_LENGTH - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """What we decided to ask the venue for; for a buy, the most that may be bought."""

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
    """One order as it goes on the wire: signed with ``sent_at`` and ``window_ms``, both stored first."""

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
    """The venue's view of one order."""

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
    """An execution; ``trade_id`` is unique per instrument at the venue. ``traded_at`` is the venue's wall time."""

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
    """What is known after one send. ``unknown`` is a result of its own: the order may or may not exist."""

    outcome: Literal["acked", "rejected", "unknown"]
    evidence: str
    order: VenueOrder | None = None

    def __post_init__(self) -> None:
        if (self.outcome == "acked") != (self.order is not None):
            raise TradingError("a placement carries the venue's order exactly when it is acked")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOrder:
    """An intent with what the ledger knows of its fate.

    ``quantity`` is what may still be sent (the intent's, or less once the buys were reduced).
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
class Decision:
    """One run of a strategy for one account and as_of: everything needed to explain and run it again.

    ``outcome`` is ``decided`` or ``refused``; a refusal has its ``reason`` and no intents. ``inputs``
    and ``record`` are JSON-ready: feature rows, forecasts, targets, vetoes, drops, versions, hashes.
    """

    decision_id: str
    account: str
    strategy: str
    as_of: datetime
    attempt: int
    mode: str
    outcome: Literal["decided", "refused"]
    reason: str
    model: str
    model_version: str
    limits_version: str
    ledger_sequence: int
    store_watermark: int
    market_time: datetime
    wall_time: datetime
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A stop on one instrument, one account, or everything (``scope`` = ``*``)."""

    scope: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTiming:
    """How long an order may travel and how long absence takes to prove, from the venue's capability row.

    ``window_ms`` is the validity window that the venue enforces; ``settle_seconds`` is window + the
    venue's internal timeout + margin: before it has passed, "not found" proves nothing.
    ``absence_queries`` is how many later queries must agree.
    """

    window_ms: int = 5000
    settle_seconds: float = 17.0
    first_poll_seconds: float = 0.2
    last_poll_seconds: float = 5.0
    absence_queries: int = 2
