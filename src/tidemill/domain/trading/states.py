"""The words of an order, its states, and the table of its legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from tidemill.domain.errors import TradingError


class Side(StrEnum):
    """Direction of an order."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """How an order may be executed; LIMIT_MAKER is post-only, STOP_LIMIT rests until its stop price is traded."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIMIT_MAKER = "LIMIT_MAKER"
    STOP_LIMIT = "STOP_LIMIT"


class TimeInForce(StrEnum):
    """How long an order may rest: until it is cancelled, not at all, or not at all and only as a whole."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderState(StrEnum):
    """Where one order intent stands, from the ledger's point of view.

    PLANNED: never sent. SUBMITTING: a send has begun, and nothing is known of it. UNKNOWN: a send has ended, and
    nothing proves what came of it. OPEN to CANCELLED: what the venue says. REJECTED: refused with the venue's own code.
    NOT_PLACED: never to be sent, or proven absent.
    """

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


# From each state, the states that may follow. A venue may report a fill after it reported a cancel
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
LIVE = UNRESOLVED | RESTING | {OrderState.PLANNED}
TERMINAL = frozenset(OrderState) - LIVE


def check_move(before: OrderState, after: OrderState) -> None:
    """Raise TradingError when the table of legal moves forbids ``before`` -> ``after``."""
    if after not in LEGAL_MOVES[before]:
        raise TradingError(f"an order cannot move from {before} to {after}")
